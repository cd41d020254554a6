"""The files of a state folder: their names, and how they are made so that they last."""

import errno
import fcntl
import os
import stat
import struct
from contextlib import suppress
from pathlib import Path

from davkeep.store.errors import StateInUse

#: The database, what is written ahead of it, the file that is locked, and the instance's name.
DATABASE = "davkeep.sqlite3"
AHEAD = f"{DATABASE}-wal"
LOCK = "lock"
INSTANCE = "instance"
#: The database as it was before its schema became a newer one; takes the number of that.
EARLIER = "davkeep-schema-{}.sqlite3"

#: ioctl(2) of ext2 and its heirs: the attributes of a file, and the one that has it overwritten in
#: place (chattr(1), C), which btrfs takes only while the file is empty.
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_NO_COPY_ON_WRITE = 0x00800000

#: What to do about that.
_ELSEWHERE = "End that, or name another folder in davkeep.state or XDG_STATE_HOME."

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def make_folder(folder: Path, *, flushes: bool, mode: int = 0o700) -> None:
    """Make `folder`, and what is missing above it, as lastingly as it can be. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent, flushes=flushes, mode=0o777)
    with suppress(FileExistsError):
        folder.mkdir(mode=mode)
    if flushes:
        flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk; one that may not be read is left to the kernel."""
    try:
        descriptor = os.open(folder, _DIRECTORY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes, *, flushes: bool) -> None:
    """Give `path` a new content: after a loss of power it has the old one or this. OSError."""
    staged = path.with_name(f"{path.name}.new")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
        if flushes:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(staged, path)
    if flushes:
        flush_folder(path.parent)


def without_copy_on_write(fd: int) -> None:
    """Have an empty file overwritten in place where its file system would rather copy (btrfs)."""
    with suppress(OSError):
        flags = bytearray(struct.calcsize("l"))
        fcntl.ioctl(fd, _GET_FLAGS, flags)
        (known,) = struct.unpack("l", flags)
        fcntl.ioctl(fd, _SET_FLAGS, struct.pack("l", known | _NO_COPY_ON_WRITE))


def lock_folder(folder: Path) -> int:
    """The descriptor of the folder's locked file; the lock ends when it is closed.

    Raises StateInUse while another process has it, OSError where there can be none.
    """
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        descriptor = _opened_as_it_is(path, error)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateInUse(f"{folder} is in use by another davkeep. {_ELSEWHERE}") from None
    return descriptor


def is_in_use(folder: Path) -> bool:
    """Whether another process works with a state folder. Nothing is made; raises OSError."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _opened_as_it_is(path: Path, error: OSError) -> int:
    """On a disk that is read-only or full: what is there can be locked all the same."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise error from None


class Presence:
    """Whether the state folder and its database are where they were at the beginning.

    Descriptors that open nothing: closing one of a file ends no lock that SQLite has on it.
    """

    def __init__(self, folder: Path) -> None:
        """Remember what is there now. Raises OSError."""
        self._folder = folder
        self._held = {folder: _held(folder)}
        for path in (folder / DATABASE, folder / AHEAD):
            with suppress(FileNotFoundError):
                self._held[path] = _held(path)

    def close(self) -> None:
        """Let go of it. A second call does nothing."""
        while self._held:
            os.close(self._held.popitem()[1])

    def is_kept(self) -> bool:
        """Whether all of it is there still; what cannot be looked at counts as there."""
        return all(_is_same(path, descriptor) for path, descriptor in self._held.items())


def _held(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        return error.errno != errno.ESTALE


def size_of(path: Path) -> int | None:
    """Bytes of a file; None where there is no file of that name. Raises OSError."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
