"""How the source and the destination of COPY and MOVE lie to each other."""

import errno
import os

from davkeep.trees.identity import identity_of
from davkeep.trees.share import Entry


def refuse_nesting(source: Entry, destination: Entry) -> None:
    """Raise EPERM (403) where one of the two is, or holds, the other.

    Into itself it would never end; onto a collection that holds the source, replacing that would
    destroy the source. Directories are compared by identity, so two URLs of one tree are seen.
    """
    source.refuse_root()
    destination.refuse_root()
    here, there = source.place, destination.place
    if is_same_name(source, destination) or here.is_directory_above(there):
        raise PermissionError(errno.EPERM, "The destination is the source or lies in it")
    if there.is_directory_above(here):
        raise PermissionError(errno.EPERM, "The source lies in the destination")


def is_same_name(source: Entry, destination: Entry) -> bool:
    """Tell whether both are one name in one directory, told by the directory's identity.

    What is asked for by another spelling is another name, whatever becomes of that.
    """
    is_one = source.name == destination.name and not destination.is_respelling
    return is_one and _has_same_parent(source, destination)


def is_case_variant(source: Entry, destination: Entry) -> bool:
    """Tell whether two spellings lead to one directory entry, on a file system that folds case.

    For two entries of one inode: they are two hard links if the directory lists both spellings.
    """
    if destination.is_respelling:
        return True
    if not _has_same_parent(source, destination):
        return False
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=source.parent_fd)
    try:
        return not {source.name, destination.name}.issubset(os.listdir(fd))
    finally:
        os.close(fd)


def _has_same_parent(source: Entry, destination: Entry) -> bool:
    parents = (os.fstat(entry.parent_fd) for entry in (source, destination))
    return len({identity_of(parent) for parent in parents}) == 1
