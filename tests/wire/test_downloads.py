"""GET of what is larger than one block."""

import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

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
