"""Uploads into a collection that is moved to another file system: they go along with it."""

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from davkeep.dav.uploads.hidden import open_in
from davkeep.dav.uploads.uploads import Uploads
from davkeep.store.uploads import StoredUpload
from davkeep.store.uploads import Uploads as StoredUploads
from davkeep.trees.content import ContentCopy
from davkeep.trees.descent import DIRECTORY
from davkeep.trees.failures import as_destination
from davkeep.trees.partial import Partial, make_partial
from davkeep.trees.share import Entry
from davkeep.trees.steps import Control, DestinationError, Lane
from davkeep.words.progress import Progress

_log = logging.getLogger("davkeep.dav")

Blocks = Generator[Lane | None, None, None]


class Along:
    """Copies the hidden files of uploads below a collection into its copy.

    Each is noted as a second file of its upload, durably, before names change. So whichever of the
    two is beside the target afterwards is the right one: it does not matter whether the MOVE ends
    well, is cancelled, or is settled by recovery. Those in a spool stay where they are.

    Until the MOVE is over nobody gives one of them up: it has a file where nobody looks for it.
    """

    def __init__(
        self, uploads: Uploads, stored: StoredUploads, source: Entry, control: Control
    ) -> None:
        """``source``: the collection, which nobody else changes (it is reserved)."""
        self._uploads = uploads
        self._stored = stored
        self._key = source.key
        self._control = replace(control, progress=Progress())
        #: The names of those that are held for the MOVE.
        self._held: list[str] = []

    def close(self) -> None:
        """The MOVE is over, however it ended."""
        for name in self._held:
            self._uploads.release(name)

    def steps(self, source_fd: int, target_fd: int) -> Blocks:
        """Do it. Raises DestinationError; what cannot be read is left to go with its collection."""
        for row in self._stored.below(self._key):
            try:
                yield from self._one(row, source_fd, target_fd)
            except DestinationError:
                raise
            except OSError as error:
                _log.warning("an upload does not go along with its collection: %s", error)

    def _one(self, row: StoredUpload, source_fd: int, target_fd: int) -> Blocks:
        way = os.path.dirname(row.path)[len(self._key) + 1 :].split(b"/")
        with _down(source_fd, way) as folder_fd, _down(target_fd, way) as target_folder_fd:
            # Its client is told to go on with the next part, which has to wait for the MOVE.
            self._held.append(row.name)
            if not self._uploads.hold(row.name):
                return
            partial = open_in(folder_fd, row)
            if partial is not None:
                with partial:
                    yield from self._copied(row, partial, target_folder_fd)

    def _copied(self, row: StoredUpload, partial: Partial, folder_fd: int) -> Blocks:
        yield Lane.LONG
        before = os.fstat(folder_fd)
        partial.limit = self._uploads.limit_of(row.name)
        with ExitStack() as undo:
            made = undo.enter_context(make_partial(folder_fd, row.name))
            with as_destination(), closing(self._content(partial, made)) as blocks:
                yield from blocks
                made.cut(partial.size)
            # The time of the collection is that of the one which is moved.
            os.utime(folder_fd, ns=(before.st_atime_ns, before.st_mtime_ns))
            if self._control.fsync:
                made.flush()
            self._stored.copied(row.name, made.inode)

    def _content(self, partial: Partial, made: Partial) -> Generator[None, None, None]:
        return ContentCopy(self._control).steps(partial.fd, made.fd, os.fstat(partial.fd))


@contextmanager
def _down(fd: int, way: Sequence[bytes]) -> Iterator[int]:
    """The directory to which ``way`` leads from ``fd``, without following any link."""
    found = os.open(".", DIRECTORY, dir_fd=fd)
    try:
        for name in filter(None, way):
            above, found = found, os.open(name, DIRECTORY, dir_fd=found)
            os.close(above)
        yield found
    finally:
        os.close(found)
