"""What a collection shows of its members."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from davkeep.trees.identity import identity_of
from davkeep.trees.names import is_hidden_name
from davkeep.trees.place import Identity

if TYPE_CHECKING:
    from davkeep.trees.share import Entry, Share

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


#: Name and status of each member.
Members = list[tuple[str, os.stat_result]]


def members(share: "Share", collection: "Entry") -> Iterator[tuple[str, os.stat_result]]:
    """Yield name and status of each visible member, in no order.

    Reserved names are left out, and symbolic links unless the share follows them and they lead to
    something inside it. A member that vanished or cannot be examined is left out too, so that no
    member can break a listing. PermissionError (403) when the collection itself cannot be read.

    All are read before the first is given: a collection that was replaced meanwhile is being
    emptied out of sight, so what has its name now is read instead. FileNotFoundError (404) when
    nothing has it.
    """
    try:
        found, identity = _read(share, collection)
    except FileNotFoundError:
        found, identity = [], None
    while identity != _identity_now(share, collection):
        with share.entry(collection.segments) as replacing:
            found, identity = _read(share, replacing)
    yield from found


def _read(share: "Share", collection: "Entry") -> tuple[Members, Identity | None]:
    """Read a whole collection; return its identity as well."""
    found: Members = []
    fd = os.open(collection.name, _OPEN, dir_fd=collection.parent_fd)
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                if is_hidden_name(entry.name):
                    continue
                status = _status(share, collection, entry)
                if status is not None:
                    found.append((entry.name, status))
        return found, identity_of(os.fstat(fd))
    finally:
        os.close(fd)


def _identity_now(share: "Share", collection: "Entry") -> Identity:
    """Who has the collection's path at this moment; it may lie in a tree that was replaced."""
    with share.entry(collection.segments) as entry:
        return identity_of(entry.stat())


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
