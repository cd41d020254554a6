"""The renames of a MOVE within one file system, each with its way back."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from davkeep.trees.names import OLD, Name
from davkeep.trees.place import PASS
from davkeep.trees.renames import (
    ExchangeUnsupportedError,
    rename_exchange,
    rename_noreplace,
)
from davkeep.trees.share import Entry
from davkeep.trees.steps import Control


class Renaming:
    """The rename that brings ``source`` to ``destination``; used once.

    Each step leaves its reversal in ``undo``. Only where names cannot be exchanged, a file that a
    file replaced does not come back.
    """

    def __init__(
        self, source: Entry, destination: Entry, control: Control, undo: ExitStack
    ) -> None:
        """Prepare; nothing is touched yet."""
        #: What was replaced, hidden and to be purged; None if there is nothing.
        self.old: Name | None = None
        self._source: Name = (source.parent_fd, source.name)
        self._destination: Name = (destination.parent_fd, destination.name)
        self._control = control
        self._undo = undo

    def make(self, status: os.stat_result, existing: os.stat_result | None) -> None:
        """Rename; the arguments tell what is moved and what is replaced.

        FileExistsError (412) if the name was free and has been taken since. EXDEV: nothing changed.
        """
        if existing is None:
            self._step(rename_noreplace, self._source, self._destination)
        else:
            files = not (stat.S_ISDIR(status.st_mode) or stat.S_ISDIR(existing.st_mode))
            self._replace(files=files)

    def _replace(self, *, files: bool) -> None:
        """Exchange, then hide the old one; or, without exchange, hide a collection first.

        A file then replaces a file by the one plain rename, which shows no gap.
        """
        try:
            self._step(rename_exchange, self._source, self._destination)
        except FileNotFoundError:
            self._step(rename_noreplace, self._source, self._destination)
        except ExchangeUnsupportedError:
            if files:
                rename(*self._source, *self._destination)
                self._undo.callback(self._stay)
                return
            self._hide(self._destination, (self._destination[0], self._control.staging_name + OLD))
            self._step(rename_noreplace, self._source, self._destination)
        else:
            self._hide(self._source, (self._source[0], self._control.staging_name))

    def _hide(self, name: Name, hidden: Name) -> None:
        self._step(rename_noreplace, name, hidden)
        self.old = hidden

    def _step(self, call: Callable[[int, str, int, str], None], old: Name, new: Name) -> None:
        insistently(call, old, new)
        self._undo.callback(self._back, call, old, new)

    def _back(self, call: Callable[[int, str, int, str], None], old: Name, new: Name) -> None:
        try:
            insistently(call, new, old)
        except OSError:
            self._control.left_behind = self._control.is_irreversible = True
            raise

    def _stay(self) -> None:
        """What was replaced is gone, so there is no way back."""
        self._control.is_irreversible = True


def rename(from_fd: int, old: str, to_fd: int, new: str) -> None:
    """Rename; an existing file is replaced atomically."""
    os.rename(old, new, src_dir_fd=from_fd, dst_dir_fd=to_fd)


def insistently(call: Callable[[int, str, int, str], None], old: Name, new: Name) -> None:
    """Rename, also a directory of our own that we may not write.

    To give a directory another parent, rename(2) needs write permission on the directory itself.
    It gets u+w for the moment of the rename.
    """
    try:
        call(*old, *new)
    except PermissionError as error:
        if error.errno != errno.EACCES:
            raise
        with _writable(*old), _writable(*new):
            call(*old, *new)


@contextmanager
def _writable(parent_fd: int, name: str) -> Iterator[None]:
    """Give a directory of our own u+w for a moment; anything else is left alone."""
    try:
        fd = os.open(name, PASS, dir_fd=parent_fd)
    except OSError:
        yield
        return
    try:
        status = os.fstat(fd)
        mode = stat.S_IMODE(status.st_mode)
        if mode & stat.S_IWUSR or status.st_uid != os.geteuid():
            yield
            return
        # fchmod does not take a descriptor that is O_PATH.
        os.chmod(f"/proc/self/fd/{fd}", mode | stat.S_IWUSR)
        try:
            yield
        finally:
            os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)
