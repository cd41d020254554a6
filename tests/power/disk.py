"""A disk that forgets: files in a file system of our own that note each write and each flush.

The files are the disks of loop devices. It speaks the protocol of /dev/fuse itself, as little of it
as a loop device needs (``linux/fuse.h``, version 7.31), one request after the other. No cache is
between: every write arrives here before the one who wrote is told that it is done, and a flush of
the block device as FSYNC.
"""

import errno
import mmap
import os
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from power.system import mount

#: Bytes of a write, at most, and of a whole request.
_MOST = 1 << 20
_REQUEST = _MOST + 4096

_IN = struct.Struct("=IIQQIIII")
_OUT = struct.Struct("=IiQ")
_ATTRIBUTES = struct.Struct("=QQQQQQIIIIIIIIII")
_INIT = struct.Struct("=IIIIHHIIHHIIH22x")
_READ = struct.Struct("=QQII")
#: Longest validity of what the kernel knows of a name or its attributes, in seconds.
_FOR_EVER = 1 << 30
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_DIRECT_IO = 1

_ROOT = 1
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ_CALL, _WRITE_CALL = 1, 2, 3, 14, 15, 16
_STATFS, _RELEASE, _FSYNC, _FLUSH, _INIT_CALL, _INTERRUPT, _DESTROY = 17, 18, 20, 25, 26, 36, 38
_BATCH_FORGET = 42
_UNANSWERED = frozenset((_FORGET, _INTERRUPT, _BATCH_FORGET))

#: One entry of the log: its number, the disk, whether it is a flush, offset and length.
_ENTRY = struct.Struct("=QBBQI")


@dataclass(frozen=True, slots=True)
class Event:
    """One write, or a flush (``data`` None). ``number`` counts those of all disks from 1."""

    number: int
    disk: int
    offset: int
    data: memoryview | None


def read_log(path: Path) -> list[Event]:
    """Everything that was noted, in order."""
    log = memoryview(path.read_bytes())
    events, position = [], 0
    while position + _ENTRY.size <= len(log):
        number, disk, is_flush, offset, length = _ENTRY.unpack_from(log, position)
        position += _ENTRY.size
        data = None if is_flush else log[position : position + length]
        position += length
        events.append(Event(number, disk, offset, data))
    return events


class Clock:
    """The number of the last event, shared by the processes that open the same file."""

    def __init__(self, path: Path) -> None:
        """``path`` is made if it is missing."""
        with open(path, "a+b") as file:
            file.truncate(8)
            self._memory = mmap.mmap(file.fileno(), 8)

    @property
    def now(self) -> int:
        """The number."""
        return int.from_bytes(self._memory[:8], "little")

    @now.setter
    def now(self, number: int) -> None:
        self._memory[:8] = number.to_bytes(8, "little")


class Disks:
    """The file system: one folder with some files, whose number is their place in ``files``."""

    def __init__(self, files: list[Path], log: Path, clock: Path) -> None:
        """``files`` keep what is written; ``log`` is begun anew."""
        self._names = [file.name for file in files]
        self._fds = [os.open(file, os.O_RDWR) for file in files]
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._clock = Clock(clock)
        self._clock.now = 0
        self._calls: dict[int, Callable[[int, memoryview], bytes]] = {
            _LOOKUP: self._lookup,
            _GETATTR: self._getattr,
            _OPEN: lambda node, body: struct.pack("=QII", 0, _DIRECT_IO, 0),
            _READ_CALL: self._read,
            _WRITE_CALL: self._write,
            _STATFS: lambda node, body: struct.pack("=QQQQQIIII24x", *[0] * 5, 512, 255, 512, 0),
            _RELEASE: lambda node, body: b"",
            _FSYNC: self._fsync,
            _FLUSH: lambda node, body: b"",
            _INIT_CALL: self._init,
            _DESTROY: lambda node, body: b"",
        }

    def serve(self, device: int) -> None:
        """Answer until it is unmounted. ``device``: a descriptor of /dev/fuse that is mounted."""
        request = memoryview(bytearray(_REQUEST))
        while True:
            try:
                length = os.readv(device, [request])
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):
                    continue
                if error.errno == errno.ENODEV:
                    return
                raise
            self._answer(device, request[:length])

    def _answer(self, device: int, request: memoryview) -> None:
        _, call, unique, node, *_ = _IN.unpack_from(request)
        if call in _UNANSWERED:
            return
        error, body = 0, b""
        try:
            if call not in self._calls:
                raise OSError(errno.ENOSYS, "not spoken here")
            body = self._calls[call](node, request[_IN.size :])
        except OSError as failure:
            error = failure.errno or errno.EIO
        os.writev(device, [_OUT.pack(_OUT.size + len(body), -error, unique), body])

    def _init(self, _: int, body: memoryview) -> bytes:
        flags = _BIG_WRITES | _MAX_PAGES
        return _INIT.pack(7, 31, 0, flags, 16, 12, _MOST, 1, _MOST // mmap.PAGESIZE, 0, 0, 0, 0)

    def _lookup(self, _: int, body: memoryview) -> bytes:
        name = bytes(body).rstrip(b"\0").decode()
        if name not in self._names:
            raise OSError(errno.ENOENT, name)
        node = 2 + self._names.index(name)
        return struct.pack("=QQQQII", node, 0, _FOR_EVER, _FOR_EVER, 0, 0) + self._attributes(node)

    def _getattr(self, node: int, body: memoryview) -> bytes:
        return struct.pack("=QII", _FOR_EVER, 0, 0) + self._attributes(node)

    def _attributes(self, node: int) -> bytes:
        mode, size = stat.S_IFDIR | 0o700, 0
        if node != _ROOT:
            mode, size = stat.S_IFREG | 0o600, os.fstat(self._fds[node - 2]).st_size
        return _ATTRIBUTES.pack(node, size, size // 512, *[0] * 6, mode, 1, 0, 0, 0, 512, 0)

    def _read(self, node: int, body: memoryview) -> bytes:
        _, offset, size, _ = _READ.unpack_from(body)
        return os.pread(self._fds[node - 2], size, offset)

    def _write(self, node: int, body: memoryview) -> bytes:
        _, offset, size, _ = _READ.unpack_from(body)
        # fuse_write_in has 40 bytes; what is written follows.
        data = body[40 : 40 + size]
        os.pwrite(self._fds[node - 2], data, offset)
        self._note(node - 2, False, offset, data)
        return struct.pack("=II", size, 0)

    def _fsync(self, node: int, body: memoryview) -> bytes:
        self._note(node - 2, True, 0, memoryview(b""))
        return b""

    def _note(self, disk: int, is_flush: bool, offset: int, data: memoryview) -> None:
        number = self._clock.now + 1
        os.writev(self._log, [_ENTRY.pack(number, disk, is_flush, offset, len(data)), data])
        self._clock.now = number


def mounted(folder: Path) -> int:
    """Mount such a file system, which nobody serves yet; return the descriptor to serve it by."""
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    mount("davkeep-disks", folder, "fuse", f"fd={device},rootmode=40000,user_id=0,group_id=0")
    return device


def flushes(events: list[Event]) -> Iterator[int]:
    """The numbers of the flushes."""
    return (event.number for event in events if event.data is None)
