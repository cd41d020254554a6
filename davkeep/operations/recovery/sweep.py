"""Finding what a loss of power left hidden without a record.

A record, or the note of an upload's folder, that only has to survive the end of the process is not
flushed (``operations.page``), so a loss of power may take it and leave what was staged. And purging
is not flushed, so what was purged may be there again, after the end of its record was flushed. Both
are looked for in the whole of every share, while the server serves.

Nothing of that is needed: a record that hides what was there before is flushed first, and goes only
after that is back on its disk or is to be purged. But after a backup of the state was restored, a
record may be missing that came later; then what may be the only copy of something stays.
"""

import logging
import os
from collections.abc import Callable, Iterable, Sequence

from davkeep.operations.stored import Stored
from davkeep.operations.upkeep import Steps
from davkeep.store.database import StoreError
from davkeep.store.journal import Journal
from davkeep.trees.names import GONE, OLD, Name
from davkeep.trees.orphans import hidden_below
from davkeep.trees.purge import purge
from davkeep.trees.remains import is_foreign
from davkeep.trees.steps import Control

_log = logging.getLogger("davkeep.recovery")

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Sweep:
    """One search for hidden names of some ``instances``.

    ``is_in_use`` says of a name whether work of this process bears it.
    """

    def __init__(
        self,
        journal: Journal,
        stored: Stored,
        instances: Sequence[str],
        is_in_use: Callable[[str], bool],
    ) -> None:
        """Search nothing before ``steps``."""
        self._journal = journal
        self._stored = stored
        self._instances = instances
        self._prefixes = tuple(f".davkeep-{instance}-" for instance in instances)
        self._is_in_use = is_in_use
        #: How many entries were removed, and how many stay because they may be the only copies.
        self.removed = self.kept = 0
        self._is_whole = True

    def steps(self, roots: Iterable[str]) -> Steps:
        """Search below each of ``roots``, and remove what belongs to nobody.

        If all of them are there, and nothing is kept, the next start need not search again.
        """
        for root in roots:
            yield from self._search(root)
        _log.info("%d hidden entries were removed that had lost their records", self.removed)
        if self._is_whole and not self.kept:
            self._note_whole()

    def _search(self, root: str) -> Steps:
        try:
            fd = os.open(root, _ROOT)
        except OSError as error:
            self._skip(error)
            return
        for found in hidden_below(fd, self._prefixes, self._skip):
            if found is not None and self._is_orphan(found):
                yield from self._remove(*found)
            yield None

    def _skip(self, error: OSError) -> None:
        """A directory cannot be searched, so the next start does it again."""
        _log.warning("something cannot be searched for what is hidden: %s", error)
        self._is_whole = False

    def _note_whole(self) -> None:
        try:
            self._stored.database.note_whole()
        except StoreError as error:
            _log.warning("the next start searches again for what is hidden: %s", error)

    def _is_orphan(self, found: Name) -> bool:
        name = found[1]
        bare, dot, suffix = name[1:].partition(".")
        bare = f".{bare}"
        if self._is_in_use(bare) or self._stored.uploads.get(bare) is not None:
            return False
        if any(self._journal.is_kept(bare.removeprefix(each)) for each in self._prefixes):
            return False
        is_original = dot + suffix in (OLD, GONE) and self._stored.database.is_copy
        if is_original or is_foreign(found, self._instances):
            _log.warning("%s is hidden and unknown: look at it, and move or remove it", name)
            self.kept += 1
            return False
        return True

    def _remove(self, parent_fd: int, name: str) -> Steps:
        control = Control(name)
        yield from purge(parent_fd, name, control)
        self.removed += not control.left_behind
