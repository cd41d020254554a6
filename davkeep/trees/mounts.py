"""Mount points at or below an entry, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""

import errno
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

#: The list of this process's mounts.
MOUNTINFO = "/proc/self/mountinfo"
#: Space, tab, newline and backslash are written as three octal digits.
_OCTAL = re.compile(rb"\\([0-7]{3})")


def refuse_mounts(parent_fd: int, name: str, *, itself: bool = True) -> None:
    """Raise EBUSY (403) if a mount point lies below the entry, or is it when ``itself`` is set.

    Bind mounts count. A path too long for the kernel to tell is passed: no mount point can be below
    a path that mount(2) would refuse.
    """
    try:
        path = os.readlink(os.fsencode(f"/proc/self/fd/{parent_fd}"))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return
        raise
    tree = path.rstrip(b"/") + b"/" + os.fsencode(name)
    if any(_concerns(point, tree, itself) for point in mount_points()):
        raise busy()


def busy() -> PermissionError:
    """Return the error for what is a mount point or holds one."""
    return PermissionError(errno.EBUSY, "A file system is mounted there")


class Mount(NamedTuple):
    """A mount: the device of its file system, which directory of that, and where it is."""

    device: bytes
    root: bytes
    point: bytes


def mounts() -> Iterator[Mount]:
    """Yield every mount, in the order in which they were made."""
    with open(MOUNTINFO, "rb") as lines:
        for line in lines:
            _, _, device, root, point, *_ = line.split(b" ")
            yield Mount(device, _unescaped(root), _unescaped(point))


def mount_points() -> Iterator[bytes]:
    """Yield the path of every mount point."""
    with open(MOUNTINFO, "rb") as lines:
        for line in lines:
            yield _unescaped(line.split(b" ")[4])


def _unescaped(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field)


def _concerns(point: bytes, tree: bytes, itself: bool) -> bool:
    return point.startswith(tree + b"/") or (itself and point == tree)


def mount_point_of(folder: str) -> bytes:
    """The mount point of the file system that ``folder``, a resolved path, is on."""
    path = os.fsencode(folder)
    around = (point for point in mount_points() if _concerns(path, point.rstrip(b"/"), True))
    return max(around, key=len, default=b"/")
