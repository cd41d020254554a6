"""What is stored about names that are deleted while the database cannot be written."""

import os
from collections.abc import Sequence
from functools import partial

from davkeep.operations.debts import Debt, Debts
from davkeep.operations.stored import Stored
from davkeep.store.database import StoreError
from davkeep.store.departed import DepartedFile, Departure
from davkeep.store.journal import Side
from davkeep.trees.place import Place, place_at


class Departures:
    """Remembers such names until their locks and properties are gone.

    Until then the locks of what is gone count for nothing, and nothing new comes to the names: that
    is a debt. A note in ``file`` is made before anything is deleted, so that a crash forgets none.
    """

    def __init__(self, stored: Stored, debts: Debts, file: DepartedFile) -> None:
        """Take up what an earlier process noted."""
        self._stored = stored
        self._debts = debts
        self._file = file
        #: Those that are not forgotten. Changed by who has reserved the tree, or pays the debt.
        self._open: set[Departure] = set()

    def recover(self) -> None:
        """At the start, before anything is served: go on with what an earlier process noted."""
        for departure in self._file.found:
            self._open.add(departure)
            self.end(departure)

    def begin(self, side: Side) -> Departure:
        """What is at ``side``, or below it, is about to be deleted. OSError: it must not be."""
        departure = Departure(side.path, side.root, side.root_inode)
        self._file.add(departure)
        self._open.add(departure)
        return departure

    def end(self, departure: Departure) -> None:
        """All of it is deleted that will be."""
        try:
            self._forget(departure)
        except OSError:
            self._stored.dismiss_vanished(os.fsencode(departure.path))
            what = f"that {departure.path} was deleted"
            self._debts.owe(
                Debt(what, partial(_places, departure), partial(self._forget, departure))
            )

    def _forget(self, departure: Departure) -> None:
        if str(os.stat(departure.root).st_ino) != departure.root_inode:
            raise StoreError(5, "the share is not there")
        self._stored.forget_vanished(os.fsencode(departure.path))
        self._open.discard(departure)
        if not self._open:
            self._file.clear()


def _places(departure: Departure) -> Sequence[Place]:
    return [place_at(departure.path)]
