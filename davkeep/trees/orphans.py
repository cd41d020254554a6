"""Looking for hidden entries in a whole tree, after a loss of power took their records."""

import os
from collections.abc import Generator
from contextlib import suppress

from davkeep.trees.descent import DIRECTORY, Descent
from davkeep.trees.names import Name, is_hidden_name

#: Members that are looked at between two checkpoints; less than 1 ms.
_STRETCH = 256


def hidden_below(root_fd: int, prefix: str) -> Generator[Name | None, None, None]:
    """Yield each entry whose name begins with ``prefix``, in an open directory; None in between.

    Takes over ``root_fd``. Hidden entries are not entered, and mounts are. What cannot be read is
    passed over.
    """
    down = Descent(root_fd)
    pending: list[list[str]] = [[]]
    try:
        yield from _read(down.fd, prefix, pending[-1])
        while pending:
            if pending[-1]:
                fd = _opened(down.fd, pending[-1].pop())
                if fd >= 0:
                    down.push(fd)
                    pending.append([])
                    yield from _read(fd, prefix, pending[-1])
                continue
            pending.pop()
            if pending:
                down.pop()
    finally:
        down.close()


def _read(fd: int, prefix: str, below: list[str]) -> Generator[Name | None, None, None]:
    """Go through one directory; what is to be entered goes to ``below``."""
    found: list[str] = []
    with suppress(OSError), os.scandir(fd) as entries:
        for number, entry in enumerate(entries, start=1):
            if entry.name.startswith(prefix):
                found.append(entry.name)
            elif entry.is_dir(follow_symlinks=False) and not is_hidden_name(entry.name):
                below.append(entry.name)
            if not number % _STRETCH:
                yield None
    yield None
    for name in found:
        yield fd, name


def _opened(parent_fd: int, name: str) -> int:
    try:
        return os.open(name, DIRECTORY, dir_fd=parent_fd)
    except OSError:
        return -1
