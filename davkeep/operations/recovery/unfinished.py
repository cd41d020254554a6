"""Operations of this process, and of those before it, that are over and not brought to an end.

Either something is still to be written about one: that is a debt. Or something hidden could not be
removed, for want of descriptors or because a disk refused: that is tried again.
"""

from collections.abc import Generator

from davkeep.operations.debts import Debt, Debts
from davkeep.operations.recovery.case import Case, Desk
from davkeep.store.record import SETTLED, Record


class Unfinished:
    """The cases of such operations.

    ``_left`` are those with something hidden. It is changed by whoever ends an operation, and
    replaced as a whole.
    """

    def __init__(self, desk: Desk, debts: Debts) -> None:
        """Begin with none."""
        self._desk = desk
        self._debts = debts
        self._left: tuple[Case, ...] = ()
        self._is_purging = False

    def owe(self, record: Record) -> None:
        """The journal could not be told the end of an operation."""
        self.add(Case(record, self._desk))

    def leave(self, record: Record) -> None:
        """Something hidden is left, or could not be taken back."""
        case = Case(record, self._desk)
        is_written = self._desk.journal.stage_of(record.id) is record.stage
        case.is_settled = is_written and record.stage in SETTLED
        self.add(case)

    def add(self, case: Case) -> None:
        """Keep ``case`` until nothing is left of it."""
        self._left = (*self._left, case)
        if not case.is_settled:
            what = f"the end of operation {case.record.id}"
            self._debts.owe(Debt(what, case.places, case.pay))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._left)

    def purging(self) -> Generator[None, None, None]:
        """Try again to remove what is hidden; long work of the upkeep."""
        if self._is_purging:
            return
        self._is_purging = True
        try:
            for case in self._left:
                yield from case.purge()
                if case.is_over:
                    self._left = tuple(each for each in self._left if each is not case)
        finally:
            self._is_purging = False
