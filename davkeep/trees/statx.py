"""What stat(2) does not tell: immutable, append-only, root of a mount. By statx(2)."""

import ctypes
import os

from davkeep.trees.system import checked, libc_function

#: Neither symbolic links nor automounts are followed (statx(2)).
_FLAGS = 0x100 | 0x800
#: STATX_UID is asked for; the attributes come with every answer.
_MASK = 0x8
#: STATX_ATTR_IMMUTABLE and STATX_ATTR_APPEND: an entry with either cannot be removed, nor can a
#: member of a directory with either.
_PINNED = 0x10 | 0x20
#: STATX_ATTR_MOUNT_ROOT, since Linux 5.8; bind mounts have it too.
_MOUNT_ROOT = 0x2000

_statx = libc_function(
    "statx", ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p
)


class _Buffer(ctypes.Structure):
    """struct statx as far as it is read; the kernel writes 256 bytes."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("attributes", ctypes.c_uint64),
        ("links", ctypes.c_uint32),
        ("owner", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * 232),
    )
    attributes: int
    owner: int


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
