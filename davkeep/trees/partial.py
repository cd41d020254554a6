"""What has arrived of an upload in several requests: a hidden file that outlives each of them."""

import contextlib
import os
import stat

from davkeep.trees.closing import Closing
from davkeep.trees.content import write_all
from davkeep.trees.durability import flush_directory
from davkeep.trees.failures import as_destination, destination_error
from davkeep.trees.names import Name
from davkeep.trees.place import PASS

_MAKE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


class Partial(Closing):
    """The hidden file, open for one request. Its size says how much has arrived.

    Owns its two descriptors. Whatever changes it may raise DestinationError (507, 403, 500).
    """

    def __init__(self, name: Name, fd: int) -> None:
        """Take over ``fd``, and the directory's descriptor in ``name``."""
        self.name = name
        self.fd = fd
        #: Bytes that count, of a file that could not be cut to them; None: all of it counts.
        self.limit: int | None = None

    @property
    def size(self) -> int:
        """Bytes that have arrived, without what was taken back."""
        size = os.fstat(self.fd).st_size
        return size if self.limit is None else min(size, self.limit)

    @property
    def is_there(self) -> bool:
        """Whether it still has a name: it goes with the collection that it lies in."""
        return os.fstat(self.fd).st_nlink > 0

    @property
    def inode(self) -> str:
        """What tells the file from another one under its name."""
        return str(os.fstat(self.fd).st_ino)

    def cut(self, size: int) -> None:
        """Keep the first ``size`` bytes, and go on writing after them."""
        try:
            if os.fstat(self.fd).st_size != size:
                os.ftruncate(self.fd, size)
            self.limit = None
            os.lseek(self.fd, size, os.SEEK_SET)
        except OSError as error:
            raise destination_error(error) from error

    def take_back(self, size: int) -> None:
        """Let no more than the first ``size`` bytes count, also if the rest cannot be cut off now.

        That is for `cut` to try again, before anything more is written. Raises DestinationError if
        the rest is there still: on a full disk not every file system can cut a file.
        """
        if size < self.size:
            self.limit = size
            self.cut(size)

    def remove(self) -> None:
        """Let nothing of it count ever again. Raises OSError if even that is refused."""
        if self.is_there:
            os.unlink(self.name[1], dir_fd=self.name[0])

    def write(self, block: bytes | memoryview) -> None:
        """Write on."""
        with as_destination():
            write_all(self.fd, block)

    def flush(self) -> None:
        """Bring what has arrived, and the file's name, to the disk."""
        try:
            os.fsync(self.fd)
            flush_directory(self.name[0])
        except OSError as error:
            raise destination_error(error) from error

    def close(self) -> None:
        """Close it; a second time does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            os.close(self.name[0])
            self.fd = -1


def make_partial(folder_fd: int, name: str) -> Partial:
    """Make an empty one of mode 0600, in a directory given by any descriptor."""
    folder_fd = os.dup(folder_fd)
    try:
        return Partial((folder_fd, name), os.open(name, _MAKE, 0o600, dir_fd=folder_fd))
    except OSError as error:
        os.close(folder_fd)
        raise destination_error(error) from error


def open_partial(folder_fd: int, name: str, inode: str) -> Partial | None:
    """Open the one that is there; None if there is none, or another file under its name."""
    folder_fd = os.dup(folder_fd)
    try:
        if _is_it(folder_fd, name, inode):
            return Partial((folder_fd, name), os.open(name, _OPEN, dir_fd=folder_fd))
    except OSError as error:
        os.close(folder_fd)
        raise destination_error(error) from error
    os.close(folder_fd)
    return None


def _is_it(folder_fd: int, name: str, inode: str) -> bool:
    """Tell whether the name is that of the file."""
    try:
        status = os.lstat(name, dir_fd=folder_fd)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and str(status.st_ino) == inode


def open_folder(folder: str | bytes) -> int:
    """Return a descriptor of a directory that holds hidden files, the caller's to close."""
    return os.open(folder, PASS)


def remove_partial(folder: bytes, name: str) -> None:
    """Remove whatever has the name in a directory; nothing if that is not there. OSError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        folder_fd = open_folder(folder)
        try:
            os.unlink(name, dir_fd=folder_fd)
        finally:
            os.close(folder_fd)
