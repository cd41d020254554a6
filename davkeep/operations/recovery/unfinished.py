"""Operations of this process, and of those before it, that are over and not brought to an end.

Either something is still to be written about one: that is a debt. Or something hidden could not be
removed, for want of descriptors or because a disk refused: that is tried again.
"""

import logging
import threading
from collections.abc import Generator
from dataclasses import dataclass

from davkeep.operations.debts import Debt, Debts
from davkeep.operations.recovery.case import Case, Desk
from davkeep.store.record import SETTLED, Record

#: Rounds between two attempts to purge one case at most: ten minutes.
LONGEST = 120

_log = logging.getLogger("davkeep.recovery")


class Unfinished:
    """The cases of such operations. What stays hidden is tried again after ever longer pauses.

    ``_guard`` is held while the cases, or whether somebody purges, are changed.
    """

    def __init__(self, desk: Desk, debts: Debts) -> None:
        """Begin with none."""
        self._desk = desk
        self._debts = debts
        self._guard = threading.Lock()
        self._left: list[_Left] = []
        self._is_purging = False
        #: How often it was asked for something to purge.
        self._round = 0

    def owe(self, record: Record) -> None:
        """The journal could not be told the end of an operation."""
        _log.error("the end of operation %s is written as soon as that is possible", record.id)
        self.add(Case(record, self._desk))

    def leave(self, record: Record) -> None:
        """Something hidden is left, or could not be taken back."""
        case = Case(record, self._desk)
        is_written = self._desk.journal.stage_of(record.id) is record.stage
        case.is_settled = is_written and record.stage in SETTLED
        self.add(case)

    def add(self, case: Case) -> None:
        """Keep ``case`` until nothing is left of it."""
        with self._guard:
            self._left.append(_Left(case))
        if not case.is_settled:
            what = f"the end of operation {case.record.id}"
            self._debts.owe(Debt(what, case.places, case.pay))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._left)

    def begin_purging(self) -> Generator[None, None, None] | None:
        """Work that tries again to remove what is hidden; None if there is none, or under way."""
        with self._guard:
            self._round += 1
            due = [each for each in self._left if each.next_round <= self._round]
            if self._is_purging or not due:
                return None
            self._is_purging = True
            return self._purging(due)

    def _purging(self, due: list["_Left"]) -> Generator[None, None, None]:
        try:
            for each in due:
                yield from each.case.purge()
                with self._guard:
                    if each.case.has_ended:
                        self._left.remove(each)
                    else:
                        each.put_off(self._round)
        finally:
            self._is_purging = False


@dataclass(slots=True, eq=False)
class _Left:
    """A case, the round in which it is tried next, and how often it was."""

    case: Case
    next_round: int = 0
    tries: int = 0

    def put_off(self, round: int) -> None:
        self.tries += 1
        self.next_round = round + min(2**self.tries, LONGEST)
