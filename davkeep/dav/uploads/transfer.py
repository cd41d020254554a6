"""One request that brings a part of an upload."""

import logging
import threading
from collections.abc import Callable

from davkeep.trees.partial import Partial
from davkeep.words.content_range import ContentRange
from davkeep.words.failure import Failure

_log = logging.getLogger("davkeep.dav")


class Transfer:
    """Writes one part to the hidden file of an upload; owns ``partial``.

    What arrived stays when the connection breaks: its size is where the next request goes on. A
    part that turns out to be wrong, or does not fit on the disk, is taken back instead. It counts
    no more then, even if the file cannot be cut, which needs room on some file systems. After a
    restart only the file tells: so what is known to be wrong and cannot be cut off ends the upload.

    A newer request for the same upload stops this one, for a client that resumes may have left a
    connection behind that is not known to be dead. ``_guard`` is held whenever the file changes, so
    that nothing more is written once ``stop`` has returned.
    """

    def __init__(
        self, name: str, partial: Partial, part: ContentRange, closed: Callable[["Transfer"], None]
    ) -> None:
        """``closed`` is called once, before the file is closed."""
        self.name = name
        self.partial = partial
        self.part = part
        #: Whether the upload is over: stored, or worth nothing.
        self.is_over = False
        self._closed = closed
        self._guard = threading.Lock()
        self._received = 0
        self._is_stopped = False
        self._is_committing = False
        self._is_closed = False

    @property
    def is_all(self) -> bool:
        """Whether the one part is the whole file."""
        return self.part.length == self.part.total

    def write(self, block: bytes | memoryview) -> None:
        """Write on; what was there from the beginning of the part on is gone.

        Raises Failure 400 for more than the range has, 409 after a stop, DestinationError.
        """
        with self._guard:
            self._refuse_stopped()
            if self._received + len(block) > self.part.length:
                self._take_back(is_wrong=True)
                raise Failure(400, "The content is longer than its range.")
            if not self._received:
                self.partial.cut(self.part.first)
            self._received += len(block)
            try:
                self.partial.write(block)
            except OSError:
                self._take_back(is_wrong=False)
                raise

    def finish(self) -> None:
        """The content has ended: Failure 400 unless it is as long as its range, 409 if lost."""
        with self._guard:
            self._refuse_stopped()
            if self._received != self.part.length:
                self._take_back(is_wrong=True)
                raise Failure(400, "The content is shorter than its range.")
            if not self.partial.is_there:
                raise Failure(409, "The upload was given up, or its collection was removed.")

    def flush(self) -> None:
        """Bring what has arrived to the disk; what that refuses is taken back. DestinationError."""
        try:
            self.partial.flush()
        except OSError:
            self.take_back(is_wrong=False)
            raise

    def take_back(self, *, is_wrong: bool) -> None:
        """Drop what this request brought. ``is_wrong``: it is known not to be the content."""
        with self._guard:
            if not self._is_stopped:
                self._take_back(is_wrong=is_wrong)

    def _take_back(self, *, is_wrong: bool) -> None:
        if not self._received:
            return
        try:
            self.partial.take_back(self.part.first)
        except OSError as error:
            _log.warning("a refused part of an upload cannot be cut off yet: %s", error)
            if is_wrong:
                self._give_up()

    def _give_up(self) -> None:
        """The whole upload, for the file would be taken for good content after a restart."""
        self.is_over = True
        try:
            self.partial.remove()
        except OSError as error:
            _log.error("an upload with wrong content cannot be removed: %s", error)

    def stop(self) -> None:
        """Let this request write no more. Raises Failure 423 while the upload is being stored."""
        with self._guard:
            if self._is_committing:
                raise Failure(
                    423, "This upload is complete and being stored.", fields=[("Retry-After", "2")]
                )
            self._is_stopped = True

    def begin_commit(self) -> None:
        """From now on the file belongs to the commit. Raises Failure 409 after a stop."""
        with self._guard:
            self._refuse_stopped()
            self._is_committing = True

    def _refuse_stopped(self) -> None:
        if self._is_stopped:
            raise Failure(409, "This upload was given up, or a newer request goes on with it.")

    def close(self) -> None:
        """Let go of the upload; a second time does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._closed(self)
            self.partial.close()
