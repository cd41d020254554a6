"""Looking for hidden entries in a whole tree, after a loss of power took their records."""

import os
from collections.abc import Callable, Generator

from davkeep.trees.descent import DIRECTORY, Descent
from davkeep.trees.names import Name, is_hidden_name

#: Members that are looked at between two checkpoints; less than 1 ms.
_STRETCH = 256


#: Is told why a directory was not searched.
Skipped = Callable[[OSError], None]


def hidden_below(
    root_fd: int, prefix: tuple[str, ...], skipped: Skipped
) -> Generator[Name | None, None, None]:
    """Yield each entry whose name begins with a ``prefix``, in an open directory; None in between.

    Takes over ``root_fd``. Hidden entries are not entered, and mounts are. ``skipped`` is told of
    each directory that cannot be read, but of those that have vanished, and of those that are
    closed to us, where we have hidden nothing.
    """
    down = Descent(root_fd)
    pending: list[list[str]] = [[]]
    try:
        yield from _read(down.fd, prefix, pending[-1], skipped)
        while pending:
            if pending[-1]:
                fd = _opened(down.fd, pending[-1].pop(), skipped)
                if fd >= 0:
                    down.push(fd)
                    pending.append([])
                    yield from _read(fd, prefix, pending[-1], skipped)
                continue
            pending.pop()
            if pending:
                down.pop()
    finally:
        down.close()


def _read(
    fd: int, prefix: tuple[str, ...], below: list[str], skipped: Skipped
) -> Generator[Name | None, None, None]:
    """Go through one directory; what is to be entered goes to ``below``."""
    found: list[str] = []
    try:
        with os.scandir(fd) as entries:
            for number, entry in enumerate(entries, start=1):
                if entry.name.startswith(prefix):
                    found.append(entry.name)
                elif entry.is_dir(follow_symlinks=False) and not is_hidden_name(entry.name):
                    below.append(entry.name)
                if not number % _STRETCH:
                    yield None
    except OSError as error:
        skipped(error)
    yield None
    for name in found:
        yield fd, name


def _opened(parent_fd: int, name: str, skipped: Skipped) -> int:
    try:
        return os.open(name, DIRECTORY, dir_fd=parent_fd)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return -1
    except OSError as error:
        skipped(error)
        return -1
