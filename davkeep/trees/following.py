"""Walking a tree in which links are followed, or left as they are."""

import errno
import os
from collections.abc import Callable, Iterable

from davkeep.trees.descent import DIRECTORY
from davkeep.trees.identity import identity_of
from davkeep.trees.place import Identity
from davkeep.trees.share import Entry
from davkeep.trees.steps import Segments


class Following:
    """Where the members below one collection lead; paths are relative to that collection."""

    def __init__(self, root: Entry, *, links: bool) -> None:
        """``links``: a link that stays in the share stands for what it leads to."""
        self.links = links
        self._root = root

    def resolved(self, path: Segments) -> Entry:
        """Return what the link at ``path`` leads to, to be closed; raises as ``Share.entry``."""
        return self._root.share.entry((*self._root.segments, *path))

    def open(
        self, fd: int, name: str, way: Callable[[], Segments], above: Iterable[Identity]
    ) -> tuple[int, bool]:
        """Open the subdirectory ``name`` of ``fd``; tell whether a link led there.

        ``way`` leads to ``fd`` and ``above`` are the directories on it, asked only for a link.
        Raises ELOOP for a link to one of them.
        """
        try:
            return os.open(name, DIRECTORY, dir_fd=fd), False
        except NotADirectoryError:
            if not self.links:
                raise
        with self.resolved((*way(), name)) as entry:
            below = os.open(entry.name, DIRECTORY, dir_fd=entry.parent_fd)
        if identity_of(os.fstat(below)) in above:
            os.close(below)
            raise OSError(errno.ELOOP, "The link leads to a collection that holds it")
        return below, True
