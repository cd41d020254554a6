"""The URL of an upload: made from the target's, and for its owner alone."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.auth import HTTPDigestAuth

from harness.dav import Place, make
from harness.server import RunningServer, Serve
from harness.uploads import offset, put_part, upload_path
from harness.wire import Wire

CONTENT = bytes(range(256)) * 4
USERS = {"*": {"ann": {"password": "a"}, "bob": {"password": "b"}}}


def as_user(name: str) -> dict[str, str]:
    """The fields of a user whose password is the name's first letter."""
    secret = base64.b64encode(f"{name}:{name[0]}".encode()).decode()
    return {"Authorization": f"Basic {secret}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with users, and two shares of which one is ann's alone."""
    folder = tmp_path_factory.mktemp("guarded")
    make(folder / "all", {})
    make(folder / "anns", {})
    users = {**USERS, "/anns": {"ann": {"password": "a"}}}
    shares = {"/": str(folder / "all"), "/anns": str(folder / "anns")}
    config = {"provider_mapping": shares, "simple_dc": {"user_mapping": users}}
    running = RunningServer(folder, None, config)
    yield running
    running.close()
    assert "Traceback" not in running.log


def test_what_it_tells(here: Place) -> None:
    """Offset, length and for how long; nothing of it is to be cached."""
    put_part(here, "file", CONTENT, 0, 100)
    url = upload_path(here.path("file"))
    for method in ("HEAD", "GET"):
        answer = here.ask(method, url)
        assert (answer.status, answer.body, offset(answer)) == (204, b"", 100)
        assert answer.fields["Upload-Length"] == "1024"
        assert answer.fields["Cache-Control"] == "no-store"
        name, _, seconds = answer.fields["Upload-Limit"].partition("=")
        assert name == "max-age"
        assert 86_000 < int(seconds) <= 86_400


def test_giving_up(here: Place) -> None:
    """DELETE removes what has arrived; the target stays as it is."""
    (here.folder / "file").write_bytes(b"old")
    put_part(here, "file", CONTENT, 0, 100)
    url = upload_path(here.path("file"))
    assert here.ask("DELETE", url).status == 204
    assert here.server.staging(here.folder) == []
    assert here.ask("DELETE", url).status == here.ask("HEAD", url).status == 404
    assert (here.folder / "file").read_bytes() == b"old"


def test_other_methods(here: Place) -> None:
    """405 with what there is; nothing can be made there."""
    put_part(here, "file", CONTENT, 0, 100)
    url = upload_path(here.path("file"))
    allowed = "GET, HEAD, DELETE, OPTIONS"
    for method in ("PUT", "PATCH", "PROPFIND", "MKCOL", "LOCK", "MOVE", "COPY", "POST"):
        answer = here.ask(method, url)
        assert (answer.status, answer.fields["Allow"]) == (405, allowed)
    assert here.ask("OPTIONS", url).fields["Allow"] == allowed
    assert here.ask("DELETE", url, {}, b"body").status == 415
    assert offset(here.ask("HEAD", url)) == 100


def test_where_there_is_none(here: Place) -> None:
    """404 for a file, a collection, a missing one, hidden names, and what is no target."""
    make(here.folder, {"file": b"1", "tree": {}})
    for name in ("file", "tree/", "missing", "missing/file", "file/below", ".davkeep-x"):
        for method in ("HEAD", "GET"):
            assert here.ask(method, upload_path(here.path(name))).status == 404
    for name in ("file", "tree", "missing/file"):
        assert here.ask("DELETE", upload_path(here.path(name))).status == 404
    assert here.ask("DELETE", upload_path(here.path(".davkeep-x"))).status == 403


def test_two_owners_of_one_target(guarded: RunningServer, wire: Any) -> None:
    """Each has an upload of his own, and sees no other; who is last wins."""
    with wire(guarded) as ann, wire(guarded) as bob:
        for client, name, stop in ((ann, "ann", 100), (bob, "bob", 200)):
            answer = put_part(client, "/file", CONTENT, 0, stop, as_user(name))
            assert answer.status == 202
        url = upload_path("/file")
        assert offset(ann.ask("HEAD", url, as_user("ann"))) == 100
        assert offset(bob.ask("HEAD", url, as_user("bob"))) == 200
        assert ann.ask("DELETE", url, as_user("ann")).status == 204
        assert ann.ask("HEAD", url, as_user("ann")).status == 404
        assert bob.ask("HEAD", url).status == 401
        assert put_part(bob, "/file", CONTENT, 200, 1024, as_user("bob")).status == 201
        assert ann.ask("GET", "/file", as_user("ann")).body == CONTENT


def test_it_is_guarded_as_its_target_is(guarded: RunningServer, wire: Any) -> None:
    """The users of the target's share are asked for, and with Digest too."""
    with wire(guarded) as client:
        put_part(client, "/anns/file", CONTENT, 0, 100, as_user("ann"))
        url = upload_path("/anns/file")
        assert offset(client.ask("HEAD", url, as_user("ann"))) == 100
        assert client.ask("HEAD", url, as_user("bob")).status == 401
        assert client.ask("DELETE", url, as_user("bob")).status == 401
    for name, status in (("ann", 204), ("bob", 401)):
        auth = HTTPDigestAuth(name, name[0])
        answer = requests.head(f"{guarded.url}{url[1:]}", auth=auth, timeout=30)
        assert answer.status_code == status


def test_anonymous_users_are_told_apart_by_their_addresses(serve: Serve, wire: Any) -> None:
    """As operations are."""
    server = serve(trusted_proxies=["127.0.0.1"])
    here, there = ({"X-Forwarded-For": address} for address in ("192.0.2.1", "192.0.2.2"))
    client: Wire = wire(server)
    assert put_part(client, "/file", CONTENT, 0, 100, here).status == 202
    assert put_part(client, "/file", CONTENT, 0, 200, there).status == 202
    assert offset(client.ask("HEAD", upload_path("/file"), here)) == 100
    assert offset(client.ask("HEAD", upload_path("/file"), there)) == 200
    assert client.ask("HEAD", upload_path("/file")).status == 404
