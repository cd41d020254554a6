"""File systems on images, and where on them the bytes of a file lie."""

import array
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.programs import lookup, missing
from harness.states import image_mounted

#: MiB of the smallest one that its makers let be made, with room for what tests write.
SIZES = {"btrfs": 200, "xfs": 320, "ext4": 32}
#: Those whose files share blocks.
SHARING = ("btrfs", "xfs")

#: linux/fiemap.h: the call, that everything is flushed before, head and extent.
_FIEMAP = 0xC020660B
_SYNC = 1
_HEAD = struct.Struct("=QQIIII")
_EXTENT = struct.Struct("=QQQQQIIII")
#: Extents that are asked for at once; the files of tests have fewer.
_MOST = 500


@contextmanager
def disk_of(kind: str, folder: Path) -> Iterator[Path]:
    """A new file system of a kind, mounted below ``folder``; the test is skipped without one."""
    if os.geteuid() != 0 or lookup(f"mkfs.{kind}") is None:
        missing(f"needs root and mkfs.{kind}")
    folder.mkdir(exist_ok=True)
    with ExitStack() as opened:
        try:
            disk = opened.enter_context(image_mounted(folder, kind, SIZES[kind]))
        except subprocess.CalledProcessError:
            missing(f"{kind} cannot be mounted here")
        yield disk


def places(file: Path, block: int = 4096) -> dict[int, int]:
    """The number of each block of a file, and where on the disk it lies; holes are left out."""
    with file.open("rb") as opened:
        head = _HEAD.pack(0, 2**64 - 1, _SYNC, 0, _MOST, 0)
        buffer = array.array("B", head + bytes(_MOST * _EXTENT.size))
        fcntl.ioctl(opened.fileno(), _FIEMAP, buffer)
    *_, count, _, _ = _HEAD.unpack_from(buffer)
    assert count < _MOST, "more extents than can be told"
    found: dict[int, int] = {}
    for number in range(count):
        logical, physical, length, *_ = _EXTENT.unpack_from(
            buffer, _HEAD.size + number * _EXTENT.size
        )
        found |= {
            (logical + offset) // block: physical + offset for offset in range(0, length, block)
        }
    return found
