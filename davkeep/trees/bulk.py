"""Whether copying something is bulk work, told without beginning it."""

import os
import stat
from collections.abc import Generator
from contextlib import closing

from davkeep.trees.content import stored_size
from davkeep.trees.descent import DIRECTORY
from davkeep.trees.durability import SMALL_TREE
from davkeep.trees.share import Entry, Kind
from davkeep.trees.steps import BLOCK_SIZE


def is_bulk(source: Entry, *, depth_infinity: bool = True) -> bool:
    """Return whether a COPY of ``source`` would say ``Lane.LONG``; OSError for what is unreadable.

    Looks at no more members than a COPY treats before it says so.
    """
    if source.kind is not Kind.COLLECTION:
        return stored_size(source.stat()) > BLOCK_SIZE
    if not depth_infinity:
        return False
    with closing(_sizes(source.parent_fd, source.name)) as sizes:
        return _exceeds(sizes)


def _exceeds(sizes: Generator[int, None, None]) -> bool:
    total = 0
    for members, size in enumerate(sizes, 1):
        total += size
        if members > SMALL_TREE or total >= BLOCK_SIZE:
            return True
    return False


def _sizes(parent_fd: int, name: str) -> Generator[int, None, None]:
    """Yield the size of each member below a collection."""
    fd = os.open(name, DIRECTORY, dir_fd=parent_fd)
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                yield stored_size(status) if stat.S_ISREG(status.st_mode) else 0
                if stat.S_ISDIR(status.st_mode):
                    yield from _sizes(fd, entry.name)
    finally:
        os.close(fd)
