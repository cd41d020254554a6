"""A server that stands still for longer than it would wait: what came meanwhile is looked at."""

import contextlib
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.server import DEADLINE, RunningServer, Serve
from harness.wire import Wire

#: Seconds that the server waits for anything, and for which it is stopped.
PATIENCE = 3
STOPPED = 4.5
#: As many as wait in each state, for each may be lost.
CLIENTS = 5
#: Bytes of a response that no buffer holds.
LARGE = 50_000_000
SETTINGS = {
    "idle_timeout": PATIENCE,
    "timeout": PATIENCE,
    "head_timeout": PATIENCE,
    "handshake_timeout": PATIENCE,
}


@contextmanager
def standing_still(server: RunningServer) -> Iterator[None]:
    """The server is stopped while the block runs, and for so long that all its time is up."""
    server.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)
    began = time.monotonic()
    yield
    threading.Event().wait(began + STOPPED - time.monotonic())
    server.process.send_signal(signal.SIGCONT)


def _let_it_wait(server: RunningServer, **options: Any) -> None:
    """What was sent has been read, as far as a look from outside can tell: it answers others."""
    for _ in range(3):
        with Wire(server.host, server.port, **options) as client:
            assert client.ask("OPTIONS", "/").status == 200


def _status(client: Wire) -> int | str:
    """The status of the next response, or why there is none."""
    try:
        return client.response().status
    except (AssertionError, ConnectionError) as error:
        return repr(error)


def test_whatever_it_waited_for(serve: Serve, root: Path, wire: Any) -> None:
    """The next request, the rest of one, or room for the rest of a response."""
    (root / "file").write_bytes(b"content")
    with (root / "large").open("wb") as large:
        large.truncate(LARGE)
    server = serve({"server_args": SETTINGS})

    def some() -> list[Wire]:
        return [wire(server) for _ in range(CLIENTS)]

    idle, heads, bodies, readers, silent = some(), some(), some(), some(), wire(server)
    for client in (*idle, silent):
        assert client.ask("GET", "/file").status == 200
    for client in heads:
        client.already_sent("GET", "/file")
        client.socket.sendall(b"GET /file HTTP/1.1\r\nHo")
    for number, client in enumerate(bodies):
        client.already_sent("PUT", f"/new{number}")
        head = f"PUT /new{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
        client.socket.sendall(head.encode() + b"01234")
    for client in readers:
        client.send("GET", "/large")
    _let_it_wait(server)
    with standing_still(server):
        for client in idle:
            client.send("GET", "/file")
        for client in heads:
            client.socket.sendall(b"st: x\r\n\r\n")
        for client in bodies:
            client.socket.sendall(b"56789")
        received = [_what_is_there(client.socket) for client in readers]
    assert [_status(client) for client in idle] == [200] * CLIENTS
    assert [_status(client) for client in heads] == [200] * CLIENTS
    assert [_status(client) for client in bodies] == [201] * CLIENTS
    rest = [_all(client.socket, so_far) for client, so_far in zip(readers, received, strict=True)]
    assert min(rest) > LARGE
    assert silent.socket.recv(1) == b""


def _what_is_there(sock: socket.socket) -> int:
    """Read all that was sent so far, and return how much that is."""
    received = 0
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while block := sock.recv(1 << 20):
            received += len(block)
    sock.settimeout(DEADLINE)
    return received


def _all(sock: socket.socket, received: int) -> int:
    """Read on until the whole response, head and content, is there, or it is cut."""
    with contextlib.suppress(ConnectionError):
        while received <= LARGE and (block := sock.recv(1 << 20)):
            received += len(block)
    return received


def test_a_handshake(
    serve: Serve, root: Path, certified: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    """A client that has said all that it had to say is not to blame."""
    (root / "file").write_bytes(b"content")
    server = serve({"server_args": SETTINGS, **certified})
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    speaker = trusting.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        speaker.do_handshake()
    hello = outgoing.read()
    with socket.create_connection((server.host, server.port), DEADLINE) as sock:
        sock.sendall(hello[:10])
        _let_it_wait(server, tls=trusting)
        with standing_still(server):
            sock.sendall(hello[10:])
        _shake_hands(speaker, incoming, sock)
        speaker.write(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.sendall(outgoing.read())
        while not _has_answer(speaker, incoming, sock):
            pass


def _shake_hands(speaker: ssl.SSLObject, incoming: ssl.MemoryBIO, sock: socket.socket) -> None:
    while True:
        try:
            return speaker.do_handshake()
        except ssl.SSLWantReadError:
            _feed(incoming, sock)


def _has_answer(speaker: ssl.SSLObject, incoming: ssl.MemoryBIO, sock: socket.socket) -> bool:
    try:
        assert speaker.read(12) == b"HTTP/1.1 200"
    except ssl.SSLWantReadError:
        _feed(incoming, sock)
        return False
    return True


def _feed(incoming: ssl.MemoryBIO, sock: socket.socket) -> None:
    block = sock.recv(65536)
    assert block, "the connection was closed"
    incoming.write(block)
