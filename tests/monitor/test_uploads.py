"""The list of unfinished uploads: each sees and removes the own ones, administrators all."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from davkeep.dav.uploads.listed import Listed
from davkeep.dav.uploads.standing import Standing, Unfinished
from harness.dav import make
from harness.server import RunningServer, Serve
from harness.uploads import begin_part, offset, put_part, ranged, upload_path
from harness.waiting import until
from harness.wire import Response, Wire

UPLOADS = "/.davkeep/uploads"
CONTENT = bytes(range(256)) * 4
USERS = {name: {"password": name[0]} for name in ("ann", "bob", "root")}


def as_user(name: str) -> dict[str, str]:
    """The fields of a user whose password is the name's first letter."""
    secret = base64.b64encode(f"{name}:{name[0]}".encode()).decode()
    return {"Authorization": f"Basic {secret}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One with users, of whom one is an administrator, and two shares."""
    folder = tmp_path_factory.mktemp("listed")
    make(folder / "root", {"tree": {}})
    make(folder / "other", {})
    config = {
        "provider_mapping": {"/": str(folder / "root"), "/other": str(folder / "other")},
        "simple_dc": {"user_mapping": {"*": USERS}},
        "davkeep": {"administrators": ["root"]},
    }
    running = RunningServer(folder, None, config)
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.fixture
def client(server: RunningServer, wire: Any) -> Iterator[Wire]:
    """A client; nothing is left afterwards."""
    connected: Wire = wire(server)
    yield connected
    for told in listed(connected, "root"):
        assert remove(connected, "root", told["id"]).status == 204


def listed(client: Wire, user: str) -> list[dict[str, Any]]:
    """What a user sees."""
    answer = client.ask("GET", UPLOADS, as_user(user))
    assert (answer.status, answer.fields["Content-Type"]) == (200, "application/json")
    assert answer.fields["Cache-Control"] == "no-store"
    found: list[dict[str, Any]] = json.loads(answer.body)
    return found


def remove(client: Wire, user: str, id: str, **fields: str) -> Response:
    """DELETE of one, by what the list calls it."""
    return client.ask("DELETE", f"{UPLOADS}?id={id}", {**as_user(user), **fields})


def put(client: Wire, user: str, path: str, stop: int) -> None:
    """The first part of an upload."""
    assert put_part(client, path, CONTENT, 0, stop, as_user(user)).status == 202


def test_each_sees_the_own_ones(client: Wire) -> None:
    """With their sizes and ages, by the URLs of their targets; an administrator sees all."""
    put(client, "ann", "/tree/a%20%C3%A4", 100)
    put(client, "ann", "/other/%ff", 200)
    put(client, "bob", "/tree/b", 300)
    assert listed(client, "bob")[0]["url"] == "/tree/b"
    first, second = listed(client, "ann")
    assert first.pop("age") >= second["age"] >= 0
    assert 86_000 < first.pop("left") <= 86_400
    assert len(first.pop("id")) == 32
    assert first == {
        "url": "/tree/a%20%C3%A4",
        "uploadUrl": "/.davkeep/uploads/tree/a%20%C3%A4",
        "owner": "ann",
        "offset": 100,
        "length": 1024,
    }
    assert (second["url"], second["offset"]) == ("/other/%FF", 200)
    for told in (second, *listed(client, "ann")):
        assert offset(client.ask("HEAD", told["uploadUrl"], as_user("ann"))) == told["offset"]
    assert [each["owner"] for each in listed(client, "root")] == ["ann", "ann", "bob"]
    assert client.ask("HEAD", UPLOADS, as_user("ann")).body == b""


def test_who_may_remove_one(client: Wire) -> None:
    """Its owner and an administrator; for others there is none."""
    put(client, "ann", "/tree/a", 100)
    put(client, "bob", "/tree/a", 200)
    ann, bob = (listed(client, user)[0]["id"] for user in ("ann", "bob"))
    for user, id, status in (("bob", ann, 404), ("ann", ann, 204), ("root", bob, 204)):
        assert remove(client, user, id).status == status
    assert remove(client, "root", bob).status == remove(client, "ann", "..%2f").status == 404
    assert client.ask("HEAD", upload_path("/tree/a"), as_user("bob")).status == 404
    assert listed(client, "root") == []


def test_what_is_no_request_for_it(client: Wire) -> None:
    """400 without an id, 401 without a name, 403 for another site's page, 405."""
    put(client, "ann", "/tree/a", 100)
    (id,) = [each["id"] for each in listed(client, "ann")]
    assert client.ask("DELETE", UPLOADS, as_user("ann")).status == 400
    assert client.ask("DELETE", f"{UPLOADS}?id={id}&id={id}", as_user("ann")).status == 400
    assert client.ask("GET", UPLOADS).status == 401
    assert client.ask("DELETE", f"{UPLOADS}?id={id}").status == 401
    assert remove(client, "ann", id, Origin="http://elsewhere.example").status == 403
    assert client.ask("PUT", UPLOADS, as_user("ann"), b"x").status == 405
    assert client.ask("OPTIONS", UPLOADS, as_user("ann")).fields["Allow"].startswith("GET, HEAD")
    assert len(listed(client, "ann")) == 1


def test_one_that_is_under_way(client: Wire, server: RunningServer) -> None:
    """It is listed with what has arrived by now; removed, its request is told."""
    part = begin_part(server, "/tree/a", {**ranged(0, 1000, 1024), **as_user("ann")}, 1000)
    part.sendall(CONTENT[:10])
    until(lambda: [each["offset"] for each in listed(client, "ann")] == [10], "it is listed")
    assert remove(client, "ann", listed(client, "ann")[0]["id"]).status == 204
    part.sendall(CONTENT[10:1000])
    with part, part.makefile("rb") as stream:
        assert stream.readline().startswith(b"HTTP/1.1 409 ")
    assert listed(client, "ann") == []


def test_one_whose_collection_is_gone(client: Wire) -> None:
    """It is listed no more, and where its collection goes it is listed by the new URL."""
    for user in ("ann", "bob"):
        put(client, user, "/tree/a", 100)
    to = {"Destination": f"http://{client.host}/other/tree", **as_user("ann")}
    assert client.ask("MOVE", "/tree", to).status == 201
    assert [each["url"] for each in listed(client, "root")] == ["/other/tree/a"] * 2
    assert client.ask("DELETE", "/other/tree", as_user("ann")).status == 204
    assert listed(client, "root") == []
    assert client.ask("MKCOL", "/tree", as_user("ann")).status == 201


def test_a_target_that_is_served_no_more() -> None:
    """It has no URL, and can be removed all the same."""

    class Known:
        def unfinished(self) -> list[Unfinished]:
            return [Unfinished("1", ("ann", ""), b"/gone/a", Standing(1, 2, 3.5), 4.5)]

    class NoShares:
        visible: tuple[()] = ()

    (told,) = Listed(Known(), NoShares()).told(lambda _: True)  # type: ignore[arg-type]
    assert (told["url"], told["uploadUrl"], told["age"], told["left"]) == (None, None, 4, 3)


def test_after_a_crash(serve: Serve, wire: Any) -> None:
    """What had arrived when the server was killed is listed as HEAD tells it."""
    server = serve()
    with wire(server) as client:
        part = begin_part(server, "/a", ranged(0, 1000, 1024), 1000)
        part.sendall(CONTENT[:10])
        url = upload_path("/a")
        until(lambda: client.ask("HEAD", url).status == 204, "it has begun")
        until(lambda: offset(client.ask("HEAD", url)) == 10, "it has arrived")
        server.process.kill()
        server.process.wait()
        part.close()
    server.start()
    with wire(server) as client:
        until(
            lambda: (
                [each["offset"] for each in json.loads(client.ask("GET", UPLOADS).body)] == [10]
            ),
            "it is looked at",
        )
        assert offset(client.ask("HEAD", url)) == 10
