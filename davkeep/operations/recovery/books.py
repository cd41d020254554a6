"""Where operations keep account of what they change: the journal, and what it could not be told."""

from dataclasses import dataclass
from typing import Self

from davkeep.operations.debts import Debts
from davkeep.operations.departures import Departures
from davkeep.operations.recovery.case import Desk
from davkeep.operations.recovery.unfinished import Unfinished
from davkeep.operations.reservations import Reservations
from davkeep.operations.stored import Stored
from davkeep.operations.upkeep import Upkeep
from davkeep.store.departed import DepartedFile
from davkeep.store.journal import Journal

#: Seconds between two attempts to write what could not be written.
PAY_EVERY = 2.0
#: Seconds between two attempts to remove what stayed hidden.
PURGE_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Books:
    """The journal, what is stored about trees, and what is left over of operations.

    ``departures`` is what is deleted without a record, ``unfinished`` takes records that could not
    be brought to their end, ``debts`` is what has to be written first.
    """

    desk: Desk
    debts: Debts
    departures: Departures
    unfinished: Unfinished

    @classmethod
    def of(
        cls,
        journal: Journal,
        stored: Stored,
        file: DepartedFile,
        reservations: Reservations,
        *,
        fsync: bool,
    ) -> Self:
        """Open them; ``reservations`` are those of everybody's."""
        desk, debts = Desk(journal, stored, fsync), Debts(reservations)
        return cls(desk, debts, Departures(stored, debts, file), Unfinished(desk, debts))

    def keep_up(self, upkeep: Upkeep) -> None:
        """Have what is left over tried again and again."""
        upkeep.every(PAY_EVERY, self.debts.pay)
        upkeep.every(PURGE_EVERY, lambda: self._purge(upkeep))

    def _purge(self, upkeep: Upkeep) -> None:
        steps = self.unfinished.begin_purging()
        if steps is not None:
            upkeep.drive(steps)
