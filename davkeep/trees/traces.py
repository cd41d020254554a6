"""By what the entries of a change are known again: their inodes, and names in open directories."""

import os
from dataclasses import dataclass

from davkeep.trees.durability import flush_directory
from davkeep.trees.names import Name
from davkeep.trees.remains import number


@dataclass(frozen=True, slots=True)
class Inode:
    """What an entry was: its number, in decimal, and its permission bits."""

    number: str
    mode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Inode":
        """That of a status."""
        return cls(str(status.st_ino), status.st_mode & 0o7777)

    @classmethod
    def found(cls, status: os.stat_result | None) -> "Inode | None":
        """The same; None for nothing."""
        return None if status is None else cls.of(status)

    def is_at(self, name: Name | None) -> bool:
        """Whether a name leads to it now."""
        return number(name) == self.number


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a change is about, in open directories; a side is None if its directory is
    gone. ``fsync``: whether names that were changed are flushed.
    """

    staging: str
    source: Name | None
    destination: Name | None = None
    fsync: bool = True

    def by_source(self, suffix: str = "") -> Name | None:
        """A hidden name beside the source."""
        return None if self.source is None else (self.source[0], self.staging + suffix)

    def by_destination(self, suffix: str = "") -> Name | None:
        """A hidden name beside the destination."""
        return None if self.destination is None else (self.destination[0], self.staging + suffix)

    def flush(self, *sides: Name | None) -> None:
        """Flush the directories of ``sides``, in this order."""
        for side in sides:
            if self.fsync and side is not None:
                flush_directory(side[0])
