"""GET of what is larger than one block."""

import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import h11
import pytest

from harness.server import Serve

CONTENT = os.urandom(5 * 1024 * 1024 + 3)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def connect(
    request: pytest.FixtureRequest,
    serve: Serve,
    root: Path,
    wire: Any,
    certified: dict[str, Any],
    trusting: ssl.SSLContext,
) -> Any:
    """Opens a connection to a server that has a large file."""
    (root / "large").write_bytes(CONTENT)
    server = serve(certified if request.param else None)
    return lambda: wire(server, tls=trusting if request.param else None)


def test_all_of_it(connect: Any) -> None:
    """Every byte, twice on one connection, and none for HEAD."""
    client = connect()
    for _ in range(2):
        assert client.ask("GET", "/large").body == CONTENT
        head = client.ask("HEAD", "/large")
        assert (head.body, int(head.fields["Content-Length"])) == (b"", len(CONTENT))


def test_ranges(connect: Any) -> None:
    """One of them, and several, of which one is small."""
    client = connect()
    one = client.ask("GET", "/large", {"Range": "bytes=1000000-3999999"})
    assert (one.status, one.body) == (206, CONTENT[1_000_000:4_000_000])
    several = client.ask("GET", "/large", {"Range": "bytes=5-9,100000-4200000"})
    assert several.status == 206
    assert len(several.body) == int(several.fields["Content-Length"])
    boundary = several.fields["Content-Type"].partition("boundary=")[2].encode()
    parts = several.body.split(b"\r\n--" + boundary)[1:-1]
    assert [part.partition(b"\r\n\r\n")[2] for part in parts] == [
        CONTENT[5:10],
        CONTENT[100_000:4_200_001],
    ]


def test_conditions(connect: Any) -> None:
    """304 and 412 without content, 416, and all of it where `If-Range` names another file."""
    client = connect()
    etag = client.ask("HEAD", "/large").fields["Etag"]
    unchanged = client.ask("GET", "/large", {"If-None-Match": etag})
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert client.ask("GET", "/large", {"If-Match": '"another"'}).status == 412
    assert client.ask("GET", "/large", {"Range": f"bytes={len(CONTENT)}-"}).status == 416
    for condition, status, body in ((etag, 206, CONTENT[-2_000_000:]), ('"x"', 200, CONTENT)):
        some = client.ask("GET", "/large", {"Range": "bytes=-2000000", "If-Range": condition})
        assert (some.status, some.body) == (status, body)


def test_a_file_that_is_replaced(connect: Any, root: Path) -> None:
    """All of the old one comes, and then all of the new one."""
    old = CONTENT * 8
    (root / "large").write_bytes(old)
    client = connect()
    client.send("GET", "/large")
    answer = client.event()
    (root / "new").write_bytes(CONTENT)
    (root / "new").replace(root / "large")
    body = bytearray()
    while not isinstance(piece := client.event(), h11.EndOfMessage):
        body += piece.data
    assert (answer.status_code, bytes(body)) == (200, old)
    client.ready()
    assert client.ask("GET", "/large").body == CONTENT


def test_a_file_that_gets_shorter(connect: Any, root: Path) -> None:
    """The response ends before its Content-Length, and the server lives on."""
    with open(root / "large", "r+b") as file:
        file.truncate(2**30)
        client = connect()
        client.send("GET", "/large")
        client.event()
        file.truncate(1000)
    assert _received(client.socket) < 2**30
    assert connect().ask("GET", "/large").status == 200


def _received(sock: socket.socket) -> int:
    """How many bytes arrive before the end, which may be a reset."""
    count = 0
    with suppress(ConnectionError):
        while block := sock.recv(2**20):
            count += len(block)
    return count
