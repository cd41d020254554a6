"""Servers to probe, and stand-ins for proxies, each with one habit."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from harness.listening import Listening
from harness.server import DEADLINE, RunningServer, Serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for everybody on this machine."""
    folder = tmp_path_factory.mktemp("probed")
    (folder / "root").mkdir()
    running = RunningServer(
        folder, folder / "root", {"davkeep": {"trusted_proxies": ["127.0.0.2"]}}
    )
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.fixture
def guarded(tmp_path: Path, serve: Serve) -> RunningServer:
    """A server with an open share and one of users, of whom one is an administrator."""
    for name in ("open", "own"):
        (tmp_path / name).mkdir()
    users = {
        "anna": {"password": "one"},
        "bert": {"password": "two"},
        "josé": {"password": "pä:ß"},
    }
    config = {
        "provider_mapping": {"/": str(tmp_path / "open"), "/own": str(tmp_path / "own")},
        "simple_dc": {"user_mapping": {"/": True, "/own": users}},
    }
    return serve(top=config, administrators=["anna", "josé"])


#: What a stand-in does with the head of an interim response, the how-manieth of its request it
#: is: what to write instead, and whether to go on.
Habit = Callable[[bytes, int], tuple[bytes, bool]]


class StandIn(Listening):
    """Passes one request a connection on, and each response's head through a habit."""

    def __init__(self, server: RunningServer, habit: Habit, added: bytes, version: bytes) -> None:
        """``added``: header lines of each request; ``version``: of HTTP, to the server."""
        self._target = (server.host, server.port)
        self._habit = habit
        self._added = added
        self._version = version
        super().__init__()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target, DEADLINE) as server, suppress(OSError):
            client.settimeout(DEADLINE)
            request = client.makefile("rb")
            server.sendall(self._rewritten(_head(request)))
            self._answer(client, server.makefile("rb"))

    def _rewritten(self, head: bytes) -> bytes:
        line, rest = head.split(b"\r\n", 1)
        return line[: -len(b"HTTP/1.1")] + self._version + b"\r\n" + self._added + rest

    def _answer(self, client: socket.socket, answers: "socket.SocketIO") -> None:
        seen = 0
        while (head := _head(answers)).startswith(b"HTTP/1.1 1"):
            seen += 1
            instead, goes_on = self._habit(head, seen)
            client.sendall(instead)
            if not goes_on:
                return
        client.sendall(head)
        while block := answers.read(65536):
            client.sendall(block)


def _head(stream: "socket.SocketIO") -> bytes:
    lines = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line)
    return b"".join([*lines, b"\r\n"])


def forwards(head: bytes, seen: int) -> tuple[bytes, bool]:
    """As HAProxy."""
    return head, True


def swallows(head: bytes, seen: int) -> tuple[bytes, bool]:
    """As Envoy."""
    return b"", True


def fails_at(number: int, status: bytes, server: bytes) -> Habit:
    """As Apache, Caddy and Varnish, at a certain one."""
    answer = b"HTTP/1.1 %s\r\nServer: %s\r\nContent-Length: 0\r\n\r\n" % (status, server)
    return lambda head, seen: (answer, False) if seen >= number else (head, True)


def takes_for_final(head: bytes, seen: int) -> tuple[bytes, bool]:
    """As nginx with HTTP/1.1: adds the fields of a final response, and is done with it."""
    return re.sub(rb"\r\n\r\n", b"\r\nServer: nginx/1.22.1\r\n\r\n", head), False


@pytest.fixture
def stand_in() -> Iterator[Callable[..., StandIn]]:
    """``stand_in(server, habit)``; ended with the test."""
    with ExitStack() as running:

        def start(
            server: RunningServer,
            habit: Habit = forwards,
            *,
            added: bytes = b"",
            version: bytes = b"HTTP/1.1",
        ) -> StandIn:
            each = StandIn(server, habit, added, version)
            running.callback(each.close)
            return each

        yield start
