"""PATCH of a part of a file: a staged copy with the part written into it takes the file's place."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from davkeep.trees.closing import Closing
from davkeep.trees.content import ContentCopy, in_lanes, seek, stored_size
from davkeep.trees.failures import as_destination, destination_error
from davkeep.trees.identity import etag_of
from davkeep.trees.share import Entry
from davkeep.trees.sharing import share_blocks
from davkeep.trees.steps import Control, Lane, Steps
from davkeep.trees.upload import Upload
from davkeep.words.progress import Progress

#: Appended to the staging name: a part that arrived without the file around it.
PART = ".part"

#: Bytes of the part that are written at once.
_BLOCK = 1024 * 1024

#: Tells from the size of a file where the part begins in it; may raise for where it cannot.
Start = Callable[[int], int]


class _Base(NamedTuple):
    """The file that a part is written into, as it was then, and where the part begins."""

    etag: str
    position: int


class Patch(Closing):
    """One part, from its first byte to the commit of the changed file.

    Where files can share blocks the part is written into a copy at once, so that it costs what the
    part costs. Elsewhere the part arrives by itself, and the copy is made at the commit. It is made
    anew there if the file was changed meanwhile: no other change is lost. ``destination`` must stay
    open until then.
    """

    def __init__(
        self, destination: Entry, control: Control, start: Start, spool: str | None = None
    ) -> None:
        """Stage an empty part, beside the destination or in ``spool``.

        Raises FileNotFoundError (404) if there is no file, what ``start`` raises, and otherwise as
        Upload does.
        """
        #: Bytes of the part so far.
        self.size = 0
        self._destination = destination
        self._control = control
        self._start = start
        self._named = replace(
            control, staging_name=control.staging_name + PART, progress=Progress()
        )
        #: What the part is written into; None while it arrives by itself.
        self._base: _Base | None = None
        self._part: Upload | None = None
        self._whole: Upload | None = None
        with ExitStack() as undo:
            undo.callback(self.close)
            self._begin(spool)
            undo.pop_all()

    def _begin(self, spool: str | None) -> None:
        source_fd = self._destination.open()
        try:
            status = os.fstat(source_fd)
            position = self._start(status.st_size)
            if spool is None:
                self._whole = Upload(self._destination, self._control)
                if share_blocks(source_fd, self._whole.fd):
                    _go_to(self._whole.fd, position)
                    self._base = _Base(etag_of(status), position)
                    return
            self._part = Upload(self._destination, self._named, spool)
        finally:
            os.close(source_fd)

    @property
    def stored(self) -> os.stat_result | None:
        """Status of the changed file; None before the commit."""
        return None if self._whole is None else self._whole.stored

    @property
    def has_time(self) -> bool:
        """Whether the file has the time that was asked for."""
        return self._whole is not None and self._whole.has_time

    def write(self, block: bytes | memoryview) -> None:
        """Append to the part. Raises DestinationError (507, 413, 403, 500)."""
        staged = self._part or self._whole
        assert staged is not None, "it was closed"
        staged.write(block)
        self.size += len(block)

    def close(self) -> None:
        """Drop what has not been committed; a second time does nothing."""
        for staged in (self._part, self._whole):
            if staged is not None:
                staged.abort()
        self._control.left_behind |= self._named.left_behind

    def commit(self, *, mtime: int | None = None) -> Steps:
        """Swap in the file with the part in it, whatever it has become meanwhile.

        Closing the steps before that leaves the old file. Raises FileNotFoundError (404) if it is
        gone, what ``start`` raises, and otherwise as the commit of an Upload.
        """
        with ExitStack() as undo:
            undo.callback(self.close)
            source_fd = self._destination.open()
            undo.callback(os.close, source_fd)
            status = os.fstat(source_fd)
            if self._base is not None and self._base.etag == etag_of(status):
                position = self._base.position
            else:
                position = yield from self._rebuilt(source_fd, status)
            assert self._whole is not None, "it is there with its base, or was made"
            self._whole.around = max(status.st_size, position + self.size) - self.size
            return (yield from self._whole.commit(mtime=mtime))

    def _rebuilt(self, source_fd: int, status: os.stat_result) -> Generator[Lane | None, None, int]:
        """Copy the file as it is now, and write the part into the copy where ``start`` says.

        Returns where that is.
        """
        position = self._start(status.st_size)
        if self._whole is None:
            self._whole = Upload(self._destination, self._control)
        if self._base is not None:
            yield from self._set_apart(self._whole, self._base.position)
        assert self._part is not None, "it arrived by itself, or was set apart"
        with as_destination():
            yield from self._copied(source_fd, self._whole.fd, status)
        _go_to(self._whole.fd, position)
        yield from _written(self._part.blocks(_BLOCK), self._whole)
        return position

    def _set_apart(self, whole: Upload, position: int) -> Generator[Lane | None, None, None]:
        """Take the part out of a copy that is of no use any more, which is empty then."""
        self._part = Upload(self._destination, self._named)
        yield from _written(_read(whole.fd, position, self.size), self._part)
        os.ftruncate(whole.fd, 0)
        os.lseek(whole.fd, 0, os.SEEK_SET)
        whole.size = 0
        self._base = None

    def _copied(
        self, source_fd: int, fd: int, status: os.stat_result
    ) -> Generator[Lane | None, None, None]:
        """Fill an empty file; what is shared is not counted, for nothing is moved."""
        progress = self._control.progress
        progress.bytes_total = progress.bytes_done + self.size
        if share_blocks(source_fd, fd):
            return
        progress.bytes_total += stored_size(status)
        yield from in_lanes(ContentCopy(self._control).steps(source_fd, fd, status))


def _go_to(fd: int, position: int) -> None:
    """Write on at ``position``. Raises DestinationError (413)."""
    with as_destination():
        seek(fd, position)


def _read(fd: int, position: int, size: int) -> Iterator[bytes]:
    """Yield what lies in a staged file. Raises DestinationError."""
    end = position + size
    try:
        while block := os.pread(fd, min(_BLOCK, end - position), position):
            yield block
            position += len(block)
    except OSError as error:
        raise destination_error(error) from error


def _written(blocks: Iterator[bytes], target: Upload) -> Generator[Lane | None, None, None]:
    """Append to what is staged; after the first block it is bulk work."""
    for number, block in enumerate(blocks):
        if number:
            yield Lane.LONG
        target.write(block)
