"""What is still to be written before anything but a DELETE may happen on the same trees.

A write to the journal may fail when its operation is over: the state's disk is full. The record
that stays would be acted on by the next start, whatever stands at its names by then. So it is
written again and again until that works, and who wants to change one of its trees has it written
first, or is refused as the disk refuses (507, 503). A DELETE always passes, for it makes room; what
it has touched is unknown to such a record.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from davkeep.operations.attempt import attempt
from davkeep.operations.reservations import Conflict, Mode, Reservations
from davkeep.trees.place import Place

_log = logging.getLogger("davkeep.operations")

#: Whose account nobody has: that of debts when they are paid.
_NOBODY = ("", "")


@dataclass(frozen=True, slots=True, eq=False)
class Debt:
    """``pay`` writes what is due, and raises OSError as long as that fails. ``what``: for the log.

    ``places`` tells, at the moment when somebody asks, which trees it is about. ``paying`` is held
    meanwhile.
    """

    what: str
    places: Callable[[], Sequence[Place]]
    pay: Callable[[], None]
    paying: threading.Lock = field(default_factory=threading.Lock)

    def is_about(self, wanted: Sequence[Place]) -> bool:
        """Whether one of its trees is one of ``wanted``, or above or below it.

        Where its own cannot be looked at, nothing can be wanted.
        """
        try:
            places = self.places()
        except OSError:
            return False
        return any(own.contains(other) or other.contains(own) for own in places for other in wanted)


class Debts:
    """All that is due. Who finds a debt gone knows that all of it was written.

    ``_guard`` is held while the list is replaced; it is never changed, so that looking costs
    nothing where it is empty.
    """

    def __init__(self, reservations: Reservations | None = None) -> None:
        """Owe nothing. ``reservations``: where trees are taken while they are seen to."""
        self._reservations = Reservations() if reservations is None else reservations
        self._guard = threading.Lock()
        self._due: tuple[Debt, ...] = ()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._due)

    def owe(self, debt: Debt) -> None:
        """Have ``debt`` paid as soon as that is possible."""
        with self._guard:
            self._due = (*self._due, debt)

    def require(self, wanted: Sequence[Place]) -> None:
        """Pay what is due on trees that somebody has reserved; raises the OSError if that fails."""
        for debt in self._due:
            if debt.is_about(wanted):
                self._pay(debt)

    def pay(self) -> None:
        """Pay what can be paid by now, but for trees that somebody uses."""
        for debt in self._due:
            attempt(partial(self._try, debt), "paying for %s", debt.what)

    def _try(self, debt: Debt) -> None:
        try:
            wanted = [(place, Mode.EXCLUSIVE) for place in debt.places()]
            self._reservations.reserve(debt, wanted, _NOBODY)
        except (OSError, Conflict) as error:
            _log.debug("%s is not tried now: %s", debt.what, error)
            return
        try:
            self._pay(debt)
        except OSError as error:
            _log.debug("%s still cannot be written: %s", debt.what, error)
        finally:
            self._reservations.release(debt)

    def _pay(self, debt: Debt) -> None:
        with debt.paying:
            if debt not in self._due:
                return
            debt.pay()
            with self._guard:
                self._due = tuple(each for each in self._due if each is not debt)
        _log.warning("%s is written by now", debt.what)
