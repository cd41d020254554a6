"""COPY (RFC 4918 9.8): built in a staging entry, then swapped to its name.

A reader sees the destination as it was, or complete (the promises, COPY and MOVE).
"""

import errno
import os
from contextlib import ExitStack

from davkeep.trees.build import Build
from davkeep.trees.changes import SwapIn
from davkeep.trees.mounts import refuse_mounts
from davkeep.trees.purge import purge
from davkeep.trees.relation import is_case_variant, refuse_nesting
from davkeep.trees.share import Entry
from davkeep.trees.staging import Staging, Swap, announce
from davkeep.trees.steps import Control, Result, Steps
from davkeep.trees.traces import Inode


def copy(
    source: Entry,
    destination: Entry,
    control: Control,
    *,
    depth_infinity: bool = True,
    overwrite: bool,
) -> Steps:
    """Copy ``source`` to ``destination``; both must stay open until the end.

    ``depth_infinity`` false copies a collection without its members. To a new destination failed
    members are told and the rest is kept; over an existing one they undo everything.

    Raises FileNotFoundError (404) for no source, FileExistsError (412) for a destination that may
    not be overwritten, PermissionError (403) for roots, for one inside the other and for a mount
    point in the destination, and DestinationError (507, 403, 500); nothing has changed then.
    """
    destination.require_writable()
    refuse_nesting(source, destination)
    source.stat()
    existing = destination.find()
    if existing is not None:
        _refuse_existing(source, destination, overwrite=overwrite)
    with ExitStack() as undo:
        staging = Staging(destination.parent_fd, control)
        undo.callback(staging.discard)
        build = Build(source, staging, control, follow_links=source.share.follow_symlinks)
        yield from build.steps(depth_infinity=depth_infinity)
        if not build.has_root or (build.errors and existing is not None):
            return Result(created=False, complete=False, errors=build.errors)
        if existing is not None:
            refuse_mounts(destination.parent_fd, destination.name)
        swap = Swap(staging, (destination.parent_fd, destination.name), control)
        new, old = Inode.of(staging.status()), Inode.found(destination.find())
        control.witness.changing(SwapIn(new, old, lacks_members=bool(build.errors)))
        swap.make(existed=existing is not None)
        undo.callback(swap.undo)
        result = Result(created=swap.created, complete=True, errors=build.errors)
        announce(control, destination.parent_fd, settled=result)
        undo.pop_all()
    if swap.old is not None:
        yield from purge(*swap.old, control)
    return result


def _refuse_existing(source: Entry, destination: Entry, *, overwrite: bool) -> None:
    if not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    here, there = source.find(), destination.stat()
    if here is not None and os.path.samestat(here, there) and is_case_variant(source, destination):
        raise PermissionError(errno.EPERM, "The destination is the source")
    refuse_mounts(destination.parent_fd, destination.name)
