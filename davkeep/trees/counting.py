"""Counting what a COPY will treat, ahead of it and without touching anything."""

import os
import stat
from collections.abc import Generator
from dataclasses import dataclass

from davkeep.trees.content import data_ranges, is_sparse
from davkeep.trees.descent import DIRECTORY, READ, Descent
from davkeep.trees.failures import refuse_shortage
from davkeep.trees.following import Following
from davkeep.trees.identity import identity_of
from davkeep.trees.names import is_hidden_name
from davkeep.trees.place import Identity
from davkeep.trees.share import Entry
from davkeep.trees.steps import Segments

#: Members counted between two checkpoints; less than 1 ms where the kernel has them in memory.
_STRETCH = 64


@dataclass(frozen=True, slots=True)
class Totals:
    """What there is to treat: members, the root included, and the bytes of their contents."""

    members: int
    bytes: int


#: A count under way; it may be given up at every checkpoint.
Count = Generator[None, None, Totals]


def count(source: Entry, *, depth_infinity: bool = True, follow_links: bool) -> Count:
    """Count the members and bytes that a COPY of ``source`` treats; it stays open until the end.

    Members and bytes are those that ``copy`` adds to its progress. A member that cannot be
    examined or entered counts as one without content. Raises OSError for a source that cannot be
    counted, EMFILE and its like included: there is no total then.
    """
    status = source.stat()
    if not stat.S_ISDIR(status.st_mode):
        size = yield from _content(source.parent_fd, source.name, status)
        return Totals(1, size)
    tree = _TreeCount(Following(source, links=follow_links))
    if depth_infinity:
        yield from tree.steps(os.open(source.name, DIRECTORY, dir_fd=source.parent_fd))
    return Totals(tree.members, tree.bytes)


def _content(parent_fd: int, name: str, status: os.stat_result) -> Generator[None, None, int]:
    """Return how many bytes of a member are copied, yielding as often as a sparse file needs."""
    if not stat.S_ISREG(status.st_mode):
        return 0
    if not is_sparse(status):
        return status.st_size
    size = 0
    fd = os.open(name, READ, dir_fd=parent_fd)
    try:
        for number, (start, stop) in enumerate(data_ranges(fd, status.st_size), 1):
            size += stop - start
            if not number % _STRETCH:
                yield None
    finally:
        os.close(fd)
    return size


class _Level:
    """One directory on the way down, and what is left to enter."""

    __slots__ = ("directories", "identity", "name")

    def __init__(self, name: str, identity: Identity) -> None:
        self.name = name
        self.identity = identity
        self.directories: list[str] = []


class _TreeCount:
    """The count of one collection; used once."""

    def __init__(self, following: Following) -> None:
        self.members = 1
        self.bytes = 0
        self._following = following
        self._levels: list[_Level] = []
        self._down = Descent(-1)

    def steps(self, root_fd: int) -> Generator[None, None, None]:
        """Count all that is below ``root_fd``, which is taken over."""
        self._down = Descent(root_fd)
        try:
            self._levels.append(_Level("", identity_of(os.fstat(root_fd))))
            yield from self._read()
            while True:
                directories = self._levels[-1].directories
                if directories:
                    if self._enter(directories.pop()):
                        yield from self._read()
                elif len(self._levels) == 1:
                    return
                else:
                    self._down.pop()
                    self._levels.pop()
        finally:
            self._down.close()

    def _read(self) -> Generator[None, None, None]:
        """Count the members of the deepest directory."""
        fd = self._down.fd
        later: list[str] = []
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    name = entry.name
                    if is_hidden_name(name):
                        continue
                    self.members += 1
                    if not self.members % _STRETCH:
                        yield None
                    if entry.is_file(follow_symlinks=False):
                        self._add(fd, name, later)
                    elif entry.is_dir(follow_symlinks=False):
                        self._levels[-1].directories.append(name)
                    elif entry.is_symlink() and self._following.links:
                        later.append(name)
        except OSError as error:
            refuse_shortage(error)
        yield None
        for name in later:
            yield from self._look(name)

    def _add(self, fd: int, name: str, later: list[str]) -> None:
        """Add the bytes of a file; a sparse one is for ``later``."""
        try:
            status = os.lstat(name, dir_fd=fd)
        except OSError:
            return
        if is_sparse(status):
            later.append(name)
        else:
            self.bytes += status.st_size

    def _look(self, name: str) -> Generator[None, None, None]:
        """Add the bytes of a sparse file, or of what a link leads to."""
        fd = self._down.fd
        try:
            status = os.lstat(name, dir_fd=fd)
            if stat.S_ISLNK(status.st_mode):
                yield from self._follow(name)
            else:
                self.bytes += yield from _content(fd, name, status)
        except OSError as error:
            refuse_shortage(error)

    def _follow(self, name: str) -> Generator[None, None, None]:
        with self._following.resolved((*self._path(), name)) as target:
            status = target.stat()
            if stat.S_ISDIR(status.st_mode):
                self._levels[-1].directories.append(name)
            else:
                self.bytes += yield from _content(target.parent_fd, target.name, status)

    def _enter(self, name: str) -> bool:
        """Go down into a subdirectory; False if that is impossible, as it is for the COPY."""
        above = (level.identity for level in self._levels)
        try:
            fd, is_link = self._following.open(self._down.fd, name, self._path, above)
        except OSError as error:
            refuse_shortage(error)
            return False
        self._levels.append(_Level(name, identity_of(os.fstat(fd))))
        self._down.push(fd, through_link=is_link)
        return True

    def _path(self) -> Segments:
        return tuple(level.name for level in self._levels[1:])
