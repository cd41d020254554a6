"""Clients that go away while their operation runs."""

import socket
import ssl
import struct
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.dav import LOCK, setting
from harness.server import RunningServer, Serve
from harness.trees import contents, plant
from harness.waiting import until
from harness.wire import Wire

#: A COPY of these files takes 0.8 s, and a 102 is due after each tenth of a second.
FILES = 80
#: Lingering for 0 s: close() resets the connection.
RESET = struct.pack("ii", 1, 0)
SOON = {"first_after": 0.1, "interval": 0.1}


def _serve(serve: Serve, root: Path, top: dict[str, Any] | None = None, **more: Any) -> Any:
    plant(root / "a", FILES)
    operations = {"max_members_per_second": 100, "grace": 0, **more}
    return serve(top, keepalive=SOON, operations=operations)


def _begin(server: RunningServer, client: Wire) -> None:
    client.send("COPY", "/a", {"Destination": f"{server.url}b"})
    assert client.interim() == 102


@pytest.mark.parametrize("secure", [False, True])
def test_a_departure_is_noticed(
    serve: Serve,
    root: Path,
    wire: Any,
    certified: dict[str, Any],
    trusting: ssl.SSLContext,
    secure: bool,
) -> None:
    """A client that closes is noticed within an interval; by itself that changes nothing."""
    server = _serve(serve, root, certified if secure else None)
    with wire(server, tls=trusting if secure else None) as client:
        _begin(server, client)
    # Each 102 but the one that finds the connection closed is a line as well.
    server.wait_for_log("has gone while waiting for COPY /a")
    assert len([line for line in server.log.splitlines() if "102 Processing" in line]) <= 3
    until((root / "b").exists, "the COPY goes on")
    assert contents(root / "b") == contents(root / "a")


def test_the_last_one_that_leaves_cancels(serve: Serve, root: Path, wire: Any) -> None:
    """With ``on_disconnect: cancel`` the COPY is undone, and nothing of it is left."""
    server = _serve(serve, root, on_disconnect="cancel")
    with wire(server) as client:
        _begin(server, client)
        assert len(server.staging()) == 1
    server.wait_for_log("has gone while waiting")
    until(lambda: not server.staging(), "the COPY is undone")
    assert not (root / "b").exists()
    with wire(server) as client:
        copied = client.ask("COPY", "/a", {"Destination": f"{server.url}b"})
    assert copied.status == 201


def test_a_delete_is_undone(serve: Serve, root: Path, wire: Any) -> None:
    """What is left of a DELETE that nobody waits for comes back."""
    server = _serve(serve, root, on_disconnect="cancel")
    planted = contents(root / "a")
    with wire(server) as client:
        client.send("DELETE", "/a")
        assert client.interim() == 102
        assert not (root / "a").exists()
    server.wait_for_log("has gone while waiting")
    until((root / "a").exists, "the tree comes back")
    left = contents(root / "a")
    assert left.items() <= planted.items()
    assert 0 < len(left) < len(planted)
    assert server.staging() == []


def test_an_undone_delete_gives_back_what_was_stored(serve: Serve, root: Path, wire: Any) -> None:
    """The properties and locks of the tree come back with what is left of it."""
    server = _serve(serve, root, on_disconnect="cancel")
    with wire(server) as client:
        assert client.ask("PROPPATCH", "/a", {}, setting(color="red")).status == 207
        locked = client.ask("LOCK", "/a", {"Depth": "0"}, LOCK.format(scope="exclusive").encode())
        token = locked.fields["Lock-Token"]
        client.send("DELETE", "/a", {"If": f"({token})"})
        assert client.interim() == 102
    until((root / "a").exists, "the tree comes back")
    with wire(server) as client:
        until(lambda: b"red" in client.ask("PROPFIND", "/a", {"Depth": "0"}).body, "its properties")
        assert client.ask("DELETE", "/a").status == 423
        assert client.ask("UNLOCK", "/a", {"Lock-Token": token}).status == 204


def test_who_stays_keeps_it(serve: Serve, root: Path, wire: Any) -> None:
    """As long as one of two clients waits, the operation that both asked for goes on."""
    server = _serve(serve, root, on_disconnect="cancel")
    with wire(server) as stays:
        with wire(server) as leaves:
            _begin(server, leaves)
            stays.send("COPY", "/a", {"Destination": f"{server.url}b"})
            assert stays.interim() == 102
        server.wait_for_log("has gone while waiting")
        assert stays.response().status == 201
    assert contents(root / "b") == contents(root / "a")


def test_a_repeat_after_a_departure_joins(serve: Serve, root: Path, wire: Any) -> None:
    """The same request from a new connection gets the answer that the first one gave up."""
    server = _serve(serve, root)
    with wire(server) as client:
        _begin(server, client)
    server.wait_for_log("has gone while waiting")
    (staged,) = server.staging()
    identity = staged.stat().st_ino
    with wire(server) as client:
        assert client.ask("COPY", "/a", {"Destination": f"{server.url}b"}).status == 201
    assert (root / "b").stat().st_ino == identity


def test_who_leaves_while_it_waits_for_a_conflict(serve: Serve, root: Path, wire: Any) -> None:
    """An upload that waits for another one's commit leaves nothing when its client goes away."""
    server = _serve(serve, root, conflict_wait=20)
    with wire(server) as client:
        _begin(server, client)
        with wire(server) as leaves:
            leaves.send("PUT", "/b", body=b"new")
            until(lambda: len(server.staging()) == 2, "the upload is staged")
            # A reset, for no interim response would tell of a departure here.
            leaves.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        server.wait_for_log("has gone while waiting for PUT /b")
        until(lambda: len(server.staging()) == 1, "the upload is dropped")
        assert client.response().status == 201
    assert (root / "b").is_dir()


#: As little room for what a client does not read as the kernel gives.
LITTLE = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 2304), (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536))
#: How many never read.
DEAD = 30


def _never_reads(server: RunningServer, number: int) -> socket.socket:
    """A client that sends its request, and reads neither its answer nor the one before it."""
    client = socket.socket()
    for option in LITTLE:
        client.setsockopt(*option)
    client.connect((server.host, server.port))
    host = f"Host: {server.host}:{server.port}\r\nUser-Agent: curl/7.88.1\r\n"
    copy = f"COPY /a HTTP/1.1\r\n{host}Destination: /dead{number}\r\n\r\n"
    client.sendall(f"GET /page HTTP/1.1\r\n{host}\r\n{copy}".encode())
    return client


def test_those_that_never_read_delay_nobody(serve: Serve, root: Path, wire: Any) -> None:
    """Heartbeats to dead clients hold up no other's; when they go away that is noticed.

    What a full send buffer does is in tests/keepalive/test_lot.py and tests/server/test_tls.py.
    """
    for name in ("a", "b"):
        plant(root / name, 600)
    (root / "page").write_bytes(bytes(16_000))
    server = serve(
        keepalive={"first_after": 0.05, "interval": 0.05},
        operations={
            "max_members_per_second": 20,
            "grace": 0,
            "workers": DEAD + 1,
            "on_disconnect": "cancel",
        },
    )
    with wire(server) as alive, ExitStack() as opened:
        dead = [opened.enter_context(_never_reads(server, number)) for number in range(DEAD)]
        until(lambda: len(server.staging()) == DEAD, "all are copied for")
        alive.send("COPY", "/b", {"Destination": f"{server.url}new"})
        moments = []
        for _ in range(30):
            assert alive.interim() == 102
            moments.append(time.monotonic())
        # 1.5 s by the plan; a write that waits for a dead one would take for ever.
        assert moments[-1] - moments[0] < 15
        for client in dead:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
        server.wait_for_log("has gone while waiting for COPY /a", times=DEAD)
        until(lambda: len(server.staging()) == 1, "those that nobody waits for are undone")
        assert alive.interim() == 102
    until(lambda: not server.staging(), "the last one too")


def test_one_that_leaves_at_once_takes_nothing_from_the_first(
    serve: Serve, root: Path, wire: Any
) -> None:
    """The first client's thread does the first moments itself; it counts as waiting by then."""
    server = _serve(serve, root, on_disconnect="cancel", grace=0.5)
    first, second = wire(server), wire(server)
    fields = {"Destination": f"{server.url}b"}
    first.send("COPY", "/a", fields)
    until(server.staging, "the COPY has begun")
    second.send("COPY", "/a", fields)
    second.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert second.interim() == 102
    second.close()
    assert first.response().status == 201
    assert contents(root / "b") == contents(root / "a")
