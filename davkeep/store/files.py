"""Files of the state folder: brought to the disk with their names."""

import contextlib
import fcntl
import os
import struct
from pathlib import Path

#: ioctl(2) of ext2 and its heirs: the attributes of a file, and the one that has it overwritten in
#: place (chattr(1), C), which btrfs takes only while the file is empty.
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_NO_COPY_ON_WRITE = 0x00800000


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk. OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def without_copy_on_write(fd: int) -> None:
    """Have an empty file overwritten in place where its file system would rather copy (btrfs)."""
    with contextlib.suppress(OSError):
        flags = bytearray(struct.calcsize("l"))
        fcntl.ioctl(fd, _GET_FLAGS, flags)
        (known,) = struct.unpack("l", flags)
        fcntl.ioctl(fd, _SET_FLAGS, struct.pack("l", known | _NO_COPY_ON_WRITE))
