"""A client that costs little beside what it measures: requests and responses as plain bytes."""

import re
import socket
import struct
from collections.abc import Iterable
from typing import Self

from bench.servers import Server

#: Seconds after which a measurement is given up.
PATIENCE = 300.0

_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d)")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


def request(
    server: Server, method: str, path: str, *fields: tuple[str, str], length: int = 0
) -> bytes:
    """The head of a request, e.g. ``request(server, "COPY", "/a", ("Destination", "/b"))``."""
    own = [("Host", f"{server.host}:{server.port}"), *fields]
    if length:
        own.append(("Content-Length", str(length)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in own)]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def copying(server: Server, source: str, destination: str) -> bytes:
    """A COPY."""
    return request(server, "COPY", source, ("Destination", f"{server.url}{destination[1:]}"))


class Connection:
    """One connection. Use it as a context manager."""

    def __init__(self, server: Server) -> None:
        """Connect."""
        self.socket = socket.create_connection((server.host, server.port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

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

    def ask(self, head: bytes, body: Iterable[bytes] = ()) -> int:
        """Send a request and return the final status, when the whole response is there."""
        self.socket.sendall(head)
        for block in body:
            self.socket.sendall(block)
        while (status := self._response()) < 200:
            pass
        return status

    def expect(self, status: int, head: bytes, body: Iterable[bytes] = ()) -> None:
        """Ask, and fail unless that is the answer."""
        answered = self.ask(head, body)
        if answered != status:
            raise AssertionError(f"{answered}, not {status}, to {head!r}")

    def interim(self) -> None:
        """Wait for an interim response."""
        status = self._response()
        assert status < 200, f"{status} came at once"

    def _response(self) -> int:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            self._receive()
        head, self._received = self._received[: end + 4], self._received[end + 4 :]
        found = _STATUS.match(head)
        assert found is not None, f"no response: {head!r}"
        status, length = int(found[1]), _LENGTH.search(head)
        if status >= 200 and status not in (204, 304):
            assert length is not None, f"how long is the body of {head!r}?"
            while len(self._received) < int(length[1]):
                self._receive()
            self._received = self._received[int(length[1]) :]
        return status

    def _receive(self) -> None:
        block = self.socket.recv(256 * 1024)
        if not block:
            raise ConnectionError("the server closed the connection")
        self._received += block
