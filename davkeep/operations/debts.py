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
from dataclasses import dataclass

from davkeep.trees.place import Place

_log = logging.getLogger("davkeep.operations")


@dataclass(frozen=True, slots=True, eq=False)
class Debt:
    """``pay`` writes what is due, and raises OSError as long as that fails. ``what``: for the log.

    ``places`` tells, at the moment when somebody asks, which trees it is about.
    """

    what: str
    places: Callable[[], Sequence[Place]]
    pay: Callable[[], None]

    def is_about(self, wanted: Sequence[Place]) -> bool:
        """Whether one of its trees is one of ``wanted``, or above or below it."""
        return any(
            own.contains(other) or other.contains(own) for own in self.places() for other in wanted
        )


class Debts:
    """All that is due.

    ``_paying`` is held while something is paid: who finds a debt gone knows that all of it was
    written. The list is replaced, never changed, so that looking costs nothing where it is empty.
    """

    def __init__(self) -> None:
        """Owe nothing."""
        self._paying = threading.RLock()
        self._due: tuple[Debt, ...] = ()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._due)

    def owe(self, debt: Debt) -> None:
        """Have ``debt`` paid as soon as that is possible."""
        _log.error("%s could not be written, and is tried again until it is", debt.what)
        with self._paying:
            self._due = (*self._due, debt)

    def require(self, wanted: Sequence[Place]) -> None:
        """Pay what is due on trees that somebody has reserved; raises the OSError if that fails."""
        if not self._due:
            return
        with self._paying:
            for debt in self._due:
                if debt.is_about(wanted):
                    self._pay(debt)

    def pay(self) -> None:
        """Pay what can be paid by now."""
        for debt in self._due:
            with self._paying:
                try:
                    self._pay(debt)
                except OSError as error:
                    _log.debug("%s still cannot be written: %s", debt.what, error)

    def _pay(self, debt: Debt) -> None:
        if debt not in self._due:
            return
        debt.pay()
        self._due = tuple(each for each in self._due if each is not debt)
        _log.warning("%s is written by now", debt.what)
