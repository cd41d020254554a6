"""Which paths lie below a path: real paths of the file system, as bytes."""

import os
from typing import NamedTuple


class Subtree(NamedTuple):
    """A path and everything below it, as a condition of SQL.

    `IN_SUBTREE` takes its three values in this order: the path itself, and the bounds of what lies
    below it, both exclusive. SQLite compares blobs byte by byte, and "0" follows "/" in ASCII: so
    `/a/b` is below `/a`, but `/a0`, `/ab` and `/a.` are not.
    """

    root: bytes
    after: bytes
    before: bytes

    def holds(self, path: bytes) -> bool:
        """Whether `path` is the root or lies below it."""
        return path == self.root or self.after < path < self.before


#: Finds the rows of a subtree by the index on `path`.
IN_SUBTREE = "(path = ? OR (path > ? AND path < ?))"

#: Finds the rows strictly below; takes the last two values of a Subtree.
BELOW = "(path > ? AND path < ?)"


def subtree(path: bytes) -> Subtree:
    """The subtree of `path`. Raises ValueError if that is not an absolute, plain path."""
    check_path(path)
    inside = path.rstrip(b"/")
    return Subtree(path, inside + b"/", inside + b"0")


def ancestors(path: bytes) -> list[bytes]:
    """The paths above `path`, from its parent up to "/". Raises ValueError as `subtree`."""
    check_path(path)
    above = []
    while path != b"/":
        path = os.path.dirname(path)
        above.append(path)
    return above


def check_path(path: bytes) -> None:
    """Raises ValueError unless `path` begins with a slash, and ends in one only if it is "/"."""
    if not path.startswith(b"/") or b"//" in path or (path.endswith(b"/") and path != b"/"):
        raise ValueError(f"{path!r} is not an absolute path without a slash at its end")
