"""The paths by which a directory can be reached, and the directories above it on each."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from davkeep.trees.identity import identity_of
from davkeep.trees.mounts import Mount, mounts
from davkeep.trees.place import Identity


class Above(NamedTuple):
    """A directory above another one, and the names that lead down from it."""

    identity: Identity
    path: str
    below: tuple[str, ...]


def ways_to(folder: str) -> Iterator[str]:
    """The real path ``folder``, and others to the same directory, by way of other mounts."""
    yield folder
    every = list(mounts())
    own = _mount_of(folder, every)
    if own is None:
        return
    inside = _joined(own.root, folder, own.point)
    for other in every:
        if other.device == own.device and other is not own and _is_in(inside, other.root):
            path = os.fsdecode(_joined(other.point, os.fsdecode(inside), other.root))
            with suppress(OSError):
                if os.path.samestat(os.stat(path), os.stat(folder)):
                    yield path


def above(path: str) -> Iterator[Above]:
    """The directories above a real path, ``/`` first. Raises OSError."""
    names = tuple(name for name in path.split("/") if name)
    for depth in range(len(names)):
        folder = "/" + "/".join(names[:depth])
        yield Above(identity_of(os.stat(folder)), folder, names[depth:])


def _mount_of(folder: str, every: list[Mount]) -> Mount | None:
    path = os.fsencode(folder)
    around = [each for each in every if _is_in(path, each.point)]
    # Of two at one point the later one hides the other.
    return max(reversed(around), key=lambda each: len(each.point), default=None)


def _is_in(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _joined(new: bytes, path: str, old: bytes) -> bytes:
    """A path below ``old``, below ``new``."""
    below = os.fsencode(path)[len(old.rstrip(b"/")) :]
    return new.rstrip(b"/") + below or b"/"
