"""Removing for good what is out of sight."""

import os
import stat
from collections.abc import Collection, Generator

from davkeep.trees.emptying import Emptying
from davkeep.trees.steps import Control, Lane, MemberError


def purge(parent_fd: int, name: str, control: Control) -> Generator[Lane | None, None, bool]:
    """Remove an entry with all below it, yielding after each member; return whether it is gone.

    A collection is bulk work. Restores u+rwx on directories that lack it. Members do not add to the
    progress: what was replaced, or is being undone, is no progress of what was asked for. Raises no
    OSError: what cannot be removed stays, and ``control.left_behind`` tells, also when the steps
    are closed before the end.
    """
    gone = False
    try:
        gone = yield from _purge(parent_fd, name)
    finally:
        control.left_behind |= not gone
    return gone


def purge_scanned(
    parent_fd: int, name: str, control: Control
) -> Generator[Lane | None, None, Emptying]:
    """Remove a collection that a scan found removable, and count its members; return the emptying.

    As ``purge``, but no mode is touched, so that what stays can be shown again as it was.
    """
    emptying = Emptying(control.progress, restoring=False)
    gone = False
    try:
        yield Lane.LONG
        yield from emptying.steps(parent_fd, name)
        gone = not emptying.errors
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
    finally:
        control.left_behind |= not gone
    return emptying


def purge_in_sight(
    parent_fd: int, name: str
) -> Generator[Lane | None, None, Collection[MemberError]]:
    """Remove what cannot be hidden where it stands; return the members that stay. OSError."""
    if not stat.S_ISDIR(os.lstat(name, dir_fd=parent_fd).st_mode):
        os.unlink(name, dir_fd=parent_fd)
        return ()
    yield Lane.LONG
    emptying = Emptying(None, restoring=True)
    yield from emptying.steps(parent_fd, name)
    return emptying.errors


def purge_now(parent_fd: int, name: str, control: Control) -> None:
    """Remove an entry with all below it, without a checkpoint: for undoing."""
    for _ in purge(parent_fd, name, control):
        pass


def _purge(parent_fd: int, name: str) -> Generator[Lane | None, None, bool]:
    try:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=parent_fd).st_mode):
            os.unlink(name, dir_fd=parent_fd)
            return True
        yield Lane.LONG
        emptying = Emptying(None, restoring=True)
        yield from emptying.steps(parent_fd, name)
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return not emptying.errors
