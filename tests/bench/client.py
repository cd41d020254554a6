"""A client that costs little beside what it measures: requests and responses as plain bytes."""

import re
import select
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from bench.servers import Server

#: Seconds after which a measurement is given up.
PATIENCE = 300.0
#: Bytes that are received at a time.
BUFFER = 1024 * 1024
#: The end of content in chunks (RFC 9112 7.1), as long as it holds no trailer.
LAST_CHUNK = b"0\r\n\r\n"

_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d)")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
#: Responses without content (RFC 9110 6.4.1), whatever their method.
_EMPTY = (204, 304)


def request(
    server: Server, method: str, path: str, *fields: tuple[str, str], length: int = 0
) -> bytes:
    """The head of a request, e.g. ``request(server, "COPY", "/a", ("Destination", "/b"))``."""
    own = [("Host", f"{server.host}:{server.port}"), *fields]
    if length:
        own.append(("Content-Length", str(length)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in own)]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def copying(server: Server, source: str, destination: str, method: str = "COPY") -> bytes:
    """A COPY, or a MOVE."""
    return request(server, method, source, ("Destination", f"{server.url}{destination[1:]}"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A final response, its content as it came."""

    status: int
    raw: bytes
    is_chunked: bool

    @property
    def body(self) -> bytes:
        """The content; not decoded before it is asked for, which is after the clock has stopped."""
        return unchunked(self.raw) if self.is_chunked else self.raw


def unchunked(raw: bytes) -> bytes:
    """Content without its chunks' frames; ValueError where they do not fit."""
    parts, at = [], 0
    while True:
        end = raw.index(b"\r\n", at)
        size = int(raw[at:end].split(b";")[0], 16)
        at = end + 2 + size
        if raw[at : at + 2] != b"\r\n":
            raise ValueError(f"no end of the chunk at {end}")
        if not size:
            break
        parts.append(raw[end + 2 : at])
        at += 2
    if at + 2 != len(raw):
        raise ValueError(f"{len(raw) - at - 2} bytes after the last chunk")
    return b"".join(parts)


class Connection:
    """One connection. Use it as a context manager."""

    def __init__(self, server: Server) -> None:
        """Connect."""
        self.socket = socket.create_connection((server.host, server.port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        # What has been received and not been used yet lies between these.
        self._start = self._end = 0

    def __enter__(self) -> Self:
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def reset(self) -> None:
        """Go away; a mere close would be a half-close, after which a client may still read."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, head: bytes, body: Iterable[bytes] = ()) -> None:
        """Send a request."""
        self.socket.sendall(head)
        for block in body:
            self.socket.sendall(block)

    def is_answered(self, within: float) -> bool:
        """Whether something of a response comes within so many seconds."""
        return self._start < self._end or bool(select.select([self.socket], [], [], within)[0])

    def fetch(self, head: bytes, body: Iterable[bytes] = ()) -> Answer:
        """Send a request and return the final response with its content."""
        self.send(head, body)
        return self.final()

    def final(self) -> Answer:
        """The final response, when the whole of it is there."""
        while (answer := self._response()).status < 200:
            pass
        return answer

    def ask(self, head: bytes, body: Iterable[bytes] = ()) -> int:
        """Send a request and return the final status, when the whole response is there."""
        return self.fetch(head, body).status

    def expect(self, status: int, head: bytes, body: Iterable[bytes] = ()) -> None:
        """Ask, and fail unless that is the answer."""
        answered = self.ask(head, body)
        if answered != status:
            raise AssertionError(f"{answered}, not {status}, to {head!r}")

    def drain(self, head: bytes) -> tuple[int, int]:
        """Send a request, drop the content, and return the status and how many bytes it had."""
        self.send(head)
        status, found = self._head()
        length = _LENGTH.search(found)
        assert length is not None, f"how long is the body of {found!r}?"
        left = size = int(length[1])
        left -= min(left, self._end - self._start)
        self._start = self._end
        while left:
            left -= self._receive_into(self._view[: min(left, BUFFER)])
        return status, size

    def interim(self) -> None:
        """Wait for an interim response."""
        status = self._response().status
        assert status < 200, f"{status} came at once"

    def _response(self) -> Answer:
        status, head = self._head()
        if status < 200 or status in _EMPTY:
            return Answer(status, b"", is_chunked=False)
        if _CHUNKED.search(head):
            return Answer(status, self._chunks(), is_chunked=True)
        length = _LENGTH.search(head)
        assert length is not None, f"how long is the body of {head!r}?"
        return Answer(status, self._take(int(length[1])), is_chunked=False)

    def _head(self) -> tuple[int, bytes]:
        while (end := self._buffer.find(b"\r\n\r\n", self._start, self._end)) < 0:
            self._receive()
        head = bytes(self._view[self._start : end + 4])
        self._start = end + 4
        found = _STATUS.match(head)
        assert found is not None, f"no response: {head!r}"
        return int(found[1]), head

    def _take(self, size: int) -> bytes:
        have = min(size, self._end - self._start)
        first = bytes(self._view[self._start : self._start + have])
        self._start += have
        if have == size:
            return first
        body = bytearray(size)
        body[:have] = first
        view = memoryview(body)
        while have < size:
            have += self._receive_into(view[have:])
        return bytes(body)

    def _chunks(self) -> bytes:
        raw = bytearray(self._view[self._start : self._end])
        self._start = self._end
        while not raw.endswith(LAST_CHUNK):
            raw += self._view[: self._receive_into(self._view)]
        return bytes(raw)

    def _receive(self) -> None:
        """Receive more; what has been used makes room for it."""
        left = self._end - self._start
        if not left or self._end == BUFFER:
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        self._end += self._receive_into(self._view[self._end :])

    def _receive_into(self, room: memoryview) -> int:
        received = self.socket.recv_into(room)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received
