"""DELETE (RFC 4918 9.6): out of sight by one rename, then purged (the promises, DELETE)."""

import errno
import os
import stat
from collections.abc import Generator
from contextlib import ExitStack, closing

from davkeep.trees.emptying import Emptying
from davkeep.trees.mounts import refuse_mounts
from davkeep.trees.purge import purge
from davkeep.trees.removable import Scan
from davkeep.trees.renames import rename_noreplace
from davkeep.trees.share import Entry
from davkeep.trees.staging import Name, announce
from davkeep.trees.steps import Control, Lane, MemberError, Result, Steps
from davkeep.trees.witness import Change

#: All of it is gone, as far as anybody sees.
_REMOVED = Result(created=False, complete=True)


def remove(target: Entry, control: Control) -> Steps:
    """Remove ``target`` and all below it; it must stay open until the end.

    Closing the steps while the tree is out of sight brings back what is left of it, unless its name
    was taken. A tree of which we cannot remove everything goes member by member: ``errors`` names
    the members that stay (their collections stay too), and the effective point is reached only if
    everything went after all.

    Raises FileNotFoundError (404), PermissionError (403) for a share's root and for a tree that
    holds a mount point, and DestinationError if the removal cannot be made durable; nothing has
    changed then.
    """
    target.require_writable()
    target.refuse_root()
    control.progress.bytes_total = 0
    status = target.stat()
    if not stat.S_ISDIR(status.st_mode):
        return _remove_file(target, control, status)
    refuse_mounts(target.parent_fd, target.name)
    if not (yield from _is_removable(target, control)):
        return (yield from _one_by_one(target, control))
    refuse_mounts(target.parent_fd, target.name)
    hidden = (target.parent_fd, control.staging_name)
    control.witness.changing(Change("remove", old=target.stat()))
    try:
        rename_noreplace(target.parent_fd, target.name, *hidden)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return (yield from _one_by_one(target, control))
        if not isinstance(error, PermissionError):
            raise
        return _refused(error)
    yield from _out_of_sight(target, hidden, control)
    return _REMOVED


def _remove_file(target: Entry, control: Control, status: os.stat_result) -> Result:
    """Remove what is no collection."""
    control.progress.members_total = 1
    control.witness.changing(Change("unlink", old=status))
    try:
        os.unlink(target.name, dir_fd=target.parent_fd)
    except PermissionError as error:
        return _refused(error)
    control.progress.members_done += 1
    announce(control, target.parent_fd)
    return Result(created=False, complete=True)


def _refused(error: OSError) -> Result:
    return Result(created=False, complete=False, errors=(MemberError("source", (), error),))


def _is_removable(target: Entry, control: Control) -> Generator[None, None, bool]:
    """Look at all of it, also after the first that stays: how much there is has to be known."""
    scan = Scan()
    blocked = 0
    with closing(scan.steps(target.parent_fd, target.name)) as steps:
        for _ in steps:
            blocked += len(scan.blocked)
            scan.blocked.clear()
            yield None
    control.progress.members_total = scan.members
    return not blocked and not scan.blocked


def _out_of_sight(
    target: Entry, hidden: Name, control: Control
) -> Generator[Lane | None, None, None]:
    """Purge the tree that has just been renamed to ``hidden``, or bring it back."""

    def bring_back() -> None:
        if control.is_left():
            return
        control.witness.returning()
        try:
            rename_noreplace(*hidden, target.parent_fd, target.name)
            control.is_effective = control.left_behind = False
        except FileNotFoundError:
            control.left_behind = False
        except OSError:
            control.left_behind = True

    with ExitStack() as undo:
        undo.callback(bring_back)
        announce(control, target.parent_fd, settled=_REMOVED)
        yield from purge(*hidden, control, counted=True)
        undo.pop_all()


def _one_by_one(target: Entry, control: Control) -> Steps:
    """Remove what can be removed, where it stands; there is no way back from that."""
    yield Lane.LONG
    control.witness.changing(Change("members", old=target.stat()))
    emptying = Emptying(control.progress, restoring=False)
    yield from emptying.steps(target.parent_fd, target.name)
    if not emptying.errors:
        announce(control, target.parent_fd)
    return Result(created=False, complete=bool(emptying.removed), errors=tuple(emptying.errors))
