"""Real operations that are cancelled from another connection: what stays, and what goes."""

from pathlib import Path
from typing import Any

import pytest

from harness.dav import LOCK, condition, setting
from harness.onlooker import Onlooker
from harness.server import RunningServer, Serve
from harness.trees import contents, plant
from harness.waiting import until
from harness.wire import Wire

#: An operation on these files takes 3 s.
FILES = 300
SLOW = {"max_members_per_second": 100, "grace": 0}
SOON = {"first_after": 0.1, "interval": 0.1}
WINDOWS = "Microsoft-WebDAV-MiniRedir/10.0.19045"


@pytest.fixture
def server(serve: Serve, root: Path) -> RunningServer:
    """A server on which work with /a takes its time."""
    plant(root / "a", FILES)
    return serve(keepalive=SOON, operations=SLOW)


def _begun(server: RunningServer, wire: Wire, method: str, **fields: str) -> str:
    """Begin an operation with /a on a connection that is held, and return its identifier."""
    wire.send(method, "/a", {"Destination": f"{server.url}b", **fields})
    assert wire.interim() == 102
    (told,) = [each for each in Onlooker(server.url).list() if each["status"] is None]
    assert (told["method"], told["source"]) == (method, "/a")
    return str(told["id"])


def _cancelled(server: RunningServer, id: str) -> dict[str, Any]:
    user = Onlooker(server.url)
    assert user.cancel(id).status_code == 202
    answer = user.look(id, Prefer="wait=60")
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["state"], told["status"]) == (200, "cancelled", 409)
    assert not told["left_behind"]
    return told


def test_a_copy_leaves_no_trace(server: RunningServer, root: Path, wire: Any) -> None:
    """Its client is told 409, the same COPY may begin at once, and all is as it was before."""
    before = contents(root)
    with wire(server) as client:
        id = _begun(server, client, "COPY")
        assert server.staging()
        told = _cancelled(server, id)
        answer = client.response()
        assert (answer.status, condition(answer)[0]) == (409, "operation-cancelled")
        assert told["explanation"].endswith("Nothing of the copy is left.")
        assert contents(root) == before
        again = _begun(server, client, "COPY")
        assert again != id
        _cancelled(server, again)
        assert client.response().status == 409
    assert contents(root) == before


def test_an_overwriting_copy_leaves_what_was_there(
    server: RunningServer, root: Path, wire: Any
) -> None:
    """Nobody saw anything but the old destination."""
    old = plant(root / "b", 2, "old ")
    with wire(server) as client:
        _cancelled(server, _begun(server, client, "COPY"))
        assert client.response().status == 409
    assert contents(root / "b") == old
    assert server.staging() == []


def test_a_delete_brings_back_what_is_left(server: RunningServer, root: Path, wire: Any) -> None:
    """With its properties and locks; the state tells how many members are gone at most."""
    planted = contents(root / "a")
    with wire(server) as client:
        assert client.ask("PROPPATCH", "/a", {}, setting(color="crimson")).status == 207
        locked = client.ask("LOCK", "/a", {"Depth": "0"}, LOCK.format(scope="exclusive").encode())
        token = locked.fields["Lock-Token"]
        id = _begun(server, client, "DELETE", If=f"({token})")
        until(lambda: Onlooker(server.url).look(id).json()["members_done"], "some are gone")
        told = _cancelled(server, id)
        assert client.response().status == 409
        left = contents(root / "a")
        assert left.items() < planted.items()
        assert left
        gone = len(planted) - len(left)
        assert 0 < gone <= told["members_done"] < told["members_total"] == FILES + 1
        assert f"Up to {told['members_done']} members are gone for good" in told["explanation"]
        assert b"crimson" in client.ask("PROPFIND", "/a", {"Depth": "0"}).body
        assert client.ask("UNLOCK", "/a", {"Lock-Token": token}).status == 204
    assert server.staging() == []


def test_a_delete_whose_name_is_taken(server: RunningServer, root: Path, wire: Any) -> None:
    """What is left stays hidden, and the state says so."""
    user = Onlooker(server.url)
    with wire(server) as client:
        id = _begun(server, client, "DELETE")
        # Past the server, which would not let anybody have it.
        (root / "a").mkdir()
        assert user.cancel(id).status_code == 202
        assert client.response().status == 409
    told = user.look(id).json()
    assert (told["state"], told["left_behind"]) == ("cancelled", True)
    assert "the rest is hidden: its name was taken" in told["explanation"]
    assert list((root / "a").iterdir()) == []
    assert len(server.staging()) == 1


def test_a_delete_that_was_answered(server: RunningServer, root: Path, wire: Any) -> None:
    """409: its client was told that the tree is gone, so it goes."""
    user = Onlooker(server.url)
    with wire(server, agent=WINDOWS) as client:
        assert client.ask("DELETE", "/a").status == 204
    (told,) = user.list()
    assert (told["state"], told["cancellable"]) == ("running", False)
    refused = user.cancel(told["id"])
    assert (refused.status_code, "answered" in refused.text) == (409, True)
    assert user.look(told["id"], Prefer="wait=60").json()["state"] == "succeeded"
    assert not (root / "a").exists()


def test_a_move_across_file_systems(
    serve: Serve, root: Path, elsewhere: Path, wire: Any, tmp_path: Path
) -> None:
    """Source and destination are as before."""
    planted = plant(root / "a", FILES)
    top = {"provider_mapping": {"/": str(root), "/far": str(elsewhere)}}
    server = serve(top, keepalive=SOON, operations=SLOW)
    with wire(server) as client:
        id = _begun(server, client, "MOVE", Destination=f"{server.url}far/b")
        told = _cancelled(server, id)
        assert client.response().status == 409
    assert told["explanation"].endswith("Everything is where it was.")
    assert contents(root / "a") == planted
    assert contents(elsewhere) == {}


def test_an_upload_that_is_committed_slowly(
    serve: Serve, root: Path, elsewhere: Path, wire: Any
) -> None:
    """The old content stays, and nothing of the new one."""
    (root / "file").write_bytes(b"old")
    limits = {"max_bytes_per_second": 2**20, "grace": 0}
    server = serve(keepalive=SOON, operations=limits, put={"spool": str(elsewhere)})
    with wire(server) as client:
        client.send("PUT", "/file", {}, b"x" * (3 * 2**20))
        assert client.interim() == 102
        (told,) = Onlooker(server.url).list()
        ended = _cancelled(server, told["id"])
        assert client.response().status == 409
    assert ended["explanation"].endswith("What was there before is there still.")
    assert contents(root) == {"file": b"old"}
    assert contents(elsewhere) == {}


def test_progress_is_told_while_it_goes_on(server: RunningServer, root: Path, wire: Any) -> None:
    """Rate and remaining time are of the order of what the throttle allows, and 201 in the end."""
    user = Onlooker(server.url)
    with wire(server) as client:
        id = _begun(server, client, "COPY")
        until(lambda: user.look(id).json()["estimatedSeconds"] is not None, "it is counted")
        told = user.look(id).json()
        assert client.response().status == 201
    assert told["members_total"] == FILES + 1
    assert 0 < told["members_per_second"] < 2 * SLOW["max_members_per_second"]
    assert told["bytes_per_second"] > 0
    assert 0 < told["estimatedSeconds"] < 100
    ended = user.look(id).json()
    assert ended["members_done"] == ended["members_total"] == FILES + 1
