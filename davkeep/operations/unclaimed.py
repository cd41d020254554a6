"""Results that may never have reached a client (the promises, Repeats)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Outcome
from davkeep.operations.repeats import RepeatKey
from davkeep.operations.reservations import Reservations
from davkeep.operations.state import State
from davkeep.trees.share import Place

#: Looks whether what an operation that succeeded has come to still stands; raises OSError where
#: that cannot be seen.
Stands = Callable[[Outcome], bool]


def always(_: Outcome) -> bool:
    """Stand in where there is nothing to look at."""
    return True


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of an operation: what a repeat is known by, and whether it is told."""

    key: RepeatKey
    stands: Stands


class Unclaimed:
    """Operations that have ended, and of whose final response no delivery is known.

    A repeat gets such a result as long as nothing at or below what the operation was about was
    changed through the server, and what it has come to ``stands``. Not locked: its owner guards it,
    and looks at the latter without the lock, since that may block.
    """

    def __init__(self, reservations: Reservations) -> None:
        """``reservations`` tell what is changed."""
        self._reservations = reservations
        self._by_key: dict[RepeatKey, Operation] = {}
        self._kept: dict[Operation, _Kept] = {}

    def __len__(self) -> int:
        """Return how many there are, those included that were overtaken by a change."""
        return len(self._kept)

    def keep(
        self,
        key: RepeatKey,
        operation: Operation,
        places: Sequence[Place],
        stands: Stands = always,
    ) -> None:
        """Begin to keep ``operation``, which was about ``places``."""
        former = self._by_key.get(key)
        if former is not None:
            self.drop(former)
        self._by_key[key] = operation
        self._kept[operation] = _Kept(key, stands)
        self._reservations.watch(operation, places)

    def find(self, key: RepeatKey) -> Operation | None:
        """Return the operation whose result answers a repeat; None: it is a new request."""
        found = self._by_key.get(key)
        if found is None:
            return None
        if self._reservations.is_unchanged(found) and _is_answer(found):
            return found
        self.drop(found)
        return None

    def stands(self, operation: Operation) -> Stands:
        """Return what looks whether it may be told; of one that is not kept there is no doubt."""
        kept = self._kept.get(operation)
        is_success = operation.state is State.SUCCEEDED
        return always if kept is None or not is_success else kept.stands

    def drop(self, operation: Operation) -> None:
        """Its result was delivered, or has expired. A second call does nothing."""
        kept = self._kept.pop(operation, None)
        if kept is not None:
            del self._by_key[kept.key]
            self._reservations.unwatch(operation)


def _is_answer(operation: Operation) -> bool:
    """Whether a repeat is told this end; who asks again for what was cancelled wants it now."""
    return operation.state not in (State.CANCELLED, State.INTERRUPTED)
