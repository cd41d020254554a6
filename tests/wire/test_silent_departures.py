"""Clients that are sent nothing while they wait, and leave: `on_disconnect` acts all the same."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from davkeep.operations.state import State
from harness.inside import Start
from harness.programs import find
from harness.proxies import PROXIES
from harness.server import RunningServer, Serve
from harness.trees import contents, plant
from harness.uploads import break_off
from harness.waiting import until
from harness.wire import Wire

#: A COPY of these files takes 10 s, unless it is undone.
FILES = 1000
SLOW = {"max_members_per_second": 100, "grace": 0}
#: Nobody is sent an interim response.
SILENT = {"interim": "never"}
#: Whom no row of the profiles knows.
AGENT = "Unheard-of/1.0"


def _close(client: Wire) -> None:
    client.close()


def _half_close(client: Wire) -> None:
    socket.socket.shutdown(client.socket, socket.SHUT_WR)


def _reset(client: Wire) -> None:
    break_off(client.socket)


def _say_goodbye(client: Wire) -> None:
    """TLS's own end (RFC 8446 6.1), and no end of the connection."""
    assert isinstance(client.socket, ssl.SSLSocket)
    client.socket.setblocking(False)
    # The server does not answer it: nothing comes, or the reset that ends the connection.
    with pytest.raises((ssl.SSLWantReadError, ConnectionResetError)):
        client.socket.unwrap()


WAYS = [_close, _half_close, _reset]


@pytest.fixture
def start(serve: Serve, root: Path) -> Callable[..., RunningServer]:
    """``start("cancel", tls keys)``: a server that says nothing while it copies /a."""
    plant(root / "a", FILES)

    def begin(value: str, top: dict[str, Any] | None = None, **more: Any) -> RunningServer:
        operations = {**SLOW, "on_disconnect": value, **more}
        return serve(top, keepalive=SILENT, operations=operations)

    return begin


def _copy(server: RunningServer, client: Wire, name: str = "b") -> None:
    client.send("COPY", "/a", {"Destination": f"{server.url}{name}"})


def _staged(server: RunningServer) -> None:
    until(server.staging, "the COPY has begun")


def _undone(server: RunningServer, root: Path) -> None:
    until(lambda: not server.staging(), "the COPY is undone", deadline=8)
    assert not (root / "b").exists()


@pytest.mark.parametrize(
    ("secure", "leave"),
    [*((False, way) for way in WAYS), *((True, way) for way in [*WAYS, _say_goodbye])],
)
def test_who_leaves_takes_the_work_along(
    start: Callable[..., RunningServer],
    root: Path,
    wire: Any,
    certified: dict[str, Any],
    trusting: ssl.SSLContext,
    secure: bool,
    leave: Callable[[Wire], None],
) -> None:
    """With ``cancel`` a close, a half-close and a reset end it, though nothing is ever written."""
    server = start("cancel", certified if secure else None)
    client = wire(server, agent=AGENT, tls=trusting if secure else None)
    _copy(server, client)
    _staged(server)
    leave(client)
    _undone(server, root)


@pytest.mark.parametrize("leave", WAYS)
def test_the_work_goes_on(serve: Serve, root: Path, wire: Any, leave: Any) -> None:
    """With ``continue`` no departure ends it, and who only half-closed reads the answer."""
    plant(root / "a", 50)
    server = serve(keepalive=SILENT, operations=SLOW)
    client = wire(server, agent=AGENT)
    _copy(server, client)
    _staged(server)
    leave(client)
    if leave is _half_close:
        assert client.response().status == 201
    until((root / "b").exists, "the COPY has ended")
    assert contents(root / "b") == contents(root / "a")


def test_who_has_asked_for_more_stays(
    serve: Serve, root: Path, wire: Any, certified: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    """A client that has pipelined a request before its last byte wants both answers; TLS too."""
    plant(root / "a", 50)
    operations = {**SLOW, "on_disconnect": "cancel"}
    server = serve(certified, keepalive=SILENT, operations=operations)
    client = wire(server, agent=AGENT, tls=trusting)
    _copy(server, client)
    _staged(server)
    client.socket.sendall(f"OPTIONS / HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
    _half_close(client)
    assert client.response().status == 201
    client.already_sent("OPTIONS", "/")
    assert client.response().status == 200


def test_who_leaves_within_the_grace(
    start: Callable[..., RunningServer], root: Path, wire: Any
) -> None:
    """A departure before the connection is parked counts when it is."""
    server = start("cancel", grace=0.5)
    client = wire(server, agent=AGENT)
    _copy(server, client)
    client.close()
    server.wait_for_log("has gone while waiting for COPY /a")
    _undone(server, root)


def test_who_leaves_while_it_is_queued(
    start: Callable[..., RunningServer], root: Path, wire: Any
) -> None:
    """An operation that no worker has taken yet never begins."""
    server = start("cancel", workers=1)
    stays, leaves = wire(server, agent=AGENT), wire(server, agent=AGENT)
    _copy(server, stays, "first")
    _staged(server)
    _copy(server, leaves)
    with wire(server) as looks:
        until(lambda: b'"/b"' in _listed(looks), "the second is admitted")
        leaves.close()
        until(lambda: b'"cancelled"' in _listed(looks), "the second is cancelled")
    assert not (root / "b").exists()


@pytest.mark.parametrize("leave", WAYS)
def test_who_leaves_while_another_is_in_the_way(
    start: Callable[..., RunningServer], root: Path, wire: Any, leave: Callable[[Wire], None]
) -> None:
    """What waits for somebody else's operation is not begun for a client that has left."""
    server = start("cancel", conflict_wait=30)
    copies, leaves = wire(server, agent=AGENT), wire(server, agent=AGENT)
    _copy(server, copies)
    _staged(server)
    leaves.send("MOVE", "/a", {"Destination": f"{server.url}moved"})
    leave(leaves)
    server.wait_for_log("has gone while waiting for MOVE /a, which is taken")
    copies.close()
    _undone(server, root)
    assert (root / "a").exists()
    assert not (root / "moved").exists()


def _listed(client: Wire) -> bytes:
    return client.ask("GET", "/.davkeep/operations", {"Accept": "application/json"}).body


def test_the_last_one_of_several(inside: Start, root: Path, wire: Any) -> None:
    """A repeat that has joined waits as well: only when it has gone too the work is undone."""
    plant(root / "a", FILES)
    server = inside(keepalive=SILENT, operations={**SLOW, "on_disconnect": "cancel"})
    both = [wire(server, agent=AGENT) for _ in range(2)]
    for client in both:
        client.send("COPY", "/a", {"Destination": f"{server.url}b"})
    until(lambda: server.parked == 2, "both wait")
    (operation,) = server.registry.unfinished()
    both[0].close()
    until(lambda: operation.waiters == 1, "the first one has gone")
    assert not operation.is_being_cancelled
    both[1].close()
    until(lambda: operation.state is State.CANCELLED, "the COPY is undone")
    assert not (root / "b").exists()


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Callable[[str, RunningServer], int]]:
    """``behind("Apache", server)``: the port of a proxy before it."""
    with ExitStack() as opened:

        def start(name: str, server: RunningServer) -> int:
            find(PROXIES[name].program)
            running = opened.enter_context(PROXIES[name].start(tmp_path / name, server.port, 30))
            return running.port

        yield start


@pytest.mark.parametrize("proxy", ["nginx-http1.0", "nginx-http1.1", "Apache"])
def test_through_a_proxy(
    serve: Serve, root: Path, behind: Callable[[str, RunningServer], int], proxy: str
) -> None:
    """nginx closes its own connection when its client does; Apache goes on reading."""
    plant(root / "a", 200)
    operations = {**SLOW, "on_disconnect": "cancel"}
    server = serve(keepalive=SILENT, operations=operations)
    with Wire(server.host, behind(proxy, server), agent=AGENT) as client:
        client.send("COPY", "/a", {"Destination": f"http://{client.host}/b"})
        _staged(server)
    if proxy == "Apache":
        until((root / "b").exists, "the COPY has ended")
        assert contents(root / "b") == contents(root / "a")
    else:
        _undone(server, root)
