"""DELETE (RFC 4918 9.6): out of sight by one rename, then purged (the promises, DELETE)."""

import contextlib
import errno
import os
import stat
from collections.abc import Generator
from contextlib import ExitStack, closing

from davkeep.trees.changes import HideTree, RemoveMembers, Unlink
from davkeep.trees.emptying import Emptying
from davkeep.trees.mounts import refuse_mounts
from davkeep.trees.names import Name
from davkeep.trees.purge import purge, purge_scanned
from davkeep.trees.removable import Look, Scan
from davkeep.trees.renames import rename_noreplace
from davkeep.trees.share import Entry
from davkeep.trees.staging import announce
from davkeep.trees.steps import Control, Lane, MemberError, Result, Steps
from davkeep.trees.traces import Inode
from davkeep.trees.witness import UnrecordedError

#: All of it is gone, as far as anybody sees.
_REMOVED = Result(created=False, complete=True)


def remove(target: Entry, control: Control, *, each_file: bool = False) -> Steps:
    """Remove ``target`` and all below it; it must stay open until the end.

    Closing the steps while the tree is out of sight brings back what is left of it, unless its name
    was taken. A tree of which we cannot remove everything goes member by member: ``errors`` names
    the members that stay (their collections stay too), and the effective point is reached only if
    everything went after all.

    ``each_file``: immutable and append-only files, and collections that cannot be read, are found
    before anything changes, which matters where the effective point is answered. Otherwise purging
    may meet them: they come back with their collections as all that is left of the tree, unless
    ``control.recall`` says no.

    What cannot be noted in the journal (its disk is full, for one) is removed all the same: a
    collection member by member, since nothing that is hidden without a note would be found again.

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
    look = Look.FILES if each_file else Look.COLLECTIONS
    if not (yield from _is_removable(target, control, look)):
        return (yield from _one_by_one(target, control))
    refuse_mounts(target.parent_fd, target.name)
    hidden = (target.parent_fd, control.staging_name)
    try:
        control.witness.changing(HideTree(Inode.of(target.stat())))
        rename_noreplace(target.parent_fd, target.name, *hidden)
    except UnrecordedError:
        return (yield from _one_by_one(target, control))
    except OSError as error:
        if error.errno == errno.EXDEV:
            return (yield from _one_by_one(target, control))
        if not isinstance(error, PermissionError):
            raise
        return _refused(error)
    return (yield from _out_of_sight(target, hidden, control))


def _remove_file(target: Entry, control: Control, status: os.stat_result) -> Result:
    """Remove what is no collection."""
    control.progress.members_total = 1
    with contextlib.suppress(UnrecordedError):
        control.witness.changing(Unlink(Inode.of(status)))
    try:
        os.unlink(target.name, dir_fd=target.parent_fd)
    except PermissionError as error:
        return _refused(error)
    control.progress.members_done += 1
    announce(control, target.parent_fd)
    return Result(created=False, complete=True)


def _refused(error: OSError) -> Result:
    return Result(created=False, complete=False, errors=(MemberError("source", (), error),))


def _is_removable(target: Entry, control: Control, look: Look) -> Generator[None, None, bool]:
    """Look at all of it, also after the first that stays: how much there is has to be known."""
    scan = Scan(look)
    with closing(scan.steps(target.parent_fd, target.name)) as steps:
        for _ in steps:
            yield None
    if scan.is_counted:
        control.progress.members_total = scan.members
    return not scan.blocked


def _count(tree: Name, control: Control) -> Generator[None, None, None]:
    """See to it that how much there is to remove is known; that it is not is no reason to stop."""
    if control.progress.members_total is not None:
        return
    scan = Scan(Look.NAMES)
    with contextlib.suppress(OSError):
        yield from scan.steps(*tree)
        control.progress.members_total = scan.members


def _out_of_sight(target: Entry, hidden: Name, control: Control) -> Steps:
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
        yield from _count(hidden, control)
        emptying = yield from purge_scanned(*hidden, control)
        if not (emptying.has_met_fixed and control.recall()):
            yield from _purge_rest(hidden, control)
            undo.pop_all()
    return _REMOVED if control.is_effective else _without_the_rest(emptying)


def _purge_rest(hidden: Name, control: Control) -> Generator[Lane | None, None, None]:
    """Do with what stayed, if anything did, what can be done for things out of sight."""
    if control.left_behind:
        control.left_behind = False
        yield from purge(*hidden, control)


def _without_the_rest(emptying: Emptying) -> Result:
    """The result where some members stay, and name them."""
    removed = bool(emptying.removed)
    return Result(created=False, complete=removed, errors=emptying.errors)


def _one_by_one(target: Entry, control: Control) -> Steps:
    """Remove what can be removed, where it stands; there is no way back from that."""
    yield from _count((target.parent_fd, target.name), control)
    yield Lane.LONG
    with contextlib.suppress(UnrecordedError):
        control.witness.changing(RemoveMembers(Inode.of(target.stat())))
    emptying = Emptying(control.progress, restoring=False)
    yield from emptying.steps(target.parent_fd, target.name)
    if not emptying.errors:
        announce(control, target.parent_fd)
    return _without_the_rest(emptying)
