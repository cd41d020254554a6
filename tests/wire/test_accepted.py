"""`202 Accepted` for those who would rather not wait."""

import json
import socket
import struct
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from harness.dav import LOCK
from harness.onlooker import Onlooker
from harness.server import DEADLINE, RunningServer, Serve
from harness.trees import contents, members, plant
from harness.uploads import put_part, upload_path
from harness.waiting import until
from harness.wire import Response, Wire

#: A COPY of these files takes 0.8 s, and a 102 is due after each tenth of a second.
FILES = 80
SOON = {"first_after": 0.1, "interval": 0.1}
ASYNC = {"Prefer": "respond-async"}
#: Lingering for 0 s: close() resets the connection.
RESET = struct.pack("ii", 1, 0)
#: A client that is kept by a 102 and then an early multi-status, after 10 s at the latest.
WINSCP = "WinSCP/6.3.4 neon/0.33.0"


def _serve(serve: Serve, root: Path, **more: Any) -> RunningServer:
    plant(root / "a", FILES)
    operations = {"max_members_per_second": 100, **more}
    return serve(keepalive=SOON, operations=operations)


def _identifier(response: Response) -> str:
    """The operation's, of a 202 that is as it should be."""
    assert (response.status, response.interims) == (202, ())
    location = response.fields["Location"]
    told = json.loads(response.body)
    assert location == told["statusUrl"] == f"/.davkeep/operations/{told['id']}"
    assert response.fields["Link"] == f'<{location}>; rel="monitor"'
    assert response.fields["Preference-Applied"] == "respond-async"
    assert response.fields["Content-Type"] == "application/json"
    assert 1 <= int(response.fields["Retry-After"]) <= 30
    assert told["status"] is None or told["state"] in ("succeeded", "failed")
    return str(told["id"])


def _wait_for_end(server: RunningServer, id: str) -> None:
    """It shows its effect a moment before."""
    assert Onlooker(server.url).look(id, Prefer="wait=30").status_code == 200


def test_copy(serve: Serve, root: Path, wire: Any) -> None:
    """It is told at once where to look, the COPY goes on, and the connection stays usable."""
    server = _serve(serve, root)
    client = wire(server)
    response = client.ask("COPY", "/a", {"Destination": f"{server.url}b", **ASYNC})
    assert _identifier(response)
    assert not (root / "b").exists()
    assert client.ask("GET", "/a/00000").body == b"0\n"
    until((root / "b").exists, "the COPY has ended")
    assert contents(root / "b") == contents(root / "a")


def test_every_method(serve: Serve, root: Path, wire: Any) -> None:
    """MOVE, PUT and DELETE too, however short they are."""
    server = _serve(serve, root, max_members_per_second=None)
    client = wire(server)
    to = {"Destination": f"{server.url}b"}
    asked = [
        client.ask("MOVE", "/a", {**to, **ASYNC}),
        client.ask("PUT", "/new", ASYNC, b"content"),
    ]
    _wait_for_end(server, _identifier(asked[0]))
    asked.append(client.ask("DELETE", "/b", {"Prefer": 'x="y, z", Respond-Async; a=b'}))
    assert len({_identifier(response) for response in asked}) == 3
    until(lambda: members(root) == ["new"], "all have ended")
    assert (root / "new").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("method", "path", "fields", "status"),
    [
        ("COPY", "/none", {"Destination": "/b"}, 404),
        ("COPY", "/a", {"Destination": "/a", "Overwrite": "F"}, 403),
        ("COPY", "/a", {"Destination": "/file", "Overwrite": "F"}, 412),
        ("MOVE", "/a", {"Destination": "/none/b"}, 409),
        ("MOVE", "/a", {"Destination": "/locked"}, 423),
        ("DELETE", "/a", {"If-Match": '"other"'}, 412),
        ("DELETE", "/locked", {}, 423),
        ("PUT", "/none/file", {}, 409),
        ("PUT", "/locked", {}, 423),
    ],
)
def test_what_can_be_checked_is_checked_first(
    serve: Serve,
    root: Path,
    wire: Any,
    method: str,
    path: str,
    fields: dict[str, str],
    status: int,
) -> None:
    """A request that fails its checks gets its final answer, and no operation."""
    server = _serve(serve, root)
    for name in ("file", "locked"):
        (root / name).write_bytes(b"old")
    client = wire(server)
    assert client.ask("LOCK", "/locked", body=LOCK.format(scope="exclusive").encode()).status == 200
    before = contents(root)
    body = b"new" if method == "PUT" else None
    response = client.ask(method, path, {**fields, **ASYNC}, body)
    assert response.status == status
    assert "Location" not in response.fields
    assert contents(root) == before


def test_an_upload_that_ends_early(serve: Serve, root: Path, wire: Any) -> None:
    """The content is in before a 202 is said."""
    server = _serve(serve, root)
    client = wire(server)
    head = f"PUT /new HTTP/1.1\r\nHost: {client.host}\r\nContent-Length: 9\r\n"
    client.socket.sendall(f"{head}Prefer: respond-async\r\n\r\nhalf".encode())
    client.socket.shutdown(socket.SHUT_WR)
    assert b" 202 " not in client.socket.recv(4096)
    assert not (root / "new").exists()


def test_the_answer_comes_in_time(serve: Serve, root: Path, wire: Any) -> None:
    """One who would wait for 20 s is kept waiting for the final response."""
    server = _serve(serve, root)
    fields = {"Destination": f"{server.url}b", "Prefer": "respond-async, wait=20"}
    response = wire(server).ask("COPY", "/a", fields)
    assert response.status == 201
    assert response.interims.count(102) >= 2
    assert contents(root / "b") == contents(root / "a")


@pytest.mark.parametrize(("agent", "interims"), [("curl/7.88.1", True), (WINSCP, False)])
def test_the_time_is_over(serve: Serve, root: Path, wire: Any, agent: str, interims: bool) -> None:
    """After a second it is told where to look; no multi-status was begun for who is told that."""
    server = serve(
        keepalive={"first_after": 0.1 if interims else 60, "interval": 0.1},
        operations={"max_members_per_second": 20},
    )
    plant(root / "a", FILES)
    fields = {"Destination": f"{server.url}b", "Prefer": "wait=1, respond-async"}
    with wire(server, agent=agent) as client:
        response = client.ask("COPY", "/a", fields)
        assert response.status == 202
        assert (102 in response.interims) is interims
        assert response.fields["Preference-Applied"] == "respond-async, wait=1"
        assert not (root / "b").exists()
        assert client.ask("GET", "/a/00000").status == 200


@pytest.mark.parametrize(
    "prefer", ["wait=0", "respond-async-please", '"respond-async"', "x=respond-async", "=", ";"]
)
def test_who_does_not_prefer_it(serve: Serve, root: Path, wire: Any, prefer: str) -> None:
    """Whatever else the field says is ignored (RFC 7240 2)."""
    server = _serve(serve, root)
    fields = {"Destination": f"{server.url}b", "Prefer": prefer}
    response = wire(server).ask("COPY", "/a", fields)
    assert response.status == 201
    assert "Preference-Applied" not in response.fields


@pytest.mark.parametrize(("value", "status"), [("true", 202), ("1", 202), ("false", 201)])
def test_lazy_operations(serve: Serve, root: Path, wire: Any, value: str, status: int) -> None:
    """The field of ownCloud's clients, and where they look then."""
    server = _serve(serve, root)
    fields = {"Destination": f"{server.url}b", "OC-LazyOps": value}
    response = wire(server).ask("COPY", "/a", fields)
    assert response.status == status
    if status == 202:
        assert response.fields["Oc-Jobstatus-Location"] == f"{response.fields['Location']}/job"
        assert "Preference-Applied" not in response.fields


def test_it_counts_as_waiting(serve: Serve, root: Path, wire: Any) -> None:
    """With ``on_disconnect: cancel`` others that leave do not take it away from one with a 202."""
    server = _serve(serve, root, on_disconnect="cancel", grace=0)
    to = {"Destination": f"{server.url}b"}
    accepted = wire(server).ask("COPY", "/a", {**to, **ASYNC})
    assert _identifier(accepted)
    leaves: Wire = wire(server)
    leaves.send("COPY", "/a", to)
    assert leaves.interim() == 102
    leaves.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    leaves.close()
    server.wait_for_log("has gone while waiting for COPY /a")
    until((root / "b").exists, "the COPY goes on")


def test_a_repeat(serve: Serve, root: Path, wire: Any) -> None:
    """While it runs a repeat joins; after its end it is a new request, for 202 was delivered."""
    server = _serve(serve, root)
    client = wire(server)
    fields = {"Destination": f"{server.url}b", **ASYNC}
    first = _identifier(client.ask("COPY", "/a", fields))
    assert _identifier(client.ask("COPY", "/a", fields)) == first
    _wait_for_end(server, first)
    assert _identifier(client.ask("COPY", "/a", fields)) != first


def test_it_can_be_followed(serve: Serve, root: Path, wire: Any) -> None:
    """As a user would: with requests, from the 202 to the final response."""
    server = _serve(serve, root)
    url = server.url.rstrip("/")
    asked = requests.request(
        "COPY", f"{url}/a", headers={"Destination": f"{url}/b", **ASYNC}, timeout=DEADLINE
    )
    assert asked.status_code == 202
    monitor = urljoin(asked.url, asked.headers["Location"])
    assert asked.links["monitor"]["url"] == asked.headers["Location"]
    pending = requests.get(monitor, timeout=DEADLINE)
    assert (pending.status_code, pending.json()["status"]) == (202, None)
    waited = requests.get(monitor, headers={"Prefer": "wait=30"}, timeout=2 * DEADLINE)
    assert (waited.status_code, waited.json()["status"]) == (200, 201)
    assert waited.json()["state"] == "succeeded"
    final = requests.get(urljoin(monitor, waited.json()["responseUrl"]), timeout=DEADLINE)
    assert final.status_code == 201


def test_a_job_of_owncloud_can_be_followed(serve: Serve, root: Path, wire: Any) -> None:
    """Its own states, at the place that its own field names."""
    server = _serve(serve, root)
    client = wire(server)
    fields = {"Destination": f"{server.url}b", "OC-LazyOps": "true"}
    job = client.ask("COPY", "/a", fields).fields["Oc-Jobstatus-Location"]
    first = client.ask("GET", job)
    assert first.status == 200
    assert json.loads(first.body)["status"] in ("init", "started")
    until(
        lambda: json.loads(client.ask("GET", job).body) == {"status": "finished"},
        "it has finished",
    )
    assert contents(root / "b") == contents(root / "a")
    assert client.ask("PUT", job).status == 405


@pytest.mark.parametrize("begin", [0, 5])
def test_the_last_part_of_an_upload(serve: Serve, wire: Any, begin: int) -> None:
    """Its 202 says that all has arrived; that of a part before it says that more is to come."""
    client: Wire = wire(serve())
    content = b"0123456789"
    if begin:
        kept = put_part(client, "/file", content, 0, begin, ASYNC)
        assert (kept.status, kept.fields["Upload-Complete"]) == (202, "?0")
        assert (kept.fields["Upload-Offset"], kept.fields["Upload-Length"]) == ("5", "10")
        assert kept.fields["Location"] == upload_path("/file")
    response = put_part(client, "/file", content, begin, 10, ASYNC)
    assert _identifier(response)
    assert response.fields["Upload-Complete"] == "?1"
    assert response.fields["Upload-Offset"] == response.fields["Upload-Length"] == "10"
    until(lambda: client.ask("GET", "/file").body == content, "it is stored")
