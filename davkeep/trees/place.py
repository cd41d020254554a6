"""Where an entry is, told by directories rather than by path text."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from davkeep.trees.identity import identity_of
from davkeep.trees.names import folded

#: A directory only passed through: needs search permission, not read permission.
PASS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Device and inode of a directory.
Identity = tuple[int, int]


@contextmanager
def passed(folder: str | os.PathLike[str]) -> Iterator[int]:
    """A descriptor of a directory, for a moment; a link is not followed. Raises OSError."""
    fd = os.open(folder, PASS)
    try:
        yield fd
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the file system, comparable across URLs, shares and bind mounts.

    ``entries``: from ``/`` downwards, device and inode of a directory and the folded name in it.
    ``identities``: every directory on the way, the entry itself included if it is one.
    """

    entries: tuple[tuple[int, int, str], ...]
    identities: tuple[Identity, ...]

    @property
    def own(self) -> Identity | None:
        """Identity of the entry itself; None if it is no directory or does not exist."""
        return self.identities[-1] if len(self.identities) > len(self.entries) else None

    def contains(self, other: "Place") -> bool:
        """Tell whether ``other`` is this entry or lies below it.

        Names are folded, so ``A`` and ``a`` count as one name also where the file system tells
        them apart: for reservations a conflict too many does no harm.
        """
        if self.entries and self.entries[-1] in other.entries:
            return True
        return self.is_directory_above(other)

    def is_directory_above(self, other: "Place") -> bool:
        """Tell the same by directory identity alone, which is exact; False for a file."""
        return self.own is not None and self.own in other.identities


def place_of(names: Iterable[str], identities: tuple[Identity, ...]) -> Place:
    """Build a place from the names below ``/`` and the directories that hold them."""
    return Place(tuple(map(_step, identities, names)), identities)


def place_at(path: str) -> Place:
    """Look for the place that has a real path now, as far down as there are directories.

    Raises OSError where one of them cannot be looked at.
    """
    names = [name for name in path.split("/") if name]
    fd, identities = os.open("/", PASS), []
    try:
        identities.append(identity_of(os.fstat(fd)))
        for count, name in enumerate(names, start=1):
            try:
                below = os.open(name, PASS, dir_fd=fd)
            except (FileNotFoundError, NotADirectoryError):
                return place_of(names[:count], tuple(identities))
            os.close(fd)
            fd = below
            identities.append(identity_of(os.fstat(fd)))
    finally:
        os.close(fd)
    return place_of(names, tuple(identities))


@lru_cache(maxsize=1024)
def _step(above: Identity, name: str) -> tuple[int, int, str]:
    """One step down; thousands of places have most of theirs in common."""
    return (*above, folded(name))
