"""By what a directory is known again when nothing is written in it: what only the kernel tells."""

import fcntl
import os
import struct
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from davkeep.trees.statx import birth_of, has_snapshots

#: ioctl(2) of ext4, since Linux 6.0: a length and flags, 4 bytes each, before the UUID.
_EXT4_GET_UUID = 0x8008662C
#: The same of any file system that has one, since Linux 6.9: the length is one byte.
_GET_UUID = 0x80111500
_BYTES = 16

#: Where udev names block devices after the UUIDs of what is on them.
BY_UUID = Path("/dev/disk/by-uuid")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The UUID of a file system, and in it a directory's inode number and its time of birth.

    `filesystem` is as it is written by blkid(8), `born` in nanoseconds of the epoch, as text; each
    is None where it cannot be told.
    """

    filesystem: str | None
    inode: str
    born: str | None

    @classmethod
    def of(cls, fd: int) -> "Fingerprint":
        """That of an open directory, which may be O_PATH."""
        status = os.fstat(fd)
        born = birth_of(fd)
        return cls(
            filesystem_of(fd, status.st_dev),
            str(status.st_ino),
            None if born is None else str(born),
        )

    @property
    def is_whole(self) -> bool:
        """Whether all of it could be told."""
        return self.filesystem is not None and self.born is not None

    def may_be(self, other: "Fingerprint") -> bool:
        """Whether nothing that is told of both speaks against their being of one directory."""
        parts = ((self.filesystem, other.filesystem), (self.born, other.born))
        return self.inode == other.inode and all(
            None in each or each[0] == each[1] for each in parts
        )

    def tells(self, other: "Fingerprint") -> bool:
        """Whether both are certainly of one directory.

        Neither an inode number nor a UUID tells that alone: the root of every ext4 is inode 2, of
        every FUSE file system 1, and a number is used again.
        """
        return self.is_whole and self == other


def filesystem_of(fd: int, device: int) -> str | None:
    """The UUID of the file system of an open directory, on `device`; None where there is none, and
    where it does not tell one directory from another.
    """
    if has_snapshots(fd):
        return None
    with suppress(OSError):
        readable = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = _asked(readable, _EXT4_GET_UUID, struct.pack("=II", _BYTES, 0)) or _asked(
                readable, _GET_UUID, bytes(1)
            )
        finally:
            os.close(readable)
        if found:
            return found
    return _named_by_udev(device)


def _asked(fd: int, request: int, head: bytes) -> str | None:
    """What an ioctl answers after `head`; None for a refusal, and for a UUID of zeros."""
    answer = bytearray(head + bytes(_BYTES))
    try:
        fcntl.ioctl(fd, request, answer)
    except OSError:
        return None
    found = bytes(answer[len(head) :])
    return str(uuid.UUID(bytes=found)) if any(found) else None


def _named_by_udev(device: int) -> str | None:
    try:
        for link in os.scandir(BY_UUID):
            with suppress(OSError):
                if os.stat(link.path).st_rdev == device:
                    return link.name
    except OSError:
        return None
    return None
