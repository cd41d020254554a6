"""Which keys lie below a key.

A key is by what everything is known that is stored about an entry: its share, and the names in it
as the file system stores them, written as an absolute path. The first segment is the UUID of the
share, or of the outermost one where roots overlap.
"""

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


def rekeyed(key: bytes, tree: Subtree, new: bytes) -> bytes:
    """A key after the root of ``tree`` has become ``new``."""
    return new + key[len(tree.root) :] if tree.holds(key) else key


#: Begins the keys of what was stored when an entry was known by its real path, which follows. They
#: stay until a share with that root is served.
FORMER = b"/paths"


def former_key(path: bytes) -> bytes:
    """The key that what was known by a real path has until its share is known."""
    return FORMER + path.rstrip(b"/")


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
