"""Uploads that a crash cut off: staged files, known by their names alone.

A PUT changes one name by one rename and nothing that is stored, so it needs no record: whatever
bears a staging name of this instance, and belongs to no record and to no upload in ranges, is
removed. The journal only keeps in which directories there may be one, so an upload costs no write
but the first in its directory.
"""

import logging
import os
from collections.abc import Collection, Generator, Iterable, Sequence

from davkeep.operations.stored import Stored
from davkeep.store.database import StoreError
from davkeep.store.journal import Journal
from davkeep.store.uploads import StoredUpload
from davkeep.trees.closing import Closing
from davkeep.trees.names import Name
from davkeep.trees.purge import purge
from davkeep.trees.remains import is_foreign, number, open_folder, own_names
from davkeep.trees.steps import Control

_log = logging.getLogger("davkeep.recovery")


class Uploads(Closing):
    """What was staged when the process before this one ended; found once, then purged."""

    def __init__(self, journal: Journal, stored: Stored, instances: Sequence[str]) -> None:
        """``instances``: whose staging names are looked for."""
        self._journal = journal
        self._stored = stored
        self._instances = instances
        #: The uploads in ranges, which are gone on with.
        self._ranged: list[StoredUpload] = []
        self._found: list[Name] = []
        self._opened: list[int] = []
        self._searched: list[bytes] = []

    @property
    def count(self) -> int:
        """How many were found."""
        return len(self._found)

    def find(self, spool: str | None, recorded: Collection[str]) -> None:
        """Look into the folders; what begins with one of ``recorded`` belongs to a record.

        Called before anything is served, so nothing that is found is in use.
        """
        self._ranged = self._stored.uploads.all()
        for folder in self._journal.folders():
            if self._search(folder, recorded):
                self._searched.append(folder)
        if spool is not None:
            self._look_into(os.fsencode(os.path.realpath(spool)), None, recorded)

    def _kept_in(self, path: bytes, key: bytes | None, folder_fd: int) -> set[str]:
        """The names of uploads in ranges that are there to be gone on with.

        The file of one in a spool may be beside its target, where it was about to be stored.
        """
        kept = set()
        for row in self._ranged:
            is_beside = os.path.dirname(row.path) == key
            is_here = is_beside if row.folder is None else row.folder == path
            if is_here or (is_beside and row.is_of(number((folder_fd, row.name)))):
                kept.add(row.name)
        return kept

    def _search(self, key: bytes, recorded: Collection[str]) -> bool:
        """Look into one folder; False if that has to wait until its share is there."""
        located = self._stored.roots.locate(key)
        if located is None or not located.share.root.is_there():
            told = key if located is None else located.path
            _log.warning(
                "the share of %s is not there: what was uploaded is looked for when it is back",
                os.fsdecode(told),
            )
            return False
        self._forget_locks(key)
        return self._look_into(located.path, key, recorded)

    def _look_into(self, path: bytes, key: bytes | None, recorded: Collection[str]) -> bool:
        """Note what is found; False if it cannot be looked for."""
        try:
            folder_fd = open_folder(path)
            self._opened.append(folder_fd)
            names = [(folder_fd, name) for name in own_names(folder_fd, self._instances)]
            alive = (*recorded, *self._kept_in(path, key, folder_fd))
            found = [name for name in names if self._is_ours(name, alive)]
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            _log.error("%s cannot be searched: %s", os.fsdecode(path), error)
            return False
        self._found += found
        if not found:
            os.close(self._opened.pop())
        return True

    def _is_ours(self, name: Name, recorded: Iterable[str]) -> bool:
        if name[1].startswith(tuple(recorded)):
            return False
        if is_foreign(name, self._instances):
            _log.warning("a collection is hidden as %s: look at it, and move or remove it", name[1])
            return False
        return True

    def _forget_locks(self, key: bytes) -> None:
        """End the locks on files that a LOCK was about to make here (RFC 4918 7.3)."""
        for lock in self._stored.locks.below(key):
            if os.path.dirname(lock.path) == key and self._stored.is_gone(lock.path):
                self._stored.locks.release(lock.token)

    def purge(self) -> Generator[None, None, None]:
        """Remove what was found."""
        for name in self._found:
            control = Control(name[1])
            for _ in purge(*name, control):
                yield None
            _log.warning(
                "%s what an upload had staged: %s",
                "cannot remove" if control.left_behind else "removed",
                name[1],
            )
        try:
            self._journal.forget_folders(self._searched)
        except StoreError as error:
            # The next start looks into them once more.
            _log.warning("folders of uploads stay noted: %s", error)

    def close(self) -> None:
        """Close the directories."""
        while self._opened:
            os.close(self._opened.pop())
