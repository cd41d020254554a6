"""PATCH of a part of a file: a staged copy with the part written into it takes the file's place."""

import errno
import os
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import replace

from davkeep.trees.closing import Closing
from davkeep.trees.content import ContentCopy, in_lanes, stored_size
from davkeep.trees.failures import WriteError, destination_error
from davkeep.trees.share import Entry
from davkeep.trees.steps import Control, Lane, Steps
from davkeep.trees.upload import Upload
from davkeep.words.progress import Progress

#: Appended to the staging name: the part that arrived.
PART = ".part"

#: Bytes of the part that are written at once.
_BLOCK = 1024 * 1024

#: Tells from the size of a file where the part begins in it; may raise for where it cannot.
Start = Callable[[int], int]


class Patch(Closing):
    """One part, from its first byte to the commit of the changed file.

    The copy is made only at the commit, so that no other change is lost. ``destination`` must stay
    open until then.
    """

    def __init__(self, destination: Entry, control: Control, spool: str | None = None) -> None:
        """Stage an empty part, beside the destination or in ``spool``; raises as Upload does."""
        self._destination = destination
        self._control = control
        self._named = replace(
            control, staging_name=control.staging_name + PART, progress=Progress()
        )
        self._part = Upload(destination, self._named, spool)
        self._whole: Upload | None = None

    @property
    def size(self) -> int:
        """Bytes of the part so far."""
        return self._part.size

    @property
    def stored(self) -> os.stat_result | None:
        """Status of the changed file; None before the commit."""
        return None if self._whole is None else self._whole.stored

    @property
    def has_time(self) -> bool:
        """Whether the time that was asked for could be set."""
        return self._whole is not None and self._whole.has_time

    def write(self, block: bytes | memoryview) -> None:
        """Append to the part. Raises DestinationError (507, 403, 500)."""
        self._part.write(block)

    def close(self) -> None:
        """Remove the part; a second time does nothing."""
        self._part.abort()
        self._control.left_behind |= self._named.left_behind

    def commit(self, start: Start, *, mtime: int | None = None) -> Steps:
        """Copy the file, write the part into the copy where ``start`` says, and swap it in.

        Closing the steps before that leaves the old file. Raises FileNotFoundError (404) if it is
        gone, what ``start`` raises, and otherwise as the commit of an Upload.
        """
        with ExitStack() as undo:
            undo.callback(self.close)
            source_fd = self._destination.open()
            undo.callback(os.close, source_fd)
            length = os.fstat(source_fd).st_size
            position = start(length)
            self._whole = undo.enter_context(Upload(self._destination, self._control))
            yield from self._copied(source_fd, self._whole.fd)
            yield from self._written(self._whole, position)
            self._whole.size = max(length, position + self.size)
            return (yield from self._whole.commit(mtime=mtime))

    def _copied(self, source_fd: int, fd: int) -> Generator[Lane | None, None, None]:
        status = os.fstat(source_fd)
        self._control.progress.bytes_total = stored_size(status) + self.size
        try:
            yield from in_lanes(ContentCopy(self._control).steps(source_fd, fd, status))
        except WriteError as failure:
            raise destination_error(failure.error) from failure

    def _written(self, whole: Upload, position: int) -> Generator[Lane | None, None, None]:
        try:
            os.lseek(whole.fd, position, os.SEEK_SET)
        except OSError:
            # The file system has no files of that length.
            error = OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            raise destination_error(error) from None
        for number, block in enumerate(self._part.blocks(_BLOCK)):
            if number:
                yield Lane.LONG
            whole.write(block)
