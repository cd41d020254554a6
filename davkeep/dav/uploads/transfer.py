"""One request that brings a part of an upload."""

import errno
import logging
from collections.abc import Callable

from davkeep.dav.uploads.tenure import Tenure
from davkeep.trees.partial import Partial
from davkeep.trees.steps import DestinationError
from davkeep.words.content_range import ContentRange
from davkeep.words.failure import Failure

_log = logging.getLogger("davkeep.dav")


class Transfer:
    """Writes one part to the hidden file of an upload, for as long as its tenure lasts.

    What arrived stays when the connection breaks: its size is where the next request goes on. A
    part that turns out to be wrong, or does not fit on the disk, is taken back instead. It counts
    no more then, even if the file cannot be cut, which needs room on some file systems. After a
    restart only the file tells: so what is known to be wrong and cannot be cut off ends the upload.
    """

    def __init__(
        self, name: str, tenure: Tenure, part: ContentRange, ended: Callable[["Transfer"], None]
    ) -> None:
        """``ended`` is called when it is over, and ends the tenure."""
        self.name = name
        self.tenure = tenure
        self.part = part
        with tenure.file() as partial:
            #: Bytes of the upload that have arrived and count.
            self.arrived = partial.size
        #: Whether the upload is over: stored, or worth nothing.
        self.is_over = False
        self._ended = ended
        self._received = 0

    def write(self, block: bytes | memoryview) -> None:
        """Write on; what was there from the beginning of the part on is gone.

        Raises Failure 400 for more than the range has, 409 once replaced, DestinationError.
        """
        with self.tenure.file() as partial:
            if self._received + len(block) > self.part.length:
                self._take_back(partial, is_wrong=True)
                raise Failure(400, "The content is longer than its range.")
            if not self._received:
                partial.cut(self.part.first)
            self._received += len(block)
            try:
                partial.write(block)
            except OSError:
                self._take_back(partial, is_wrong=False)
                raise
            self.arrived = self.part.first + self._received

    def finish(self) -> None:
        """The content has ended. Raises Failure 400 unless it is as long as its range, 409 if the
        upload is lost, and DestinationError (500) if the file has not what was written to it.
        """
        with self.tenure.file() as partial:
            if self._received != self.part.length:
                self._take_back(partial, is_wrong=True)
                raise Failure(400, "The content is shorter than its range.")
            if not partial.is_there:
                raise Failure(409, "The upload was given up, or its collection was removed.")
            if partial.size != self.arrived:
                self._take_back(partial, is_wrong=True)
                raise DestinationError(errno.EIO, "The staged file has not the size of its content")

    def flush(self) -> None:
        """Bring what has arrived to the disk; what that refuses is taken back. DestinationError."""
        with self.tenure.file() as partial:
            try:
                partial.flush()
            except OSError:
                self._take_back(partial, is_wrong=False)
                raise

    def take_back(self, *, is_wrong: bool) -> None:
        """Drop what this request brought. ``is_wrong``: it is known not to be the content.

        Raises Failure 409 once replaced: it is the newer request's then.
        """
        with self.tenure.file() as partial:
            self._take_back(partial, is_wrong=is_wrong)

    def _take_back(self, partial: Partial, *, is_wrong: bool) -> None:
        if not self._received:
            return
        self.arrived = min(self.arrived, self.part.first)
        try:
            partial.take_back(self.part.first)
        except OSError as error:
            _log.warning("a refused part of an upload cannot be cut off yet: %s", error)
            if is_wrong:
                self._give_up(partial)

    def _give_up(self, partial: Partial) -> None:
        """The whole upload, for the file would be taken for good content after a restart."""
        self.is_over = True
        try:
            partial.remove()
        except OSError as error:
            _log.error("an upload with wrong content cannot be removed: %s", error)

    def close(self) -> None:
        """Let go of the upload; a second time does nothing."""
        self._ended(self)
