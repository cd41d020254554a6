"""The same request sent again while its operation runs, and after."""

import base64
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.disks import folder_in_memory
from harness.server import RunningServer, Serve
from harness.trees import contents, plant
from harness.waiting import until
from harness.wire import Wire

#: A COPY of these files takes 0.6 s; a 102 that has come tells that the operation runs.
FILES = 60
AGENT = "curl/7.88.1"
#: Who is sent none.
SILENT = "python-requests/2.34.2"
USERS = {
    "simple_dc": {"user_mapping": {"*": {"ann": {"password": "a"}, "bob": {"password": "b"}}}},
    "http_authenticator": {"accept_basic": True, "accept_digest": False},
}


def as_user(name: str) -> dict[str, str]:
    """The fields of a user whose password is the name's first letter."""
    secret = base64.b64encode(f"{name}:{name[0]}".encode()).decode()
    return {"Authorization": f"Basic {secret}"}


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder on another file system."""
    with folder_in_memory() as folder:
        yield folder


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The share on the disk."""
    return tmp_path_factory.mktemp("share")


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, share: Path, memory: Path
) -> Iterator[RunningServer]:
    """Two shares on two file systems, and slow operations."""
    for folder in (memory / "share", memory / "spool"):
        folder.mkdir()
    block = {
        "keepalive": {"first_after": 0.1, "interval": 0.1},
        "operations": {
            "max_members_per_second": 100,
            "max_bytes_per_second": 2**20,
            "conflict_wait": 0.2,
            "workers": 4,
        },
        "put": {"spool": str(memory / "spool")},
    }
    shares = {"/disk": str(share), "/memory": str(memory / "share")}
    config = {"provider_mapping": shares, **USERS, "davkeep": block}
    running = RunningServer(tmp_path_factory.mktemp("server"), None, config)
    yield running
    running.close()


@pytest.fixture
def disk(share: Path) -> Iterator[Path]:
    """The share on the disk, which holds a collection to copy, and nothing afterwards."""
    plant(share / "a", FILES)
    yield share
    for member in share.iterdir():
        if member.is_dir():
            shutil.rmtree(member)
        else:
            member.unlink()


@pytest.mark.parametrize(
    ("method", "destination", "status"),
    [("COPY", "disk/b", 201), ("MOVE", "memory/b", 201), ("DELETE", None, 204)],
)
def test_a_repeat_joins(
    server: RunningServer,
    disk: Path,
    memory: Path,
    wire: Any,
    method: str,
    destination: str | None,
    status: int,
) -> None:
    """Two equal requests are one operation: one staging entry, one result for both."""
    before = contents(disk / "a")
    folder = disk if method != "MOVE" else memory / "share"
    fields = as_user("ann") | (
        {"Destination": f"{server.url}{destination}"} if destination is not None else {}
    )
    with wire(server, agent=AGENT) as one, wire(server, agent=AGENT) as two:
        one.send(method, "/disk/a", fields)
        assert one.interim() == 102
        two.send(method, "/disk/a", fields)
        assert two.interim() == 102
        (hidden,) = server.staging(folder)
        identity = hidden.stat().st_ino
        # A second operation would end in 404, 204 or 423.
        assert [one.response().status, two.response().status] == [status, status]
    if destination is not None:
        assert (folder / "b").stat().st_ino == identity
        assert contents(folder / "b") == before
    assert (disk / "a").exists() is (method == "COPY")
    assert server.staging(folder) == []


@pytest.mark.parametrize(
    "other",
    [
        {"Depth": "0"},
        {"Overwrite": "F"},
        {"If": "(Not <urn:no-lock>)"},
        {"If-Match": "*"},
        {"If-None-Match": '"another"'},
        {"If-Modified-Since": "Thu, 26 Nov 2026 09:00:00 GMT"},
        {"If-Unmodified-Since": "Fri, 31 Dec 9999 23:59:59 GMT"},
        as_user("bob"),
    ],
)
def test_another_request_does_not_join(
    server: RunningServer, disk: Path, wire: Any, other: dict[str, str]
) -> None:
    """Where a field or the user differs it is another wish, and the destination is taken."""
    fields = {**as_user("ann"), "Destination": f"{server.url}disk/b"}
    with wire(server, agent=AGENT) as one, wire(server, agent=AGENT) as two:
        one.send("COPY", "/disk/a", fields)
        assert one.interim() == 102
        assert two.ask("COPY", "/disk/a", fields | other).statuses == [423]
        assert one.response().status == 201


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"Depth": "infinity", "Overwrite": "T"}),
        ({"Depth": "Infinity"}, {"Depth": "INFINITY"}),
        ({"Overwrite": "t"}, {}),
    ],
)
def test_what_means_the_same_joins(
    server: RunningServer, disk: Path, wire: Any, one: dict[str, str], other: dict[str, str]
) -> None:
    """An absent Depth is ``infinity`` and an absent Overwrite ``T``, however they are spelled."""
    fields = {**as_user("ann"), "Destination": f"{server.url}disk/b"}
    with wire(server, agent=AGENT) as first, wire(server, agent=AGENT) as second:
        first.send("COPY", "/disk/a", fields | one)
        assert first.interim() == 102
        second.send("COPY", "/disk/a", fields | other)
        assert [first.response().status, second.response().status] == [201, 201]
    assert len(contents(disk / "b")) == len(contents(disk / "a"))


def test_what_is_malformed_joins_nothing(server: RunningServer, disk: Path, wire: Any) -> None:
    """It is refused as ever while an equal request, but for that, runs."""
    fields = {**as_user("ann"), "Destination": f"{server.url}disk/b"}
    with wire(server, agent=AGENT) as one, wire(server, agent=AGENT) as two:
        one.send("COPY", "/disk/a", fields)
        assert one.interim() == 102
        for malformed in ({"Depth": ""}, {"Depth": "1"}, {"Overwrite": "yes"}):
            assert two.ask("COPY", "/disk/a", fields | malformed).statuses == [400]
        assert one.response().status == 201


def test_after_the_end_it_is_a_new_request(server: RunningServer, disk: Path, wire: Any) -> None:
    """A user may mean it: the second COPY replaces what the first one made."""
    fields = {**as_user("ann"), "Destination": f"{server.url}disk/b"}
    with wire(server, agent=AGENT) as client:
        statuses = [client.ask("COPY", "/disk/a", fields).status for _ in range(2)]
    assert statuses == [201, 204]


@pytest.mark.parametrize(
    ("method", "destination", "status", "later"),
    [("COPY", "disk/c", 201, 204), ("MOVE", "memory/c", 201, 404), ("DELETE", None, 204, 404)],
)
def test_a_repeat_gets_the_result_that_nobody_got(
    server: RunningServer,
    disk: Path,
    memory: Path,
    wire: Any,
    method: str,
    destination: str | None,
    status: int,
    later: int,
) -> None:
    """A client that gave up and asks again after the end is told that end, once."""
    fields = as_user("ann")
    if destination is not None:
        fields["Destination"] = f"{server.url}{destination}"
    folders = (disk, memory / "share")
    answered = f'"{method} /disk/a" {status} '
    before = server.log.count(answered)
    with wire(server, agent=SILENT) as client:
        client.send(method, "/disk/a", fields)
        until(lambda: any(map(server.staging, folders)), "the work has begun")
    server.wait_for_log(re.escape(answered), before + 1)
    made = folders[method == "MOVE"] / "c"
    identity = made.stat().st_ino if destination else None
    with wire(server, agent=SILENT) as client:
        assert client.ask(method, "/disk/a", fields).status == status
        assert identity is None or made.stat().st_ino == identity
        assert client.ask(method, "/disk/a", fields).status == later


@pytest.mark.parametrize(
    ("method", "destination", "later"),
    [("COPY", "disk/d", 201), ("MOVE", "memory/d", 404), ("MOVE", "memory/d", 204)],
)
def test_a_success_that_does_not_stand_any_more_is_not_told(
    server: RunningServer,
    disk: Path,
    memory: Path,
    wire: Any,
    method: str,
    destination: str,
    later: int,
) -> None:
    """Whose destination was removed past the server, or whose source is back, is a new request."""
    fields = as_user("ann") | {"Destination": f"{server.url}{destination}"}
    _leave_unanswered(server, wire, method, fields)
    made = (memory / "share" if method == "MOVE" else disk) / "d"
    if later == 204:
        plant(disk / "a", 1)
    else:
        shutil.rmtree(made)
    with wire(server, agent=SILENT) as client:
        assert client.ask(method, "/disk/a", fields).status == later
    assert made.exists() is (later != 404)
    if made.exists():
        shutil.rmtree(made)


def test_a_delete_whose_target_is_back_is_done_again(
    server: RunningServer, disk: Path, wire: Any
) -> None:
    """It was removed, and somebody made it anew past the server."""
    _leave_unanswered(server, wire, "DELETE", as_user("ann"))
    plant(disk / "a", 1)
    with wire(server, agent=SILENT) as client:
        assert client.ask("DELETE", "/disk/a", as_user("ann")).status == 204
    assert not (disk / "a").exists()


@pytest.mark.parametrize("change", [Path.unlink, lambda file: file.write_bytes(b"other")])
def test_a_put_whose_file_was_changed_is_done_again(
    server: RunningServer, disk: Path, memory: Path, wire: Any, change: Any
) -> None:
    """The ETag of the first result would name a content that is not there."""
    body = b"x" * 2**19
    with wire(server, agent=SILENT) as client:
        client.send("PUT", "/disk/new", as_user("ann"), body)
        until(lambda: server.staging(disk), "the commit has begun")
    with wire(server, agent=SILENT) as client:
        until(lambda: _are_over(client), "the work is done")
        change(disk / "new")
        answer = client.ask("PUT", "/disk/new", as_user("ann"), body)
        stored = client.ask("GET", "/disk/new", as_user("ann"))
    assert answer.fields["Etag"] == stored.fields["Etag"]
    assert stored.body == body


def _leave_unanswered(
    server: RunningServer, wire: Any, method: str, fields: dict[str, str]
) -> None:
    """Have ``/disk/a`` copied, moved or removed for a client that goes before it is told."""
    with wire(server, agent=SILENT) as onlooker:
        with wire(server, agent=SILENT) as client:
            client.send(method, "/disk/a", fields)
            until(lambda: not _are_over(onlooker), "it runs")
        until(lambda: _are_over(onlooker), "the work is done")


def _are_over(client: Wire) -> bool:
    """Whether none of ann's operations runs."""
    told = json.loads(client.ask("GET", "/.davkeep/operations", as_user("ann")).body)
    return all(each["status"] is not None for each in told)


def test_who_got_the_answer_and_says_nothing_more_has_got_it(
    server: RunningServer, disk: Path, wire: Any
) -> None:
    """The first client's connection stays open and idle; the same DELETE from another is 404."""
    (disk / "file").write_bytes(b"1")
    with wire(server, agent=AGENT) as one, wire(server, agent=AGENT) as two:
        for _ in range(20):
            # A conversation, after which TCP waits with its acknowledgements for the next request.
            assert one.ask("GET", "/disk/file", as_user("ann")).status == 200
        assert one.ask("DELETE", "/disk/file", as_user("ann")).status == 204
        # TCP acknowledges on its own time, of which no event tells.
        acknowledged = time.monotonic() + 0.5
        until(lambda: time.monotonic() > acknowledged, "the answer is acknowledged")
        assert two.ask("DELETE", "/disk/file", as_user("ann")).status == 404


def test_a_change_makes_it_a_new_request(server: RunningServer, disk: Path, wire: Any) -> None:
    """The result would be a lie about what is there now."""
    fields = {**as_user("ann"), "Destination": f"{server.url}disk/b"}
    with wire(server, agent=SILENT) as client:
        client.send("COPY", "/disk/a", fields)
        until(lambda: server.staging(disk), "the work has begun")
    with wire(server, agent=SILENT) as client:
        until(lambda: _are_over(client), "the work is done")
        assert client.ask("PUT", "/disk/a/new", as_user("ann"), b"1").status == 201
        assert client.ask("COPY", "/disk/a", fields).status == 204
    assert (disk / "b" / "new").read_bytes() == b"1"


def test_a_put_of_equal_content_joins(
    server: RunningServer, disk: Path, memory: Path, wire: Any
) -> None:
    """Both get 201 with the ETag of the one file, and the second upload leaves nothing."""
    body = b"x" * 2**20
    with wire(server, agent=AGENT) as one, wire(server, agent=AGENT) as two:
        one.send("PUT", "/disk/new", as_user("ann"), body)
        assert one.interim() == 102
        two.send("PUT", "/disk/new", as_user("ann"), body)
        assert two.interim() == 102
        assert len(server.staging(disk)) == 1
        first, second = one.response(), two.response()
        assert first.status == second.status == 201
        stored = one.ask("GET", "/disk/new", as_user("ann"))
    assert stored.body == body
    assert first.fields["Etag"] == second.fields["Etag"] == stored.fields["Etag"]
    assert server.staging(disk) == server.staging(memory) == []


def test_a_put_of_other_content_comes_later(
    serve: Serve, root: Path, elsewhere: Path, wire: Any
) -> None:
    """It waits for the commit that runs, and its content is what stays."""
    server = serve(
        keepalive={"first_after": 0.1, "interval": 0.1},
        operations={"max_bytes_per_second": 2**20, "conflict_wait": 20},
        put={"spool": str(elsewhere)},
    )
    with wire(server, agent=AGENT) as one, wire(server, agent=AGENT) as two:
        one.send("PUT", "/new", body=b"1" * 2**20)
        assert one.interim() == 102
        two.send("PUT", "/new", body=b"2" * 2**10)
        until(lambda: len(list(elsewhere.iterdir())) == 2, "the second one is uploaded")
        assert one.response().status == 201
        assert two.response().status == 204
    assert (root / "new").read_bytes() == b"2" * 2**10
    assert contents(elsewhere) == {}
    assert server.staging() == []


def test_a_put_that_gives_up_leaves_nothing(
    server: RunningServer, disk: Path, memory: Path, wire: Any
) -> None:
    """After ``conflict_wait`` the later write is 423, and its upload is dropped."""
    with wire(server, agent=AGENT) as one, wire(server, agent=AGENT) as two:
        one.send("PUT", "/disk/new", as_user("ann"), b"1" * 2**20)
        assert one.interim() == 102
        assert two.ask("PUT", "/disk/new", as_user("ann"), b"2").statuses == [423]
        assert one.response().status == 201
    assert contents(memory / "spool") == {}
