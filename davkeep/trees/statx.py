"""What stat(2) does not tell: immutable, append-only, root of a mount. By statx(2)."""

import ctypes
import os
import stat

from davkeep.trees.system import checked, libc_function

#: Neither symbolic links nor automounts are followed (statx(2)).
_FLAGS = 0x100 | 0x800
#: AT_EMPTY_PATH: the descriptor itself.
_EMPTY_PATH = 0x1000
#: STATX_TYPE, STATX_MODE, STATX_NLINK and STATX_UID; the attributes come with every answer.
_MASK = 0x1 | 0x2 | 0x4 | 0x8
#: STATX_BTIME: the time of birth.
_BORN = 0x800
#: STATX_ATTR_IMMUTABLE and STATX_ATTR_APPEND: an entry with either cannot be removed, nor can a
#: member of a directory with either.
_PINNED = 0x10 | 0x20
#: STATX_ATTR_MOUNT_ROOT, since Linux 5.8; bind mounts have it too.
_MOUNT_ROOT = 0x2000

_statx = libc_function(
    "statx", ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p
)


#: Links of a directory that holds none: its own name and its ``.``.
_LINKS_OF_A_LEAF = 2
#: Numbers of file systems (statfs(2)) whose directories have one link more for each directory in
#: them: ext2 to ext4, tmpfs, XFS. Others always say 1, or 2, or what they like.
_COUNTING = frozenset((0xEF53, 0x01021994, 0x58465342))

#: Those of btrfs, and of bcachefs.
_SNAPSHOTS = frozenset((0x9123683E, 0xCA451A4E))

_fstatfs = libc_function("fstatfs", ctypes.c_int, ctypes.c_void_p)


class _FileSystem(ctypes.Structure):
    """struct statfs as far as it is read; the kernel writes no more than 120 bytes."""

    _fields_ = (("kind", ctypes.c_long), ("rest", ctypes.c_uint8 * 248))
    kind: int


def counts_subdirectories(fd: int) -> bool:
    """Tell whether the links of a directory say, on this file system, how many are in it."""
    return _statx is not None and _kind_of(fd) in _COUNTING


def has_snapshots(fd: int) -> bool:
    """Tell whether a directory's file system makes others that are alike in all it tells: btrfs."""
    return _kind_of(fd) in _SNAPSHOTS


def _kind_of(fd: int) -> int | None:
    answer = _FileSystem()
    if _fstatfs is None or _fstatfs(fd, ctypes.addressof(answer)):
        return None
    return answer.kind


class _Buffer(ctypes.Structure):
    """struct statx as far as it is read; the kernel writes 256 bytes."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("attributes", ctypes.c_uint64),
        ("links", ctypes.c_uint32),
        ("owner", ctypes.c_uint32),
        ("group", ctypes.c_uint32),
        ("mode", ctypes.c_uint16),
        ("between", ctypes.c_uint8 * 50),
        ("born", ctypes.c_int64),
        ("born_nanoseconds", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * 164),
    )
    mask: int
    born: int
    born_nanoseconds: int
    attributes: int
    links: int
    owner: int
    mode: int


def time_of_birth(parent_fd: int, name: str) -> float | None:
    """When an entry was made, in seconds of the epoch; None where that is not known."""
    born = _born(parent_fd, os.fsencode(name), _FLAGS)
    return None if born is None else born / 1e9


def birth_of(fd: int) -> int | None:
    """The same of what is open, exactly: in nanoseconds."""
    return _born(fd, b"", _FLAGS | _EMPTY_PATH)


def _born(fd: int, name: bytes, flags: int) -> int | None:
    buffer = _Buffer()
    if _statx is None or _statx(fd, name, flags, _BORN, ctypes.addressof(buffer)):
        return None
    moment = buffer.born * 1_000_000_000 + buffer.born_nanoseconds
    # What an image was made with may say nothing.
    return moment if buffer.mask & _BORN and moment else None


class Examiner:
    """Examines one entry after another in one buffer; used by one thread."""

    def __init__(self) -> None:
        """Make the buffer."""
        self._buffer = _Buffer()
        self._address = ctypes.addressof(self._buffer)

    def look(self, parent_fd: int, name: str) -> None:
        """Examine ``name``; the properties then tell of it. Raises as lstat does."""
        if _statx is None:
            self._buffer.owner = os.lstat(name, dir_fd=parent_fd).st_uid
            return
        checked(_statx(parent_fd, os.fsencode(name), _FLAGS, _MASK, self._address))

    def is_plain(self, parent_fd: int, name: str) -> bool:
        """Examine ``name`` and tell whether it is there, neither pinned nor a mount; quick."""
        if _statx is None or _statx(parent_fd, os.fsencode(name), _FLAGS, _MASK, self._address):
            return False
        return not self._buffer.attributes & (_PINNED | _MOUNT_ROOT)

    def is_plain_leaf(self, parent_fd: int, name: str) -> bool:
        """The same, and that it is a directory without the sticky bit whose links say that there is
        none in it; that is true where ``counts_subdirectories`` is.
        """
        return (
            self.is_plain(parent_fd, name)
            and self._buffer.links == _LINKS_OF_A_LEAF
            and stat.S_ISDIR(self._buffer.mode)
            and not self._buffer.mode & stat.S_ISVTX
        )

    @property
    def is_pinned(self) -> bool:
        """Immutable or append-only."""
        return bool(self._buffer.attributes & _PINNED)

    @property
    def is_mount(self) -> bool:
        """Root of a mount."""
        return bool(self._buffer.attributes & _MOUNT_ROOT)

    @property
    def owner(self) -> int:
        """User id of the owner."""
        return self._buffer.owner
