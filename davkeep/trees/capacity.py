"""How much a file system can hold (statvfs(3))."""

import os
from typing import NamedTuple


class Capacity(NamedTuple):
    """Bytes of all of a file system, and of what is free in it for everybody."""

    whole: int
    free: int


def capacity_of(fd: int) -> Capacity | None:
    """The file system that any descriptor is of; None where that tells no size."""
    found = os.statvfs(fd)
    if not found.f_blocks:
        return None
    return Capacity(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
