"""What a collection shows of its members."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from davkeep.trees.names import is_hidden_name

if TYPE_CHECKING:
    from davkeep.trees.share import Entry, Share

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def members(share: "Share", collection: "Entry") -> Iterator[tuple[str, os.stat_result]]:
    """Yield name and status of each visible member, in no order.

    Reserved names are left out, and symbolic links unless the share follows them and they lead to
    something inside it. A member that vanished or cannot be examined is left out too, so that no
    member can break a listing. PermissionError (403) when the collection itself cannot be read.
    """
    fd = os.open(collection.name, _OPEN, dir_fd=collection.parent_fd)
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                if is_hidden_name(entry.name):
                    continue
                status = _status(share, collection, entry)
                if status is not None:
                    yield entry.name, status
    finally:
        os.close(fd)


def _status(share: "Share", collection: "Entry", entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        if not entry.is_symlink():
            return entry.stat(follow_symlinks=False)
        if not share.follow_symlinks:
            return None
        with share.entry((*collection.segments, entry.name)) as target:
            return target.stat()
    except OSError:
        return None
