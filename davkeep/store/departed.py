"""Names that were deleted while nothing could be written to the database.

A full disk never keeps anybody from deleting (the promises, DELETE). What the database still holds
of such names has to be gone before anything new stands there, also after a crash: so they are
noted in memory, and in a file whose room was taken beforehand.
"""

import errno
import json
import logging
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from davkeep.store.errors import StoreError
from davkeep.store.files import flush_folder, without_copy_on_write
from davkeep.store.record import Side, side_from
from davkeep.store.rekey import Change, new_keys
from davkeep.store.subtrees import Subtree

_log = logging.getLogger("davkeep.store")

#: The file, in the state folder.
NAME = "departed"

#: Bytes of the file: some thousand names, and only those count of which something is stored.
SIZE = 256 * 1024

#: Before each note: its length and its checksum. A length of 0 ends the notes.
_HEAD = struct.Struct(">II")
_END = _HEAD.pack(0, 0)


def _block(side: Side) -> bytes:
    note = json.dumps(asdict(side)).encode("ascii")
    return _HEAD.pack(len(note), zlib.crc32(note)) + note


class DepartedFull(OSError):
    """No more names can be noted (507)."""


class DepartedFile:
    """The file `departed` in the state folder, made at its full size as soon as there is room.

    Used by one thread at a time. Where it could not be made, notes are kept in memory alone, and a
    warning says so.
    """

    def __init__(self, folder: Path, *, flushes: bool = True) -> None:
        """Open it, or make it."""
        self._path = folder / NAME
        self._flushes = flushes
        self._end = 0
        self._fd = -1
        self._prepare()
        #: What an earlier process noted.
        self.found: list[Side] = []
        if self._fd >= 0:
            self.found, self._end = _notes(os.pread(self._fd, SIZE, 0))

    def close(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def add(self, side: Side) -> None:
        """Note one, durably. Raises OSError, DepartedFull when no room is left."""
        self._prepare()
        if self._fd < 0:
            _log.warning("only the memory knows that %s is deleted", side.path)
            return
        block = _block(side)
        if self._end + len(block) + len(_END) > SIZE:
            raise DepartedFull(errno.ENOSPC, "too many names were deleted while the state was full")
        self._write(self._end, block + _END)
        self._end += len(block)

    def rekey(self, changes: Sequence[Change]) -> None:
        """What was found has other keys as well: of whichever turn out to be right, what is stored
        is forgotten if nothing is there. Before anything is added. Raises StoreError.
        """
        keys = {side.key: None for side in self.found}
        added = {new_keys(key, changes): None for key in keys}
        if added.keys() <= keys.keys():
            return
        self._replace([Side.of(key) for key in keys | added])

    def forget(self, tree: Subtree) -> None:
        """Nothing is to be done about names with these keys. Raises StoreError."""
        kept = [side for side in self.found if not tree.holds(side.key)]
        if len(kept) < len(self.found):
            self._replace(kept)

    def _replace(self, found: list[Side]) -> None:
        try:
            self._make([_block(side) for side in found])
        except OSError as error:
            raise StoreError(error.errno, f"{self._path}: {error.strerror}") from error
        self.close()
        self.found = found
        self._prepare()
        self._end = sum(len(_block(side)) for side in self.found)

    def take(self, sides: Sequence[Side]) -> None:
        """Have found these as well, as lastingly. Before anything is added. Raises StoreError."""
        try:
            for side in sides:
                if side not in self.found:
                    self.add(side)
                    self.found.append(side)
        except OSError as error:
            raise StoreError(error.errno, f"{self._path}: {error.strerror}") from error

    def clear(self) -> None:
        """Forget all of them. Raises OSError."""
        if self._fd >= 0 and self._end:
            self._write(0, _END)
        self._end = 0

    def _prepare(self) -> None:
        """Open the file, which is made once there is room for it."""
        if self._fd >= 0:
            return
        try:
            if not self._path.exists():
                self._make()
            self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            _log.warning("%s cannot be made: %s", self._path, error)

    def _make(self, blocks: Iterable[bytes] = ()) -> None:
        made = self._path.with_suffix(".new")
        with ExitStack() as undo:
            fd = os.open(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            undo.callback(made.unlink, missing_ok=True)
            try:
                without_copy_on_write(fd)
                # Zeros and not just a size: what is overwritten later needs no new block.
                if os.write(fd, b"".join(blocks).ljust(SIZE, b"\0")) < SIZE:
                    raise DepartedFull(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if self._flushes:
                    os.fsync(fd)
            finally:
                os.close(fd)
            made.replace(self._path)
            undo.pop_all()
        if self._flushes:
            flush_folder(self._path.parent)

    def _write(self, offset: int, block: bytes) -> None:
        if os.pwrite(self._fd, block, offset) < len(block):
            raise OSError(errno.EIO, "a note was written in part")
        if self._flushes:
            os.fdatasync(self._fd)


def noted_in(folder: Path) -> list[Side]:
    """What is noted in a state folder, of which nothing is changed. Raises OSError."""
    try:
        text = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return []
    return _notes(text)[0]


def _notes(text: bytes) -> tuple[list[Side], int]:
    """The notes in a file, as far as they are whole, and where they end."""
    found, end = [], 0
    while end + _HEAD.size <= len(text):
        length, checksum = _HEAD.unpack_from(text, end)
        begin = end + _HEAD.size
        note = text[begin : begin + length]
        if not length or zlib.crc32(note) != checksum:
            break
        found.append(side_from(json.loads(note)))
        end = begin + length
    return found, end
