"""The end of a server that has work to do."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from harness.server import Serve
from harness.trees import contents, plant
from harness.waiting import until
from harness.wire import Wire

#: Seconds that stopping may take altogether, by the configuration.
SHUTDOWN = 2.5
#: Seconds that a busy machine may need beyond that.
SLACK = 4.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_can_end_does_and_the_rest_is_undone(
    serve: Serve, root: Path, wire: Any, number: signal.Signals
) -> None:
    """A second's COPY gets its 201 and a minute's is undone and reset; nobody new comes in."""
    short, long = plant(root / "short", 80), plant(root / "long", 4000)
    server = serve(
        {"server_args": {"shutdown_timeout": SHUTDOWN}},
        keepalive={"first_after": 0.1, "interval": 0.1},
        operations={"max_members_per_second": 80, "workers": 3},
    )
    with wire(server) as ends, wire(server) as lasts, wire(server) as idle, wire(server) as waits:
        ends.send("COPY", "/short", {"Destination": f"{server.url}b"})
        lasts.send("COPY", "/long", {"Destination": f"{server.url}c"})
        assert ends.interim() == lasts.interim() == 102
        assert idle.ask("GET", "/long/00007").status == 200
        waits.send("DELETE", "/long")
        began = time.monotonic()
        server.process.send_signal(number)
        until(lambda: _is_refused(server.host, server.port), "the listener is closed")
        assert time.monotonic() - began < SHUTDOWN
        assert server.process.poll() is None
        assert ends.response().status == 201
        with pytest.raises(ConnectionResetError):
            lasts.response()
        assert idle.socket.recv(1) == b""
        assert server.process.wait(SHUTDOWN + SLACK) == 0
        assert time.monotonic() - began < SHUTDOWN + SLACK
    assert contents(root) == _tree(short=short, long=long, b=short)
    assert "Traceback" not in server.log


def _is_refused(host: str, port: int) -> bool:
    try:
        Wire(host, port).close()
    except (ConnectionRefusedError, ConnectionResetError):
        # A reset comes to who stood in the backlog.
        return True
    return False


def _tree(**folders: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """A collection of collections."""
    whole: dict[str, bytes | None] = dict.fromkeys(folders)
    for folder, members in folders.items():
        whole |= {f"{folder}/{name}": content for name, content in members.items()}
    return whole


def test_what_waits_for_a_worker_is_not_begun(serve: Serve, root: Path, wire: Any) -> None:
    """COPYs that stand in line when the server stops are reset at once and leave nothing."""
    planted = plant(root / "a", 1000)
    server = serve(
        {"server_args": {"shutdown_timeout": 1}},
        operations={"max_members_per_second": 50, "workers": 1, "grace": 0},
        keepalive={"first_after": 0.1},
    )
    clients = [wire(server) for _ in range(20)]
    for number, client in enumerate(clients):
        client.send("COPY", "/a", {"Destination": f"{server.url}b{number}"})
    assert [client.interim() for client in clients] == [102] * 20
    assert server.stop() == 0
    for client in clients:
        with pytest.raises(ConnectionResetError):
            client.response()
    assert contents(root) == _tree(a=planted)


def test_a_delete_of_which_a_part_is_gone(serve: Serve, root: Path, wire: Any) -> None:
    """What a stop leaves of a DELETE that nobody was told of comes back."""
    planted = plant(root / "a", 1000)
    server = serve(
        {"server_args": {"shutdown_timeout": 1}},
        operations={"max_members_per_second": 50},
        keepalive={"first_after": 0.2},
    )
    with wire(server) as client:
        client.send("DELETE", "/a")
        assert client.interim() == 102
        assert server.stop() == 0
        with pytest.raises(ConnectionResetError):
            client.response()
    assert contents(root / "a").items() < planted.items()
    assert server.staging() == []


def test_a_second_signal_changes_nothing(serve: Serve, root: Path, wire: Any) -> None:
    """An impatient Ctrl-C during the stop neither cuts a result nor leaves anything."""
    plant(root / "a", 100)
    server = serve(operations={"max_members_per_second": 100}, keepalive={"first_after": 0.1})
    with wire(server) as client:
        client.send("COPY", "/a", {"Destination": f"{server.url}b"})
        assert client.interim() == 102
        server.process.send_signal(signal.SIGINT)
        until(lambda: _is_refused(server.host, server.port), "the listener is closed")
        server.process.send_signal(signal.SIGINT)
        server.process.send_signal(signal.SIGTERM)
        assert client.response().status == 201
    assert server.process.wait(SHUTDOWN + SLACK) == 0
    assert contents(root / "b") == contents(root / "a")
