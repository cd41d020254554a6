"""Copying one member that is no collection."""

import contextlib
import errno
import os
import stat
from collections.abc import Generator

from davkeep.trees.attributes import AttributeCopy, kept_mode
from davkeep.trees.content import SMALL_FILE, ContentCopy, is_sparse
from davkeep.trees.descent import CREATE, READ
from davkeep.trees.failures import blame_destination
from davkeep.trees.steps import Control

#: Mode of what others could reach, until it is complete.
_UNFINISHED = 0o600
#: To change what has just been made, whatever its name leads to by then.
_EXACTLY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class MemberCopy:
    """Copies files, links and special files, each from a name in a directory to another.

    In every method an OSError comes from the source, DestinationError and WriteError from the
    destination, and what was begun of the target is removed before.
    """

    def __init__(self, control: Control, *, flush: bool = False, is_private: bool = False) -> None:
        """``flush``: each file is brought to the disk before it counts as copied. ``is_private``:
        the targets are in a directory that nobody else can enter, made for them alone.
        """
        self._content = ContentCopy(control)
        self._progress = control.progress
        self._flush = flush
        self._is_private = is_private
        self.attributes = AttributeCopy()

    def file(
        self, source_dir: int, name: str, target_dir: int, target: str
    ) -> Generator[None, None, None] | None:
        """Copy a regular file: at once if it is small, otherwise by the steps that are returned."""
        return self.opened(os.open(name, READ, dir_fd=source_dir), target_dir, target)

    def opened(
        self, source_fd: int, target_dir: int, target: str
    ) -> Generator[None, None, None] | None:
        """Copy an opened file, which is closed afterwards; otherwise as ``file``."""
        keep = False
        try:
            status = os.fstat(source_fd)
            if not _is_small(status):
                keep = True
                return self._large(source_fd, status, target_dir, target)
            size = self._small(source_fd, status, target_dir, target)
            self._progress.bytes_done += size
            return None
        finally:
            if not keep:
                os.close(source_fd)

    def small_file(self, source_dir: int, name: str, target_dir: int, target: str) -> int | None:
        """Copy a small regular file in any thread; return its bytes, which are not counted.

        None: it is not small, and nothing was done.
        """
        source_fd = os.open(name, READ, dir_fd=source_dir)
        try:
            status = os.fstat(source_fd)
            if not _is_small(status):
                return None
            return self._small(source_fd, status, target_dir, target)
        finally:
            os.close(source_fd)

    def link(self, source_dir: int, name: str, target_dir: int, target: str) -> None:
        """Copy a symbolic link as a link."""
        text = os.readlink(name, dir_fd=source_dir)
        status = os.lstat(name, dir_fd=source_dir)
        try:
            os.symlink(text, target, dir_fd=target_dir)
            _keep_times(target_dir, target, status)
        except OSError as error:
            blame_destination(error)

    def special(self, source_dir: int, name: str, target_dir: int, target: str) -> None:
        """Make a FIFO, socket or device like the source's, where that is permitted."""
        status = os.lstat(name, dir_fd=source_dir)
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            raise OSError(errno.ESTALE, "The member became something else")
        try:
            kind = stat.S_IFMT(status.st_mode)
            os.mknod(target, kind | _UNFINISHED, device=status.st_rdev, dir_fd=target_dir)
            _keep_mode(target_dir, target, status)
            _keep_times(target_dir, target, status)
        except OSError as error:
            blame_destination(error)

    def _small(self, source_fd: int, status: os.stat_result, target_dir: int, target: str) -> int:
        target_fd = self._create(target_dir, target, status)
        done = False
        try:
            size = self._content.small(source_fd, target_fd)
            self._finish(source_fd, target_fd, status)
            done = True
            return size
        finally:
            os.close(target_fd)
            if not done:
                _discard(target_dir, target)

    def _large(
        self, source_fd: int, status: os.stat_result, target_dir: int, target: str
    ) -> Generator[None, None, None]:
        target_fd = -1
        done = False
        try:
            target_fd = self._create(target_dir, target, status)
            yield from self._content.steps(source_fd, target_fd, status)
            self._finish(source_fd, target_fd, status)
            done = True
        finally:
            os.close(source_fd)
            if target_fd >= 0:
                os.close(target_fd)
                if not done:
                    _discard(target_dir, target)

    def _create(self, parent_fd: int, name: str, status: os.stat_result) -> int:
        mode = kept_mode(status.st_mode) if self._is_private else _UNFINISHED
        try:
            return os.open(name, CREATE, mode, dir_fd=parent_fd)
        except OSError as error:
            blame_destination(error)

    def _finish(self, source_fd: int, target_fd: int, status: os.stat_result) -> None:
        if self._is_private:
            self.attributes.keep_of_made(source_fd, target_fd, status)
        else:
            self.attributes.keep(source_fd, target_fd, status)
        if self._flush:
            flush_written(target_fd)


def _is_small(status: os.stat_result) -> bool:
    """Tell whether a file is copied by one read and one write; ESTALE if it is no file."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.ESTALE, "The file became something else")
    return status.st_size <= SMALL_FILE and not is_sparse(status)


def flush_written(fd: int) -> None:
    """Bring a written file to the disk; errors are the destination's."""
    try:
        os.fsync(fd)
    except OSError as error:
        blame_destination(error)


def _discard(parent_fd: int, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=parent_fd)


def _keep_times(parent_fd: int, name: str, status: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=parent_fd, follow_symlinks=False)


def _keep_mode(parent_fd: int, name: str, status: os.stat_result) -> None:
    fd = os.open(name, _EXACTLY, dir_fd=parent_fd)
    try:
        with contextlib.suppress(PermissionError):
            os.chmod(f"/proc/self/fd/{fd}", kept_mode(status.st_mode))
    finally:
        os.close(fd)
