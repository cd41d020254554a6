"""The staging entry of a destination, and the swap that brings it to its name."""

import os
import stat

from davkeep.trees.descent import DIRECTORY
from davkeep.trees.durability import flush_directory
from davkeep.trees.failures import destination_error
from davkeep.trees.names import OLD, Name
from davkeep.trees.purge import purge_now
from davkeep.trees.renames import (
    ExchangeUnsupportedError,
    rename_exchange,
    rename_noreplace,
)
from davkeep.trees.steps import Control, Result


class Staging:
    """A hidden entry ``control.staging_name``, private until it is swapped in."""

    def __init__(self, parent_fd: int, control: Control) -> None:
        """``parent_fd``: the directory it is made in, which must stay open."""
        self.name: Name = (parent_fd, control.staging_name)
        self._control = control
        #: Whether the name holds something that this work made and may throw away.
        self.is_ours = False

    def make_directory(self) -> int:
        """Make it a directory of mode 0700 and return a descriptor, the caller's to close."""
        parent_fd, name = self.name
        try:
            os.mkdir(name, 0o700, dir_fd=parent_fd)
            self.is_ours = True
            return os.open(name, DIRECTORY, dir_fd=parent_fd)
        except OSError as error:
            raise destination_error(error) from error

    def status(self) -> os.stat_result:
        """What is staged."""
        parent_fd, name = self.name
        return os.lstat(name, dir_fd=parent_fd)

    def discard(self) -> None:
        """Remove what was made; nothing if it has been swapped in."""
        if self.is_ours:
            self.is_ours = False
            purge_now(*self.name, self._control)


class Swap:
    """Bringing a staged entry to its name, so that a reader sees the old one or the new one."""

    def __init__(self, staging: Staging, final: Name, control: Control) -> None:
        """``final``: where the staged entry is to go."""
        self._control = control
        self._staging = staging
        self._final = final
        #: The replaced entry, now hidden and to be purged; None if nothing or no longer there.
        self.old: Name | None = None
        #: Whether nothing had the name before.
        self.created = False

    def make(self, *, existed: bool) -> None:
        """Do it. ``existed`` false: never replaces, FileExistsError (412) if the name is taken.

        Any other error is one of the destination. On an error nothing has changed.
        """
        try:
            if not (existed and self._replace()):
                rename_noreplace(*self._staging.name, *self._final)
                self.created = True
        except OSError as error:
            raise destination_error(error) from error
        self._staging.is_ours = False

    def undo(self) -> None:
        """Take it back; the staging entry is there again to be discarded.

        A file that replaced a file where names cannot be exchanged stays: the old one is gone.
        """
        try:
            self._undo()
        except OSError:
            self._control.left_behind = self._control.is_irreversible = True
            raise

    def _undo(self) -> None:
        if self.created:
            rename_noreplace(*self._final, *self._staging.name)
        elif self.old == self._staging.name:
            rename_exchange(*self._staging.name, *self._final)
        elif self.old is not None:
            rename_noreplace(*self._final, *self._staging.name)
            rename_noreplace(*self.old, *self._final)
        else:
            self._control.is_irreversible = True
            return
        self._staging.is_ours = True
        self.old = None

    def _replace(self) -> bool:
        """Put the staged entry in the place of an existing one; False if that has vanished."""
        try:
            rename_exchange(*self._staging.name, *self._final)
            self.old = self._staging.name
        except FileNotFoundError:
            return False
        except ExchangeUnsupportedError:
            self._replace_without_exchange()
        return True

    def _replace_without_exchange(self) -> None:
        if not (is_collection(self._staging.name) or is_collection(self._final)):
            _rename(self._staging.name, self._final)
            return
        aside = (self._final[0], self._staging.name[1] + OLD)
        rename_noreplace(*self._final, *aside)
        try:
            rename_noreplace(*self._staging.name, *self._final)
        except OSError:
            rename_noreplace(*aside, *self._final)
            raise
        self.old = aside


def announce(control: Control, *parents: int, settled: Result | None = None) -> None:
    """Flush the directories whose names changed, then reach the effective point.

    ``settled``: what the work will return, if nothing that follows can change that.

    If either fails the control says so and the error goes on; taking back is the caller's.
    """
    done = False
    try:
        if control.fsync:
            for parent_fd in parents:
                flush_directory(parent_fd)
        control.reach_effective_point(settled)
        done = True
    finally:
        control.is_effective = done


def is_collection(name: Name) -> bool:
    """Tell whether a name is that of a directory; FileNotFoundError for nothing."""
    parent_fd, text = name
    return stat.S_ISDIR(os.lstat(text, dir_fd=parent_fd).st_mode)


def _rename(old: Name, new: Name) -> None:
    os.rename(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0])
