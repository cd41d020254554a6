"""What the kernel saw happen in folders: entries made, renamed and removed, and their inodes.

It is a trace of the engine's calls that davkeep has no part in.
"""

import ctypes
import os
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Masks of inotify(7).
KINDS = {0x40: "moved from", 0x80: "moved to", 0x100: "made", 0x200: "removed"}
#: `struct inotify_event` without its name: watch, mask, cookie, length of the name.
_HEAD = struct.Struct("iIII")
#: Hidden entries in which an operation builds, or keeps what it removes.
STAGED = ".davkeep"

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@dataclass(frozen=True)
class Event:
    """One entry of a folder that came or went."""

    folder: Path
    kind: str
    name: str
    #: Its inode, if it was still there to be looked at.
    inode: int | None


class Trace:
    """Watches folders, but nothing below them; use it as a context manager."""

    def __init__(self, *folders: Path) -> None:
        """Begin to watch."""
        self._descriptor = _checked(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        self._folders: dict[int, Path] = {}
        for folder in folders:
            watch = _libc.inotify_add_watch(self._descriptor, os.fsencode(folder), sum(KINDS))
            self._folders[_checked(watch)] = folder
        self._events: list[Event] = []
        self._reading = threading.Lock()
        self._end, self._ended = os.pipe()
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Trace":
        """Return the trace itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        os.close(self._ended)
        self._reader.join()
        os.close(self._end)
        os.close(self._descriptor)

    def of(self, folder: Path) -> list[Event]:
        """What happened in a folder up to now, in order."""
        self._read()
        return [event for event in self._events if event.folder == folder]

    def _read_on(self) -> None:
        while self._end not in select.select([self._descriptor, self._end], [], [])[0]:
            self._read()

    def _read(self) -> None:
        with self._reading, suppress(BlockingIOError):
            while block := os.read(self._descriptor, 65536):
                self._events.extend(self._parsed(block))

    def _parsed(self, block: bytes) -> Iterator[Event]:
        at = 0
        while at < len(block):
            watch, mask, _, length = _HEAD.unpack_from(block, at)
            at += _HEAD.size
            name = block[at : at + length].rstrip(b"\0")
            at += length
            kind = next((kind for bit, kind in KINDS.items() if mask & bit), None)
            if kind is not None:
                folder = self._folders[watch]
                yield Event(folder, kind, os.fsdecode(name), _inode(folder / os.fsdecode(name)))


def _inode(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.lstat().st_ino
    return None
