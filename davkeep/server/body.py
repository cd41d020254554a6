"""The body of a request: what the application reads from `wsgi.input`."""

import io
import re
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from davkeep.keepalive.exchange import IncompleteBody
from davkeep.server.stream import Disconnected, Inlet, LineTooLong

#: Bytes of one line that gives the size of a chunk, extensions included.
CHUNK_LINE_LIMIT = 4096

#: Bytes of all trailer fields together.
TRAILER_LIMIT = 16 * 1024

#: Bytes discarded in one read.
DRAIN_BLOCK = 64 * 1024

#: Bytes buffered between the connection and small reads of the application; larger reads pass it
#: by.
BUFFER = 16 * 1024

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")


class Body(io.RawIOBase):
    """Reads exactly the body, and raises IncompleteBody rather than pretending that it ended."""

    def __init__(self, inlet: Inlet, before_first_read: Callable[[], None]) -> None:
        super().__init__()
        self._inlet = inlet
        self._before_first_read: Callable[[], None] | None = before_first_read
        self._failure: IncompleteBody | None = None
        #: Reading of `time.monotonic()` when the last byte was there; None: it is not there yet.
        self.completed: float | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer` with what is there; 0 at the end of the body. IncompleteBody."""
        if self.completed is not None:
            return 0
        if self._failure is not None:
            raise self._failure
        try:
            self._begin()
            return self._read_some(memoryview(buffer).cast("B"))
        except TimeoutError:
            self._failure = IncompleteBody("no more of the body came in time", 408)
        except Disconnected as error:
            self._failure = IncompleteBody(str(error))
        except IncompleteBody as error:
            self._failure = error
        raise self._failure

    def drain(self, limit: int) -> bool:
        """Discard the rest if it is at most `limit` bytes; False if it is not complete
        afterwards.
        """
        scratch = memoryview(bytearray(min(DRAIN_BLOCK, limit)))
        try:
            while self.completed is None and limit > 0:
                limit -= self.readinto(scratch[:limit])
        except IncompleteBody:
            return False
        return self.completed is not None

    def _begin(self) -> None:
        before, self._before_first_read = self._before_first_read, None
        if before is not None:
            before()

    @abstractmethod
    def _read_some(self, view: memoryview) -> int:
        """As `readinto`, of an incomplete body; sets `completed`."""

    def _complete(self) -> None:
        self.completed = time.monotonic()

    def _receive(self, view: memoryview) -> int:
        count = self._inlet.readinto(view)
        if count == 0:
            raise IncompleteBody("the body ended early")
        return count


class SizedBody(Body):
    """A body with a Content-Length."""

    def __init__(self, inlet: Inlet, before_first_read: Callable[[], None], length: int) -> None:
        super().__init__(inlet, before_first_read)
        self._left = length
        if length == 0:
            self._complete()

    def drain(self, limit: int) -> bool:
        return self._left <= limit and super().drain(limit)

    def _read_some(self, view: memoryview) -> int:
        count = self._receive(view[: self._left])
        self._left -= count
        if self._left == 0:
            self._complete()
        return count


class ChunkedBody(Body):
    """A body in the chunked transfer coding (RFC 9112 7.1); extensions and trailers are
    discarded.
    """

    def __init__(self, inlet: Inlet, before_first_read: Callable[[], None], limit: int) -> None:
        """`limit` is the largest body in bytes (more is IncompleteBody 413); 0: none."""
        super().__init__(inlet, before_first_read)
        self._limit = limit
        self._size = 0
        #: Bytes left of the present chunk.
        self._left = 0

    def _read_some(self, view: memoryview) -> int:
        if self._left == 0:
            self._open_chunk()
        if self._left == 0:
            self._read_trailers()
            self._complete()
            return 0
        count = self._receive(view[: self._left])
        self._left -= count
        if self._left == 0:
            self._expect_line_end()
        return count

    def _open_chunk(self) -> None:
        matched = _CHUNK_SIZE.fullmatch(self._line(CHUNK_LINE_LIMIT))
        if not matched:
            raise IncompleteBody("malformed chunk")
        self._left = int(matched[1], 16)
        self._size += self._left
        if self._limit and self._size > self._limit:
            raise IncompleteBody("the body is larger than allowed", 413)

    def _expect_line_end(self) -> None:
        if self._line(2) != b"\r\n":
            raise IncompleteBody("malformed end of a chunk")

    def _read_trailers(self) -> None:
        left = TRAILER_LIMIT
        while (line := self._line(max(left, 2))) != b"\r\n":
            left -= len(line)
            if left <= 0 or not line.endswith(b"\r\n"):
                raise IncompleteBody("malformed trailers")

    def _line(self, limit: int) -> bytes:
        try:
            return self._inlet.readline(limit)
        except LineTooLong:
            raise IncompleteBody("malformed chunk") from None


def as_input(body: Body) -> io.BufferedIOBase:
    """The `wsgi.input` of a body.

    read(n) returns n bytes unless the body ends before, as PEP 3333 asks; read1(n) and
    readinto1(buffer) return what is there, for uploads.
    """
    if body.completed is not None:
        return io.BytesIO()
    return io.BufferedReader(body, BUFFER)
