"""Finding what a loss of power left hidden without a record.

A record, or the note of an upload's folder, that only has to survive the end of the process is not
flushed (``operations.page``), so a loss of power may take it and leave what was staged. That is
looked for in the whole of every share, while the server serves.
"""

import logging
import os
from collections.abc import Callable, Iterable

from davkeep.operations.stored import Stored
from davkeep.operations.upkeep import Steps
from davkeep.store.database import StoreError
from davkeep.store.journal import Journal
from davkeep.trees.names import GONE, OLD
from davkeep.trees.orphans import hidden_below
from davkeep.trees.purge import purge
from davkeep.trees.steps import Control

_log = logging.getLogger("davkeep.recovery")

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Sweep:
    """One search; ``prefix`` begins the hidden names of this state.

    ``is_in_use`` says of a name whether work of this process bears it.
    """

    def __init__(
        self, journal: Journal, stored: Stored, prefix: str, is_in_use: Callable[[str], bool]
    ) -> None:
        """Search nothing before ``steps``."""
        self._journal = journal
        self._stored = stored
        self._prefix = prefix
        self._is_in_use = is_in_use
        #: How many entries were removed.
        self.removed = 0

    def steps(self, roots: Iterable[str]) -> Steps:
        """Search below each of ``roots``, and remove what belongs to nobody.

        If all of them are there, the next start need not search again.
        """
        is_whole = True
        for root in roots:
            try:
                fd = os.open(root, _ROOT)
            except OSError as error:
                _log.warning("%s cannot be searched for what is hidden: %s", root, error)
                is_whole = False
                continue
            for found in hidden_below(fd, self._prefix):
                if found is not None and self._is_orphan(found[1]):
                    yield from self._remove(*found)
                yield None
        _log.info("%d hidden entries were removed that had lost their records", self.removed)
        if is_whole:
            self._note_whole()

    def _note_whole(self) -> None:
        try:
            self._stored.database.note_whole()
        except StoreError as error:
            _log.warning("the next start searches again for what is hidden: %s", error)

    def _is_orphan(self, name: str) -> bool:
        bare, dot, suffix = name[1:].partition(".")
        bare = f".{bare}"
        if self._is_in_use(bare) or self._stored.uploads.get(bare) is not None:
            return False
        if self._journal.is_kept(bare.removeprefix(self._prefix)):
            return False
        if dot + suffix in (OLD, GONE):
            # Only a record that was flushed hides what was there before.
            _log.warning("%s is hidden and unknown: look at it, and move or remove it", name)
            return False
        return True

    def _remove(self, parent_fd: int, name: str) -> Steps:
        control = Control(name)
        yield from purge(parent_fd, name, control)
        self.removed += not control.left_behind
