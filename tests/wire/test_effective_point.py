"""Clients that cannot be kept waiting are answered when the name space shows the final state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.dav import setting
from harness.server import RunningServer, Serve
from harness.trees import contents, plant
from harness.waiting import until
from harness.wire import Wire

WINDOWS = "Microsoft-WebDAV-MiniRedir/10.0.19045"
FINDER = "WebDAVFS/3.0.0 (03008000) Darwin/21.6.0 (x86_64)"
SOON = {"first_after": 0.1, "interval": 0.1}
#: A DELETE of these files takes 3 s.
FILES = 300
SLOW = {"max_members_per_second": 100, "grace": 0}
#: Purging these takes some tenths of a second.
MANY = 20_000


@pytest.fixture
def server(serve: Serve, root: Path) -> RunningServer:
    """A server on which DELETE /a takes its time."""
    plant(root / "a", FILES)
    return serve(keepalive=SOON, operations={**SLOW, "on_disconnect": "cancel"})


@pytest.mark.parametrize("agent", [WINDOWS, FINDER])
def test_delete(server: RunningServer, root: Path, wire: Callable[..., Wire], agent: str) -> None:
    """204 with no interim response while most is still to be purged, and the name is free again."""
    with wire(server, agent=agent) as client:
        assert client.ask("PROPPATCH", "/a", {}, setting(color="crimson")).status == 207
        answer = client.ask("DELETE", "/a")
        assert (answer.interims, answer.status) == ((), 204)
        (hidden,) = server.staging()
        assert len(list(hidden.iterdir())) > FILES / 2
        assert client.ask("DELETE", "/a").status == 404
        assert client.ask("MKCOL", "/a").status == 201
        assert b"crimson" not in client.ask("PROPFIND", "/a", {"Depth": "0"}).body
        assert client.ask("PUT", "/a/new", {}, b"1").status == 201
    until(lambda: not server.staging(), "the rest is purged, though its client has gone")
    assert contents(root / "a") == {"new": b"1"}


def test_others_wait_for_the_end(server: RunningServer, wire: Callable[..., Wire]) -> None:
    """The same DELETE by curl is kept alive until everything is gone."""
    with wire(server) as client:
        answer = client.ask("DELETE", "/a")
        assert (answer.status, server.staging()) == (204, [])
        assert len(answer.interims) > 5


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_overwriting(serve: Serve, root: Path, wire: Any, method: str) -> None:
    """204 once the new tree is in its place; what was there is purged after it."""
    planted = plant(root / "a", 10)
    plant(root / "b", MANY)
    server = serve(operations={"grace": 0})
    with wire(server, agent=WINDOWS) as client:
        assert client.ask(method, "/a", {"Destination": f"{server.url}b"}).status == 204
        assert server.staging()
        assert client.ask("PUT", "/b/new", {}, b"1").status == 201
    until(lambda: not server.staging(), "what was replaced is purged")
    assert contents(root / "b") == {**planted, "new": b"1"}


def test_a_failure_is_told(serve: Serve, root: Path, wire: Any) -> None:
    """Nothing is answered before the effective point, so a failure before it is a plain one."""
    plant(root / "a", 5)
    server = serve()
    with wire(server, agent=WINDOWS) as client:
        assert client.ask("DELETE", "/missing").status == 404
        assert client.ask("COPY", "/a", {"Destination": f"{server.url}no/b"}).status == 409
        assert client.ask("DELETE", "/a").status == 204
