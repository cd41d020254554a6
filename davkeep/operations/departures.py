"""What is stored about names that are deleted while the database cannot be written."""

import logging
import threading
from collections.abc import Sequence
from functools import partial

from davkeep.operations.debts import Debt, Debts
from davkeep.operations.stored import ShareAbsentError, Stored
from davkeep.store.departed import DepartedFile
from davkeep.store.record import Side
from davkeep.trees.place import Place

_log = logging.getLogger("davkeep.operations")


class Departures:
    """Remembers such names until their locks and properties are gone.

    Until then the locks of what is gone count for nothing, and nothing new comes to the names: that
    is a debt. A note in ``file`` is made before anything is deleted, so that a crash forgets none.

    ``_guard`` is held while the file and ``_open`` change.
    """

    def __init__(self, stored: Stored, debts: Debts, file: DepartedFile) -> None:
        """Take up what an earlier process noted."""
        self._stored = stored
        self._debts = debts
        self._file = file
        self._guard = threading.Lock()
        #: Those that are not forgotten, once for each removal.
        self._open: list[Side] = []

    def recover(self) -> None:
        """At the start, before anything is served: go on with what an earlier process noted."""
        self._open.extend(self._file.found)
        for side in self._file.found:
            self.end(side)

    def begin(self, side: Side) -> None:
        """What is at ``side``, or below it, is about to be deleted. OSError: it must not be."""
        with self._guard:
            self._file.add(side)
            self._open.append(side)

    def end(self, side: Side) -> None:
        """All of it is deleted that will be."""
        try:
            self._forget(side)
        except OSError:
            if self._stored.roots.is_there(side.key):
                self._stored.dismiss_vanished(side.key)
            _log.error("what is stored about %s, which was deleted, stays for now", side.path)
            what = f"that {side.path} was deleted"
            places = partial(self._places, side)
            self._debts.owe(Debt(what, places, partial(self._forget, side)))

    def _forget(self, side: Side) -> None:
        if not self._stored.roots.is_there(side.key):
            raise ShareAbsentError
        self._stored.forget_vanished(side.key)
        with self._guard:
            if side in self._open:
                self._open.remove(side)
            if not self._open:
                self._file.clear()

    def _places(self, side: Side) -> Sequence[Place]:
        located = self._stored.roots.locate(side.key)
        return [] if located is None else [located.place]
