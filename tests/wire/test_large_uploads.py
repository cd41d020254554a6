"""PUT of what is larger than the largest block."""

import base64
import hashlib
import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from harness.server import RunningServer, Serve
from harness.waiting import until
from harness.wire import Wire

CONTENT = os.urandom(11 * 1024 * 1024 + 5)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    """Whether the server speaks TLS."""
    return bool(request.param)


@pytest.fixture
def server(serve: Serve, tls: bool, certified: dict[str, Any]) -> RunningServer:
    """A server."""
    return serve(certified if tls else None)


@pytest.fixture
def client(server: RunningServer, wire: Any, tls: bool, trusting: ssl.SSLContext) -> Any:
    """A connection to it."""
    return wire(server, tls=trusting if tls else None)


@pytest.mark.parametrize("chunk", [None, 50_000, 3_000_001], ids=["length", "small", "large"])
def test_every_byte(client: Wire, root: Path, chunk: int | None) -> None:
    """Of a known length, or in chunks; a second time over the first one."""
    for content in (CONTENT, CONTENT[::-1]):
        body: Any = content
        if chunk is not None:
            body = [content[at : at + chunk] for at in range(0, len(content), chunk)]
        assert client.ask("PUT", "/large", None, body).status in (201, 204)
        assert (root / "large").read_bytes() == content


def test_its_digest(client: Wire, root: Path) -> None:
    """It is verified of all blocks, and what has another one is not stored."""
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    fields = {"Repr-Digest": f"sha-256=:{digest}:"}
    assert client.ask("PUT", "/large", fields, CONTENT[::-1]).status == 400
    assert not (root / "large").exists()
    assert client.ask("PUT", "/large", fields, CONTENT).status == 201
    assert (root / "large").read_bytes() == CONTENT


def test_what_has_come_is_stored_though_more_is_to_come(
    client: Wire, server: RunningServer, root: Path
) -> None:
    """No block is waited for until it is full; the rest is awaited, and then it is complete."""
    head = f"PUT /large HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
    client.socket.sendall(head.encode())
    for first, last in ((0, 1), (1, 700_000), (700_000, 9_000_000)):
        client.socket.sendall(CONTENT[first:last])
        until(lambda size=last: _staged(server) == size, f"{last} bytes are staged")
    client.socket.sendall(CONTENT[9_000_000:])
    assert client.socket.recv(100).startswith(b"HTTP/1.1 201 ")
    assert (root / "large").read_bytes() == CONTENT


def _staged(server: RunningServer) -> int:
    """How many bytes are staged."""
    return sum(path.stat().st_size for path in server.staging())


def test_one_that_ends_early(client: Wire, server: RunningServer, root: Path) -> None:
    """Nothing is left of it, and the old content stays."""
    (root / "large").write_bytes(b"old")
    head = f"PUT /large HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
    client.socket.sendall(head.encode() + CONTENT[:9_000_000])
    until(lambda: _staged(server) == 9_000_000, "all that was sent is staged")
    client.close()
    until(lambda: not server.staging(), "nothing is left")
    assert (root / "large").read_bytes() == b"old"
