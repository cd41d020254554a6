"""Renames that do not overwrite and renames that exchange: renameat2(2), with fall-backs.

Python has no ``renameat2``. File systems that do not know its flags (bindfs, old FUSE) answer
EINVAL, old kernels ENOSYS; what is done then is told at each function.
"""

import ctypes
import errno
import os
import stat

from davkeep.trees.system import checked, libc_function

#: renameat2(2): fail with EEXIST rather than replace.
_NOREPLACE = 1
#: renameat2(2): both names must exist; they change places atomically.
_EXCHANGE = 2
#: What a file system answers that does not know a flag.
_UNKNOWN_FLAG = frozenset((errno.EINVAL, errno.ENOSYS, errno.ENOTSUP))
#: link(2) on a file system without hard links (vfat: EPERM), or to a file of someone else.
_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES))

_renameat2 = libc_function(
    "renameat2",
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_uint,
)


class ExchangeUnsupportedError(OSError):
    """The file system cannot exchange two names."""


def rename_noreplace(from_fd: int, old: str, to_fd: int, new: str) -> None:
    """Rename, or raise FileExistsError if ``new`` is taken.

    Without RENAME_NOREPLACE a file is linked and its old name removed, and a directory is renamed
    over an empty one made for it: both fail on a taken name. Where there are no hard links a check
    comes before an ordinary rename, which leaves a gap of microseconds.
    """
    try:
        _rename(from_fd, old, to_fd, new, _NOREPLACE)
    except OSError as error:
        if error.errno not in _UNKNOWN_FLAG:
            raise
        _noreplace_by_hand(from_fd, old, to_fd, new)


def rename_exchange(from_fd: int, old: str, to_fd: int, new: str) -> None:
    """Let two existing entries change places atomically, whatever their types.

    Raises ExchangeUnsupportedError where the file system cannot; what to do then is the caller's.
    """
    try:
        _rename(from_fd, old, to_fd, new, _EXCHANGE)
    except OSError as error:
        if error.errno not in _UNKNOWN_FLAG:
            raise
        raise ExchangeUnsupportedError(error.errno, error.strerror) from error


def _rename(from_fd: int, old: str, to_fd: int, new: str, flag: int) -> None:
    if _renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    checked(_renameat2(from_fd, os.fsencode(old), to_fd, os.fsencode(new), flag))


def _noreplace_by_hand(from_fd: int, old: str, to_fd: int, new: str) -> None:
    if stat.S_ISDIR(os.lstat(old, dir_fd=from_fd).st_mode):
        _directory_by_hand(from_fd, old, to_fd, new)
        return
    try:
        os.link(old, new, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _check_then_rename(from_fd, old, to_fd, new)
        return
    os.unlink(old, dir_fd=from_fd)


def _directory_by_hand(from_fd: int, old: str, to_fd: int, new: str) -> None:
    os.mkdir(new, 0o700, dir_fd=to_fd)
    renamed = False
    try:
        os.rename(old, new, src_dir_fd=from_fd, dst_dir_fd=to_fd)
        renamed = True
    finally:
        if not renamed:
            os.rmdir(new, dir_fd=to_fd)


def _check_then_rename(from_fd: int, old: str, to_fd: int, new: str) -> None:
    try:
        os.lstat(new, dir_fd=to_fd)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=from_fd, dst_dir_fd=to_fd)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
