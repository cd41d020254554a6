"""Results that may never have reached a client (the promises, Repeats)."""

from collections.abc import Sequence

from davkeep.operations.operation import Operation
from davkeep.operations.repeats import RepeatKey
from davkeep.operations.reservations import Reservations
from davkeep.operations.state import State
from davkeep.trees.share import Place


class Unclaimed:
    """Operations that have ended, and of whose final response no delivery is known.

    A repeat gets such a result as long as nothing at or below what the operation was about was
    changed through the server. Not locked: its owner guards it.
    """

    def __init__(self, reservations: Reservations) -> None:
        """``reservations`` tell what is changed."""
        self._reservations = reservations
        self._by_key: dict[RepeatKey, Operation] = {}
        self._keys: dict[Operation, RepeatKey] = {}

    def __len__(self) -> int:
        """Return how many there are, those included that were overtaken by a change."""
        return len(self._keys)

    def keep(self, key: RepeatKey, operation: Operation, places: Sequence[Place]) -> None:
        """Begin to keep ``operation``, which was about ``places``."""
        former = self._by_key.get(key)
        if former is not None:
            self.drop(former)
        self._by_key[key] = operation
        self._keys[operation] = key
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

    def drop(self, operation: Operation) -> None:
        """Its result was delivered, or has expired. A second call does nothing."""
        key = self._keys.pop(operation, None)
        if key is not None:
            del self._by_key[key]
            self._reservations.unwatch(operation)


def _is_answer(operation: Operation) -> bool:
    """Whether a repeat is told this end; who asks again for what was cancelled wants it now."""
    return operation.state not in (State.CANCELLED, State.INTERRUPTED)
