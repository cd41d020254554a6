"""MKCOL (RFC 4918 9.3): one new, empty collection."""

import errno
import os

from davkeep.trees.durability import flush_directory
from davkeep.trees.share import Entry


def make_collection(entry: Entry, fsync: bool) -> None:
    """Make a directory with the mode that the umask leaves.

    Raises FileExistsError (405) when something is there, a hidden link included, FileNotFoundError
    (409) when the parent is gone.
    """
    entry.require_writable()
    if entry.is_root:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.mkdir(entry.name, 0o777, dir_fd=entry.parent_fd)
    if fsync:
        flush_directory(entry.parent_fd)
