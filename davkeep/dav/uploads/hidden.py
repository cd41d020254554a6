"""The hidden files of uploads in ranges: where the file of a row is, and whether it is there."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from davkeep.store.uploads import StoredUpload
from davkeep.trees.failures import destination_error
from davkeep.trees.partial import Partial, make_partial, open_folder, open_partial, remove_partial
from davkeep.trees.roots import Located, Roots
from davkeep.trees.share import Entry

_log = logging.getLogger("davkeep.dav")


class Hidden:
    """The files of uploads into shares whose roots are ``roots``."""

    def __init__(self, roots: Roots) -> None:
        """Nothing is opened yet."""
        self._roots = roots

    def make(self, entry: Entry, row: StoredUpload) -> Partial:
        """Make the file of a new upload to ``entry``. Raises DestinationError."""
        with _folder(entry, row.folder) as folder_fd:
            return make_partial(folder_fd, row.name)

    def open(self, entry: Entry, row: StoredUpload) -> Partial | None:
        """Open the file of an upload to ``entry``; None if it is not there.

        One in a spool is beside its target if a commit that failed had brought it there. Raises
        DestinationError.
        """
        with _folder(entry, row.folder) as folder_fd:
            opened = open_in(folder_fd, row)
        if opened is None and row.folder is not None:
            opened = open_in(entry.parent_fd, row)
        return opened

    def remove(self, row: StoredUpload) -> bool:
        """Remove the file, wherever it may be; False if that is refused, or has to wait until its
        share is served.
        """
        is_removed = row.is_homeless or self._beside(row) is not None
        for folder in self._folders(row):
            try:
                remove_partial(folder, row.name)
            except OSError as error:
                _log.warning("an upload left something that could not be removed: %s", error)
                is_removed = False
        return is_removed

    def has_vanished(self, row: StoredUpload) -> bool:
        """Whether the target's collection was out of sight, and is gone from there.

        False where nothing can be told: the disk may not be there.
        """
        collection = os.path.dirname(row.path)
        before, _, _ = collection.partition(b"/.davkeep-")
        located = self._roots.locate(before)
        if located is None:
            return False
        hidden = located.share.path_at(collection)
        return os.path.isdir(located.path) and not os.path.lexists(hidden)

    def is_spent(self, row: StoredUpload) -> bool:
        """Whether a crash came before the file was noted, or after it had got its final name.

        False where the file is not to be found: its disk may not be there yet.
        """
        if row.inode is None:
            return True
        found = list(self._found(row))
        return bool(found) and not any(row.is_of(str(status.st_ino)) for status in found)

    def arrived_of(self, row: StoredUpload) -> int | None:
        """How many bytes the file has; None if it is not there."""
        sizes = [status.st_size for status in self._found(row) if row.is_of(str(status.st_ino))]
        return sizes[0] if sizes else None

    def _found(self, row: StoredUpload) -> Iterator[os.stat_result]:
        """What has the name of the file, in any of its folders."""
        for folder in self._folders(row):
            try:
                yield os.lstat(os.path.join(folder, os.fsencode(row.name)))
            except OSError:
                continue

    def _folders(self, row: StoredUpload) -> set[bytes]:
        """Where the file may be."""
        beside = self._beside(row)
        return {row.folder or b"", b"" if beside is None else beside.path} - {b""}

    def _beside(self, row: StoredUpload) -> Located | None:
        return self._roots.locate(os.path.dirname(row.path))


def open_in(folder_fd: int, row: StoredUpload) -> Partial | None:
    """The same of a file in one directory."""
    for inode in (row.inode, row.copy):
        opened = None if inode is None else open_partial(folder_fd, row.name, inode)
        if opened is not None:
            return opened
    return None


@contextmanager
def _folder(entry: Entry, spool: bytes | None) -> Iterator[int]:
    """The directory of a hidden file. Raises DestinationError."""
    if spool is None:
        yield entry.parent_fd
        return
    try:
        folder_fd = open_folder(spool)
    except OSError as error:
        raise destination_error(error) from error
    try:
        yield folder_fd
    finally:
        os.close(folder_fd)
