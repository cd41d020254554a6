"""The client of the measurements reads what servers send."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bench.client import BUFFER, Connection, unchunked


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection, and the server's end of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        server: Any = SimpleNamespace(host=host, port=port)
        with Connection(server) as connection, listener.accept()[0] as other:
            yield connection, other


def test_the_final_response_comes_after_interim_ones(
    ends: tuple[Connection, socket.socket],
) -> None:
    """Interim responses are passed over, and the next response is kept for the next request."""
    connection, other = ends
    other.sendall(
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\n"
    )
    other.sendall(b"yes" + b"HTTP/1.1 204 No Content\r\n\r\n")
    answer = connection.fetch(b"PUT / HTTP/1.1\r\n\r\n")
    assert (answer.status, answer.body) == (201, b"yes")
    connection.expect(204, b"DELETE / HTTP/1.1\r\n\r\n")
    assert other.recv(100).startswith(b"PUT / HTTP/1.1\r\n\r\n")


def test_another_status_than_expected_fails(ends: tuple[Connection, socket.socket]) -> None:
    """A refused request is no measurement."""
    connection, other = ends
    other.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(AssertionError, match="403, not 201"):
        connection.expect(201, b"PUT / HTTP/1.1\r\n\r\n")


def test_content_is_taken_from_its_chunks(ends: tuple[Connection, socket.socket]) -> None:
    """A multi-status of unknown length is whole when its last chunk has come."""
    connection, other = ends
    other.sendall(b"HTTP/1.1 207 Multi-Status\r\nTransfer-Encoding: chunked\r\n\r\n")
    other.sendall(b"3\r\n<a>\r\n4;x=y\r\n</a>\r\n0\r\n\r\n")
    answer = connection.fetch(b"PROPFIND / HTTP/1.1\r\n\r\n")
    assert (answer.status, answer.body) == (207, b"<a></a>")


@pytest.mark.parametrize("raw", [b"3\r\n<a>\r\n", b"3\r\n<a>xx0\r\n\r\n", b"0\r\n\r\nmore", b"<a>"])
def test_chunks_that_do_not_fit_are_refused(raw: bytes) -> None:
    """Content that was cut, or has more than its chunks, is no answer."""
    with pytest.raises(ValueError):  # noqa: PT011  (int's, index's or its own)
        unchunked(raw)


def test_a_large_body_is_counted_and_dropped(ends: tuple[Connection, socket.socket]) -> None:
    """What is larger than the buffer is read to its last byte, and the next response after it."""
    connection, other = ends
    size = BUFFER + 5
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * BUFFER)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BUFFER)
    other.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    other.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert connection.drain(b"GET / HTTP/1.1\r\n\r\n") == (200, size)
    connection.expect(200, b"GET / HTTP/1.1\r\n\r\n")


def test_a_server_that_closes_has_not_answered(ends: tuple[Connection, socket.socket]) -> None:
    """Half an answer is an error."""
    connection, other = ends
    other.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    other.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError):
        connection.ask(b"GET / HTTP/1.1\r\n\r\n")
