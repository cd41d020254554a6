"""MOVE (RFC 4918 9.9): one rename, or across file systems a copy, a swap and a removal."""

import errno
import os
import stat
from contextlib import ExitStack

from davkeep.trees.across import move_across
from davkeep.trees.changes import Rename, Respell
from davkeep.trees.mounts import refuse_mounts
from davkeep.trees.purge import purge
from davkeep.trees.relation import is_case_variant, is_same_name, refuse_nesting
from davkeep.trees.renaming import Renaming
from davkeep.trees.share import Entry
from davkeep.trees.staging import announce
from davkeep.trees.steps import Control, Result, Steps
from davkeep.trees.traces import Inode


def move(source: Entry, destination: Entry, control: Control, *, overwrite: bool) -> Steps:
    """Move ``source`` to ``destination``; both must stay open until the end.

    Where something is replaced, the two change places and the old one is hidden at once: for that
    instant a reader of the source's URL may see it.

    Raises as ``copy`` does; an error of a rename is an ordinary OSError. Nothing has changed then.
    Across file systems any member that cannot be copied or removed undoes all: ``complete`` is
    false and ``errors`` names them.
    """
    for entry in (source, destination):
        entry.require_writable()
        entry.refuse_root()
    status, existing = source.stat(), destination.find()
    is_itself = existing is not None and os.path.samestat(status, existing)
    if is_itself or destination.is_respelling:
        return _move_onto_itself(source, destination, control, overwrite=overwrite)
    refuse_nesting(source, destination)
    if existing is not None:
        if not overwrite:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        refuse_mounts(destination.parent_fd, destination.name)
    with ExitStack() as undo:
        renaming = Renaming(source, destination, control, undo)
        control.witness.changing(Rename(Inode.of(status), Inode.found(existing)))
        try:
            renaming.make(status, existing)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            undo.close()
            return (yield from move_across(source, destination, control, existing=existing))
        control.progress.members_done += 1
        result = Result(created=existing is None, complete=True)
        # Where the entry is now comes first: no moment shall show it at neither name.
        announce(control, destination.parent_fd, source.parent_fd, settled=result)
        undo.pop_all()
    if renaming.old is not None:
        yield from purge(*renaming.old, control)
    return result


def _move_onto_itself(
    source: Entry, destination: Entry, control: Control, *, overwrite: bool
) -> Result:
    """Move between two names of one inode, which rename(2) would leave as it is."""
    if is_same_name(source, destination):
        raise PermissionError(errno.EPERM, "The destination is the source")
    is_variant = is_case_variant(source, destination)
    control.witness.changing(Respell(Inode.of(source.stat())))
    with ExitStack() as undo:
        if is_variant:
            _rename(source, destination)
            undo.callback(_rename, destination, source)
        else:
            _unlink_other_name(source, destination, overwrite=overwrite)
            undo.callback(_link, destination, source)
        control.progress.members_done += 1
        announce(control, destination.parent_fd, source.parent_fd)
        undo.pop_all()
    return Result(created=is_variant, complete=True)


def _unlink_other_name(source: Entry, destination: Entry, *, overwrite: bool) -> None:
    status = source.stat()
    if stat.S_ISDIR(status.st_mode) or status.st_nlink < 2:
        raise PermissionError(errno.EPERM, "The destination is the source")
    if not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.unlink(source.name, dir_fd=source.parent_fd)


def _rename(old: Entry, new: Entry) -> None:
    os.rename(old.name, new.name, src_dir_fd=old.parent_fd, dst_dir_fd=new.parent_fd)


def _link(old: Entry, new: Entry) -> None:
    os.link(
        old.name,
        new.name,
        src_dir_fd=old.parent_fd,
        dst_dir_fd=new.parent_fd,
        follow_symlinks=False,
    )
