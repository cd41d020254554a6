"""Files that share blocks: a copy takes no room until one of the two is changed (FICLONE)."""

import errno
import fcntl
import os

#: ioctl_ficlone(2): the whole file shares its blocks with another one from now on.
_FICLONE = 0x40049409

#: A file without a name, which a crash takes along (open(2), O_TMPFILE).
_UNNAMED = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC

#: What file systems answer that have no such files, or whose files cannot share blocks.
_CANNOT = frozenset(
    (
        errno.EOPNOTSUPP,
        errno.EINVAL,
        errno.ENOTTY,
        errno.ENOSYS,
        errno.EISDIR,
        errno.EXDEV,
        errno.EPERM,
    )
)

#: More than a file system keeps beside a file's attributes, and no whole number of blocks.
_CONTENT = b"davkeep\n" * 8192 + b"."


def share_blocks(source_fd: int, target_fd: int) -> bool:
    """Give an empty file the content of another one, holes included, without copying a byte.

    False, and it is empty still, where that cannot be: copying tells what is in the way.
    """
    try:
        fcntl.ioctl(target_fd, _FICLONE, source_fd)
    except OSError:
        os.ftruncate(target_fd, 0)
        return False
    return True


def can_share_blocks(folder_fd: int) -> bool:
    """Tell by trying whether files in a directory, given by any descriptor, share blocks.

    Nothing is ever to be seen of the trial. Raises OSError where it tells nothing: what may not be
    written to, is full or broken.
    """
    try:
        return _tried(folder_fd)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise


def _tried(folder_fd: int) -> bool:
    source_fd = os.open(".", _UNNAMED, 0o600, dir_fd=folder_fd)
    try:
        os.write(source_fd, _CONTENT)
        target_fd = os.open(".", _UNNAMED, 0o600, dir_fd=folder_fd)
        try:
            fcntl.ioctl(target_fd, _FICLONE, source_fd)
            return os.pread(target_fd, len(_CONTENT) + 1, 0) == _CONTENT
        finally:
            os.close(target_fd)
    finally:
        os.close(source_fd)
