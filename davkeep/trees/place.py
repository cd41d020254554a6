"""Where an entry is, told by directories rather than by path text."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from davkeep.trees.names import folded

#: Device and inode of a directory.
Identity = tuple[int, int]


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


@lru_cache(maxsize=1024)
def _step(above: Identity, name: str) -> tuple[int, int, str]:
    """One step down; thousands of places have most of theirs in common."""
    return (*above, folded(name))
