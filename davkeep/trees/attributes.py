"""What a file has besides its content: times, mode, extended attributes, owner."""

import contextlib
import errno
import os
import re
import struct
from functools import cache

from davkeep.trees.failures import WriteError, blame_destination

#: Bits of a mode that are kept: permissions and the sticky bit, not setuid and setgid.
_KEPT_BITS = 0o1777
#: Those, setuid and setgid.
_ALL_BITS = 0o7777
#: Access control lists as the kernel hands them out (acl(5)).
_ACL_ACCESS = "system.posix_acl_access"
_ACL_DEFAULT = "system.posix_acl_default"
#: Tags of ACL entries (linux/posix_acl.h).
_USER_OBJ, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20
#: What a file system answers that keeps no such attribute; ENODATA: there is none now.
_NOT_KEPT = frozenset((errno.ENOTSUP, errno.ENOSYS, errno.ENODATA))
#: Where Linux tells the umask without changing it (since 4.7).
_STATUS = "/proc/self/status"


def kept_mode(mode: int) -> int:
    """Return the permission bits of ``mode`` without setuid and setgid."""
    return mode & _KEPT_BITS


def is_kept(name: str) -> bool:
    """Tell whether an extended attribute goes along with its file."""
    return name.startswith("user.") or name in (_ACL_ACCESS, _ACL_DEFAULT)


class AttributeCopy:
    """Copies attributes between two trees, and remembers what their file systems do not have."""

    def __init__(self) -> None:
        """Suppose that both sides have everything."""
        self._extended = True
        #: Modes that files get by being made with them: no umask and no default ACL changes them.
        self._given: set[int] = set()

    def keep(self, source_fd: int, target_fd: int, status: os.stat_result) -> None:
        """Give the target the source's extended attributes, mode and times.

        An OSError comes from the source, DestinationError and WriteError from the destination.
        """
        if self._extended:
            self.keep_extended(source_fd, target_fd)
        try:
            _set_mode_and_times(target_fd, status)
        except OSError as error:
            blame_destination(error)

    def keep_of_made(self, source_fd: int, target_fd: int, status: os.stat_result) -> None:
        """The same for a file that was made with its ``kept_mode``, all of them in one tree.

        What was seen once, that such a mode is what the file gets, is not asked again.
        """
        is_given = not (self._extended and self.keep_extended(source_fd, target_fd))
        mode = status.st_mode & _KEPT_BITS
        try:
            if is_given and mode not in self._given:
                is_given = os.fstat(target_fd).st_mode & _ALL_BITS == mode
                if is_given:
                    self._given.add(mode)
            if is_given:
                _set_times(target_fd, status)
            else:
                _set_mode_and_times(target_fd, status)
        except OSError as error:
            blame_destination(error)

    def keep_extended(self, source: int | str, target_fd: int) -> bool:
        """Give the target the source's user attributes and ACLs; errors as ``keep``.

        What the destination's file system does not have is dropped. Return whether there are any.
        """
        try:
            names = os.listxattr(source)
        except OSError as error:
            if error.errno not in _NOT_KEPT:
                raise
            self._extended = False
            return False
        kept = [name for name in names if is_kept(name)] if names else names
        for name in kept:
            self._keep_one(source, target_fd, name)
        return bool(kept)

    def _keep_one(self, source: int | str, target_fd: int, name: str) -> None:
        value = _value(source, name)
        if value is None:
            return
        try:
            os.setxattr(target_fd, name, value)
        except OSError as error:
            if error.errno not in _NOT_KEPT:
                blame_destination(error)


def _value(source: int | str, name: str) -> bytes | None:
    try:
        return os.getxattr(source, name)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return None


def _set_mode_and_times(fd: int, status: os.stat_result) -> None:
    # On a file of our own EPERM means that the file system has no such modes or times (vfat).
    with contextlib.suppress(PermissionError):
        os.fchmod(fd, status.st_mode & _KEPT_BITS)
    _set_times(fd, status)


def _set_times(fd: int, status: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):
        os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))


def give_attributes_of(parent_fd: int, name: str, fd: int) -> None:
    """Give ``fd`` owner, group, ACL, user attributes and mode of the file ``name``.

    Owner and group as far as permitted, user attributes as far as we may read them.
    """
    old_fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
    try:
        status = os.fstat(old_fd)
        _keep_owner(fd, status)
        _drop_acl(fd)
        with contextlib.suppress(PermissionError):
            AttributeCopy().keep_extended(f"/proc/self/fd/{old_fd}", fd)
        os.fchmod(fd, kept_mode(status.st_mode))
    except WriteError as failure:
        raise failure.error from failure
    finally:
        os.close(old_fd)


def _keep_owner(fd: int, status: os.stat_result) -> None:
    now = os.fstat(fd)
    if (now.st_uid, now.st_gid) == (status.st_uid, status.st_gid):
        return
    try:
        os.fchown(fd, status.st_uid, status.st_gid)
    except PermissionError:
        with contextlib.suppress(PermissionError):
            os.fchown(fd, -1, status.st_gid)


def _drop_acl(fd: int) -> None:
    """Remove the ACL that a file got from the directory it was staged in."""
    try:
        os.removexattr(fd, _ACL_ACCESS)
    except OSError as error:
        if error.errno not in _NOT_KEPT:
            raise


@cache
def umask() -> int:
    """Return the process's umask without touching it, which would race with other threads.

    Nothing here changes it.
    """
    with open(_STATUS, encoding="ascii", errors="replace") as lines:
        found = re.search(r"^Umask:\s*([0-7]+)$", lines.read(), re.MULTILINE)
    return int(found[1], 8) if found else 0o022


def give_new_file_mode(fd: int, parent_fd: int) -> None:
    """Give a staged file the permissions that open(2) would have given it in that directory.

    That is 0666 less the umask, or what the directory's default ACL says (acl(5), OBJECT CREATION).
    """
    _drop_acl(fd)
    default = _default_acl(parent_fd)
    if default is None:
        os.fchmod(fd, 0o666 & ~umask())
        return
    os.setxattr(fd, _ACL_ACCESS, inherited_acl(default))


def _default_acl(parent_fd: int) -> bytes | None:
    try:
        return os.getxattr(f"/proc/self/fd/{parent_fd}", _ACL_DEFAULT)
    except OSError:
        return None


def inherited_acl(acl: bytes) -> bytes:
    """Return a default ACL as the access ACL of a new file: nobody in it may execute.

    Layout: a version of 4 bytes, then entries of tag, permissions (2 bytes each) and id (4), all
    little-endian (linux/posix_acl_xattr.h).
    """
    entries = list(struct.iter_unpack("<HHI", acl[4:]))
    has_mask = any(tag == _MASK for tag, _, _ in entries)
    limited = (_USER_OBJ, _OTHER, _MASK if has_mask else _GROUP_OBJ)
    kept = (
        struct.pack("<HHI", tag, rights & 0o6 if tag in limited else rights, identifier)
        for tag, rights, identifier in entries
    )
    return acl[:4] + b"".join(kept)
