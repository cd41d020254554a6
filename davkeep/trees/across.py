"""MOVE across file systems: a staged copy, a swap, and only then the removal of the source.

The destination is on its disk, with its directory, before the source is touched.
"""

import errno
import os
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace

from davkeep.trees.build import Build
from davkeep.trees.changes import MoveAcross
from davkeep.trees.descent import DIRECTORY
from davkeep.trees.durability import flush_directory
from davkeep.trees.mounts import refuse_mounts
from davkeep.trees.names import GONE, Name
from davkeep.trees.purge import purge, purge_in_sight
from davkeep.trees.removable import Scan
from davkeep.trees.renames import rename_noreplace
from davkeep.trees.share import Entry, Kind
from davkeep.trees.staging import Staging, Swap, announce
from davkeep.trees.steps import Control, Lane, MemberError, Result, Steps
from davkeep.trees.traces import Inode


def move_across(
    source: Entry, destination: Entry, control: Control, *, existing: os.stat_result | None
) -> Steps:
    """Move where a rename answers EXDEV; ``existing`` is what the destination was.

    Up to the effective point source and destination stay whole whatever happens, and any member
    that cannot be copied, or removed afterwards, ends it there.
    """
    refuse_mounts(source.parent_fd, source.name)
    before = source.stat()
    blocked = yield from _blocked(source)
    if blocked:
        return Result(created=False, complete=False, errors=blocked)
    with ExitStack() as undo:
        staging = Staging(destination.parent_fd, control)
        undo.callback(staging.discard)
        build = Build(source, staging, control, follow_links=False)
        yield from build.steps()
        if build.errors:
            return Result(created=False, complete=False, errors=tuple(build.errors))
        yield from _accompanied(source, staging, control)
        refuse_mounts(source.parent_fd, source.name)
        if existing is not None:
            refuse_mounts(destination.parent_fd, destination.name)
        swap = Swap(staging, (destination.parent_fd, destination.name), control)
        control.witness.changing(
            MoveAcross(
                Inode.of(staging.status()), Inode.found(destination.find()), source=Inode.of(before)
            )
        )
        swap.make(existed=existing is not None)
        undo.callback(swap.undo)
        if control.fsync:
            # Each disk commits by itself, and the source's may be the quicker one.
            flush_directory(destination.parent_fd)
        hidden = _hidden(source, before, control)
        if hidden is None:
            control.witness.removing_in_place()
        else:
            undo.callback(_bring_back, source, hidden, control, undo)
        moved = Result(created=swap.created, complete=True)
        settled = None if hidden is None else moved
        announce(control, source.parent_fd, settled=settled)
        undo.pop_all()
    errors = yield from _retire(source, hidden, swap.old, control)
    return replace(moved, errors=errors)


def _accompanied(
    source: Entry, staging: Staging, control: Control
) -> Generator[Lane | None, None, None]:
    """Let what is hidden in a collection go along. Raises DestinationError."""
    if source.kind is not Kind.COLLECTION:
        return
    with ExitStack() as opened:
        source_fd = source.open_collection()
        opened.callback(os.close, source_fd)
        target_fd = os.open(staging.name[1], DIRECTORY, dir_fd=staging.name[0])
        opened.callback(os.close, target_fd)
        yield from control.along(source_fd, target_fd)


def _blocked(
    source: Entry,
) -> Generator[Lane | None, None, tuple[MemberError, ...]]:
    """Return the members of the source that could not be removed after copying."""
    access = os.W_OK | os.X_OK
    if not os.access(".", access, dir_fd=source.parent_fd, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    scan = Scan(restoring=True)
    yield from scan.steps(source.parent_fd, source.name)
    return tuple(scan.blocked)


def _hidden(source: Entry, before: os.stat_result, control: Control) -> Name | None:
    """Put the source out of sight and return where; None if its file system cannot rename it.

    Raises ESTALE if it is no longer what was copied: somebody replaced it, or the destination is
    the same directory behind another mount, and removing it would lose what has just been placed.
    """
    if not os.path.samestat(source.stat(), before):
        raise OSError(errno.ESTALE, "The source was replaced while it was copied")
    hidden = (source.parent_fd, control.staging_name + GONE)
    try:
        rename_noreplace(source.parent_fd, source.name, *hidden)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return None
    return hidden


def _bring_back(source: Entry, hidden: Name, control: Control, undo: ExitStack) -> None:
    """Bring the source back; if that fails the destination, the one copy in sight, stays as it is.

    ``undo`` is what would take that back next.
    """
    try:
        rename_noreplace(*hidden, source.parent_fd, source.name)
    except OSError:
        undo.pop_all()
        control.is_irreversible = True
        raise


def _retire(
    source: Entry, hidden: Name | None, old: Name | None, control: Control
) -> Generator[Lane | None, None, tuple[MemberError, ...]]:
    """Purge what was replaced, then the source; return what is still visible of the source."""
    if old is not None:
        yield from purge(*old, control)
    if hidden is None:
        return (yield from purge_in_sight(source.parent_fd, source.name))
    yield from purge(*hidden, control)
    return ()
