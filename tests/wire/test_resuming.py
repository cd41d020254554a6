"""Uploads that break off, and go on: lost clients, a server that dies, disks that are full."""

import base64
import os
import random
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.disks import mounted
from harness.server import DEADLINE, RunningServer, Serve
from harness.trees import members
from harness.uploads import begin_part, break_off, offset, put_part, ranged, upload_path
from harness.waiting import until
from harness.wire import Response, Wire

SIZE = 3_000_000
CONTENT = random.Random(3).randbytes(SIZE)
HALF = SIZE // 2
USERS = {
    "simple_dc": {"user_mapping": {"*": {"ann": {"password": "a"}, "bob": {"password": "b"}}}},
    "http_authenticator": {"accept_basic": True, "accept_digest": False},
}


def as_user(name: str) -> dict[str, str]:
    """The fields of a user whose password is the name's first letter."""
    secret = base64.b64encode(f"{name}:{name[0]}".encode()).decode()
    return {"Authorization": f"Basic {secret}"}


def asked(
    server: RunningServer,
    first: int,
    stop: int,
    fields: Mapping[str, str] | None = None,
    path: str = "/file",
) -> Response:
    """PUT a part on a connection of its own, for one that is refused ends it."""
    with Wire(server.host, server.port) as client:
        return put_part(client, path, CONTENT, first, stop, fields)


def arrived(wire: Wire, path: str = "/file") -> int:
    """The offset that HEAD of the upload tells; -1 if there is none."""
    answer = wire.ask("HEAD", upload_path(path))
    return offset(answer) if answer.status == 204 else -1


def half_sent(server: RunningServer, root: Path) -> Any:
    """A request for the whole file, of which the first half has arrived."""
    sock = begin_part(server, "/file", ranged(0, SIZE, SIZE), SIZE)
    sock.sendall(CONTENT[:HALF])
    until(lambda: _staged_size(server) == HALF, "half of it has arrived")
    return sock


def _staged_size(server: RunningServer) -> int:
    return sum(path.stat().st_size for path in server.staging())


@pytest.mark.parametrize("end", ["reset", "close", "half-close"])
def test_a_client_that_is_lost(serve: Serve, root: Path, wire: Any, end: str) -> None:
    """What it sent is kept to the last byte, and another connection goes on from there."""
    (root / "file").write_bytes(b"old")
    server = serve()
    sock = half_sent(server, root)
    if end == "reset":
        break_off(sock)
    elif end == "close":
        sock.close()
    else:
        sock.shutdown(1)
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
    server.wait_for_log('"PUT /file" 400')
    client = wire(server)
    assert arrived(client) == HALF
    assert (root / "file").read_bytes() == b"old"
    assert put_part(client, "/file", CONTENT, HALF, SIZE).status == 204
    assert (root / "file").read_bytes() == CONTENT
    assert server.staging() == []
    assert "Traceback" not in server.log


def test_a_connection_that_is_dead_without_anybody_knowing(
    serve: Serve, root: Path, wire: Any
) -> None:
    """The server still waits for the rest; the client goes on on another one at once."""
    server = serve()
    sock = half_sent(server, root)
    client = wire(server)
    assert arrived(client) == HALF
    assert put_part(client, "/file", CONTENT, HALF, SIZE - 1).status == 202
    sock.sendall(b"z" * 1000)
    assert sock.recv(65536).startswith(b"HTTP/1.1 409 ")
    assert put_part(client, "/file", CONTENT, SIZE - 1, SIZE).status == 201
    assert (root / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_in_between(serve: Serve, root: Path, wire: Any, number: signal.Signals) -> None:
    """Stopped or killed in the middle of a part: what had arrived is still there."""
    (root / "file").write_bytes(b"old")
    server = serve({"server_args": {"shutdown_timeout": 0.5}})
    sock = half_sent(server, root)
    server.process.send_signal(number)
    server.process.wait(DEADLINE)
    sock.close()
    assert "Traceback" not in server.log
    assert (root / "file").read_bytes() == b"old"
    server.start()
    client = wire(server)
    assert arrived(client) == HALF
    assert put_part(client, "/file", CONTENT, HALF, SIZE).status == 204
    assert (root / "file").read_bytes() == CONTENT
    assert server.staging() == []


def test_many_breaks(serve: Serve, root: Path, wire: Any) -> None:
    """A line that breaks again and again still gets there, through a spool as well."""
    breaks = random.Random(4)
    spool = root.parent / "spool"
    spool.mkdir()
    server = serve(put={"spool": str(spool)})
    client = wire(server)
    here = max(arrived(client), 0)
    while here < SIZE - 200_000:
        some = breaks.randrange(1, 400_000)
        sock = begin_part(server, "/file", ranged(here, SIZE, SIZE), SIZE - here)
        sock.sendall(CONTENT[here : here + some])
        sock.shutdown(1)
        sock.recv(65536)
        sock.close()
        there = arrived(client)
        assert there == here + some
        here = there
    assert put_part(client, "/file", CONTENT, here, SIZE).status == 201
    assert (root / "file").read_bytes() == CONTENT
    assert list(spool.iterdir()) == server.staging() == []


def test_when_the_last_part_meets_somebody_else(
    serve: Serve, root: Path, wire: Any, elsewhere: Path
) -> None:
    """423, nothing of the upload is lost, and the last byte sent again completes it."""
    server = serve(
        USERS,
        put={"spool": str(elsewhere)},
        operations={"conflict_wait": 0.1, "grace": 0, "max_bytes_per_second": HALF},
    )
    ann, bob = as_user("ann"), as_user("bob")
    assert asked(server, 0, SIZE - 1, ann).status == 202
    with Wire(server.host, server.port) as other:
        other.send("PUT", "/file", bob, CONTENT[::-1])
        until(lambda: server.staging(), "what bob sent is being stored")
        refused = asked(server, SIZE - 1, SIZE, ann)
        assert (refused.status, refused.fields["Retry-After"]) == (423, "2")
        assert offset(wire(server).ask("HEAD", upload_path("/file"), ann)) == SIZE
        assert other.response().status == 201
    assert (root / "file").read_bytes() == CONTENT[::-1]
    assert asked(server, SIZE - 1, SIZE, ann).status == 204
    assert (root / "file").read_bytes() == CONTENT
    assert list(elsewhere.iterdir()) == server.staging() == []


def test_while_it_is_being_stored(serve: Serve, root: Path, wire: Any, elsewhere: Path) -> None:
    """The commit of an upload is an operation; the same upload is out of reach meanwhile."""
    server = serve(
        put={"spool": str(elsewhere)},
        keepalive={"first_after": 0.1, "interval": 0.1},
        operations={"grace": 0, "max_bytes_per_second": HALF},
    )
    assert asked(server, 0, HALF).status == 202
    first = wire(server)
    first.send("PUT", "/file", ranged(HALF, SIZE, SIZE), CONTENT[HALF:])
    assert first.interim() == 102
    assert asked(server, HALF, SIZE).status == 423
    second = wire(server)
    assert second.ask("DELETE", upload_path("/file")).status == 423
    assert arrived(second) == SIZE
    assert first.response().status == 201
    assert (root / "file").read_bytes() == CONTENT
    assert list(elsewhere.iterdir()) == server.staging() == []
    assert arrived(second) == -1


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """A disk of 4 MiB with room for 2 MiB, of which a file takes half."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    with mounted(tmp_path / "small", "4m") as folder:
        (folder / "taken").write_bytes(b"t" * (2 << 20))
        (folder / "file").write_bytes(b"o" * 1_000_000)
        yield folder


def _serving(serve: Serve, folder: Path) -> RunningServer:
    return serve({"provider_mapping": {"/": str(folder)}})


def test_a_full_disk(serve: Serve, wire: Any, small: Path) -> None:
    """507 takes back the part that did not fit; with what came before one can go on."""
    server = _serving(serve, small)
    assert asked(server, 0, 500_000).status == 202
    assert asked(server, 500_000, SIZE).status == 507
    assert (small / "file").read_bytes() == b"o" * 1_000_000
    client = wire(server)
    assert arrived(client) == 500_000
    assert sum(path.stat().st_size for path in server.staging(small)) == 500_000
    assert asked(server, 0, SIZE, path="/new").status == 507
    assert len(server.staging(small)) == 1
    assert client.ask("DELETE", upload_path("/file")).status == 204
    assert server.staging(small) == []
    assert "Traceback" not in server.log


def test_a_plain_put_on_a_full_disk(serve: Serve, small: Path) -> None:
    """507, the old content, and nothing left, no descriptor either (defect 15)."""
    server = _serving(serve, small)
    with Wire(server.host, server.port) as client:
        assert client.ask("PUT", "/other", {}, b"x").status == 201
    opened = server.descriptors
    for path in ("/file", "/new"):
        with Wire(server.host, server.port) as client:
            assert client.ask("PUT", path, {}, CONTENT).status == 507
    assert (small / "file").read_bytes() == b"o" * 1_000_000
    assert sorted(members(small)) == ["file", "other", "taken"]
    until(lambda: server.descriptors <= opened, "every descriptor is closed")


def test_a_patch_on_a_full_disk(serve: Serve, small: Path) -> None:
    """507 and the old content, whether the part, the copy or both together do not fit."""
    (small / "large").write_bytes(b"l" * 800_000)
    server = _serving(serve, small)
    kind = {"Content-Type": "application/x-sabredav-partialupdate", "X-Update-Range": "append"}
    for name, size in (("file", 1), ("large", 600_000), ("large", 100_000)):
        before = (small / name).read_bytes()
        with Wire(server.host, server.port) as client:
            assert client.ask("PATCH", f"/{name}", kind, b"x" * size).status == 507
        assert (small / name).read_bytes() == before
        assert server.staging(small) == []
    assert "Traceback" not in server.log


def _peak(server: RunningServer) -> int:
    """The most memory that the process ever had, in bytes."""
    with open(f"/proc/{server.process.pid}/status") as lines:
        (peak,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return peak * 1024


def test_memory_stays_flat(serve: Serve, root: Path, wire: Any) -> None:
    """100 MB in ranges, verified as a whole, and a PATCH of 50 MB, cost a few megabytes."""
    server = serve(fsync=False)
    client = wire(server)
    some = {"Repr-Digest": "sha-256=:IEkqTQL9ZKWEnOizcsnMT2GHhEoI/yYhtcgOzrh7aDQ=:"}
    assert put_part(client, "/warm", CONTENT, 0, SIZE).status == 201
    before = _peak(server)
    block, total = b"\0" * 25_000_000, 100_000_000
    for first in range(0, total, len(block)):
        head = {**ranged(first, first + len(block), total), **some}
        answer = client.ask("PUT", "/large", head, block)
        assert answer.status == (400 if first == 75_000_000 else 202)
    kind = {"Content-Type": "application/x-sabredav-partialupdate", "X-Update-Range": "append"}
    assert client.ask("PATCH", "/warm", kind, block * 2).status == 204
    assert _peak(server) - before < 20_000_000


def test_many_uploads_at_once(serve: Serve, root: Path, together: ThreadPoolExecutor) -> None:
    """Of several users to one URL, and of one user to several."""
    server = serve(USERS, fsync=False)
    descriptors = server.descriptors

    def send(path: str, name: str) -> bytes:
        content = random.Random(f"{path}{name}").randbytes(100_000)
        with Wire(server.host, server.port) as client:
            for first in range(0, 100_000, 20_000):
                last = put_part(client, path, content, first, first + 20_000, as_user(name))
                assert last.status in ((202,) if first < 80_000 else (201, 204, 423))
        return content

    jobs = [(f"/{number % 4}", ("ann", "bob")[number % 2]) for number in range(4)]
    jobs += [("/both", "ann"), ("/both", "bob")]
    sent: dict[str, set[bytes]] = {}
    for (path, _), content in zip(jobs, together.map(lambda job: send(*job), jobs), strict=True):
        sent.setdefault(path, set()).add(content)
    for path, contents in sent.items():
        assert (root / path[1:]).read_bytes() in contents
    assert server.staging() == []
    until(lambda: server.descriptors <= descriptors + 2, "nothing is left open")
