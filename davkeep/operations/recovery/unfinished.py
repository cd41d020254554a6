"""Operations of this process, and of those before it, that are over and not brought to an end.

Either something is still to be written about one: that is a debt. Or something hidden could not be
removed, for want of descriptors or because a disk refused: that is tried again.
"""

import logging
import threading
from collections.abc import Generator

from davkeep.operations.debts import Debt, Debts
from davkeep.operations.recovery.case import Case, Desk
from davkeep.store.record import SETTLED, Record

_log = logging.getLogger("davkeep.recovery")


class Unfinished:
    """The cases of such operations.

    ``_guard`` is held while the list of cases, or whether somebody purges, is changed.
    """

    def __init__(self, desk: Desk, debts: Debts) -> None:
        """Begin with none."""
        self._desk = desk
        self._debts = debts
        self._guard = threading.Lock()
        self._left: list[Case] = []
        self._is_purging = False

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
            self._left.append(case)
        if not case.is_settled:
            what = f"the end of operation {case.record.id}"
            self._debts.owe(Debt(what, case.places, case.pay))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._left)

    def begin_purging(self) -> Generator[None, None, None] | None:
        """Work that tries again to remove what is hidden; None if there is none, or under way."""
        with self._guard:
            if self._is_purging or not self._left:
                return None
            self._is_purging = True
            return self._purging(list(self._left))

    def _purging(self, cases: list[Case]) -> Generator[None, None, None]:
        try:
            for case in cases:
                yield from case.purge()
                if case.is_over:
                    with self._guard:
                        self._left.remove(case)
        finally:
            self._is_purging = False
