"""Uploads in ranges whose collection is moved to another file system: they go along with it."""

import json
import random
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from davkeep.store.uploads import Uploads as Stored
from harness.disks import folder_in_memory
from harness.inside import Start
from harness.onlooker import Onlooker
from harness.server import DEADLINE, RunningServer, Serve
from harness.trees import plant
from harness.uploads import begin_part, offset, put_part, ranged, upload_path
from harness.waiting import until
from harness.wire import Wire

CONTENT = random.Random(9).randbytes(100_000)
LENGTH = len(CONTENT)
HALF = LENGTH // 2


class World:
    """Two shares on two file systems, and a folder for a spool."""

    def __init__(self, near: Path, far: Path, spool: Path | None) -> None:
        self.near, self.far, self.spool = near, far, spool

    @property
    def config(self) -> dict[str, Any]:
        """Keys of the top level."""
        return {"provider_mapping": {"/near": str(self.near), "/far": str(self.far)}}

    @property
    def hidden(self) -> list[Path]:
        """Everything out of sight."""
        folders = [self.near, self.far, *([self.spool] if self.spool else [])]
        return [path for folder in folders for path in folder.rglob(".davkeep-*")]


@contextmanager
def made(folder: Path, has_spool: bool) -> Iterator[World]:
    """The folders; with a spool on the file system to which the tests move."""
    with folder_in_memory() as memory:
        (folder / "near").mkdir()
        (memory / "far").mkdir()
        spool = memory / "spool" if has_spool else None
        if spool is not None:
            spool.mkdir()
        yield World(folder / "near", memory / "far", spool)


@pytest.fixture(scope="module", params=["beside", "spool"])
def running(
    tmp_path_factory: pytest.TempPathFactory, request: Any
) -> Iterator[tuple[RunningServer, World]]:
    """A server of both, with hidden files beside their targets or in a folder of their own."""
    folder = tmp_path_factory.mktemp("moving")
    with made(folder, request.param == "spool") as world:
        put = {"spool": str(world.spool) if world.spool else None}
        server = RunningServer(folder, None, {**world.config, "davkeep": {"put": put}})
        yield server, world
        server.close()
        assert "Traceback" not in server.log


@pytest.fixture
def server(running: tuple[RunningServer, World]) -> RunningServer:
    """The server."""
    return running[0]


@pytest.fixture
def world(running: tuple[RunningServer, World]) -> Iterator[World]:
    """Its folders, with a tree to move; nothing is left afterwards."""
    world = running[1]
    plant(world.near / "tree", 3)
    (world.near / "tree" / "deep").mkdir()
    yield world
    for folder in (world.near, world.far):
        shutil.rmtree(folder / "tree", ignore_errors=True)


@pytest.fixture(params=["beside", "spool"])
def slow_world(tmp_path: Path, request: Any) -> Iterator[World]:
    """Folders with more to move."""
    with made(tmp_path, request.param == "spool") as world:
        plant(world.near / "tree", 150)
        yield world


@pytest.fixture
def slow(serve: Serve, slow_world: World) -> RunningServer:
    """A server with a MOVE that takes some seconds."""
    return serve(
        slow_world.config,
        put={"spool": str(slow_world.spool) if slow_world.spool else None},
        keepalive={"first_after": 0.05, "interval": 0.05},
        operations={"max_members_per_second": 100, "grace": 0},
    )


def arrived(client: Wire, path: str) -> int:
    """The offset that HEAD of the upload tells; -1 if there is none."""
    answer = client.ask("HEAD", upload_path(path))
    return offset(answer) if answer.status == 204 else -1


def destination(server: RunningServer) -> dict[str, str]:
    """Where the tree goes."""
    return {"Destination": f"{server.url}far/tree"}


def go_on(client: Wire, world: World, path: str) -> None:
    """The rest arrives, is stored, and nothing is left."""
    assert put_part(client, path, CONTENT, HALF, LENGTH).status == 201
    assert client.ask("GET", path).body == CONTENT
    until(lambda: world.hidden == [], "nothing is hidden")


@pytest.mark.parametrize("existing", [False, True])
def test_it_goes_along(server: RunningServer, world: World, wire: Any, existing: bool) -> None:
    """At the new URL it is as far as it was; the time of its collection is that of before."""
    client: Wire = wire(server)
    if existing:
        plant(world.far / "tree", 2)
        assert put_part(client, "/far/tree/old", CONTENT, 0, HALF).status == 202
    for path in ("/near/tree/file", "/near/tree/deep/file"):
        assert put_part(client, path, CONTENT, 0, HALF).status == 202
    before = (world.near / "tree" / "deep").stat().st_mtime_ns
    moved = client.ask("MOVE", "/near/tree", destination(server))
    assert moved.status == (204 if existing else 201)
    assert (world.far / "tree" / "deep").stat().st_mtime_ns == before
    assert arrived(client, "/far/tree/old") == -1
    assert arrived(client, "/near/tree/file") == -1
    assert len(world.hidden) == 2
    assert arrived(client, "/far/tree/file") == arrived(client, "/far/tree/deep/file") == HALF
    assert put_part(client, "/far/tree/file", CONTENT, HALF, LENGTH).status == 201
    go_on(client, world, "/far/tree/deep/file")


def test_there_and_back(server: RunningServer, world: World, wire: Any) -> None:
    """However often it moves, and is gone on with in between."""
    client: Wire = wire(server)
    assert put_part(client, "/near/tree/file", CONTENT, 0, 10).status == 202
    back = {"Destination": f"{server.url}near/tree"}
    assert client.ask("MOVE", "/near/tree", destination(server)).status == 201
    assert client.ask("MOVE", "/far/tree", back).status == 201
    assert arrived(client, "/near/tree/file") == 10
    assert client.ask("MOVE", "/near/tree", destination(server)).status == 201
    assert put_part(client, "/far/tree/file", CONTENT, 10, HALF).status == 202
    assert client.ask("MOVE", "/far/tree", back).status == 201
    go_on(client, world, "/near/tree/file")


def test_a_part_that_arrives_meanwhile(server: RunningServer, world: World, wire: Any) -> None:
    """409, and what had arrived of it went along."""
    client: Wire = wire(server)
    part = begin_part(server, "/near/tree/file", ranged(0, LENGTH - 1, LENGTH), LENGTH - 1)
    part.sendall(CONTENT[:HALF])
    until(lambda: arrived(client, "/near/tree/file") == HALF, "half of it has arrived")
    assert client.ask("MOVE", "/near/tree", destination(server)).status == 201
    part.sendall(CONTENT[HALF:-1])
    with part, part.makefile("rb") as stream:
        assert stream.readline().startswith(b"HTTP/1.1 409 ")
    assert arrived(client, "/far/tree/file") == HALF
    go_on(client, world, "/far/tree/file")


@pytest.mark.parametrize("is_noted", [False, True])
def test_nobody_gives_it_up_meanwhile(
    inside: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_noted: bool
) -> None:
    """423 while its file is copied, and while the copy has no name yet; afterwards it can be."""
    reached, goes_on, copied = threading.Event(), threading.Event(), Stored.copied

    def gated(self: Stored, name: str, inode: str) -> None:
        if is_noted:
            copied(self, name, inode)
        reached.set()
        assert goes_on.wait(DEADLINE)
        if not is_noted:
            copied(self, name, inode)

    monkeypatch.setattr(Stored, "copied", gated)
    with made(tmp_path, False) as world:
        plant(world.near / "tree", 3)
        server: Any = inside(world.config)
        with server.wire() as client, server.wire() as other:
            assert put_part(client, "/near/tree/file", CONTENT, 0, HALF).status == 202
            client.send("MOVE", "/near/tree", destination(server))
            assert reached.wait(DEADLINE)
            assert other.ask("DELETE", upload_path("/near/tree/file")).status == 423
            (listed,) = json.loads(other.ask("GET", "/.davkeep/uploads").body)
            assert other.ask("DELETE", f"/.davkeep/uploads?id={listed['id']}").status == 423
            goes_on.set()
            assert client.response().status == 201
            assert arrived(other, "/far/tree/file") == HALF
            assert other.ask("DELETE", upload_path("/far/tree/file")).status == 204
            assert world.hidden == []


def test_a_move_that_is_cancelled(slow: RunningServer, slow_world: World, wire: Any) -> None:
    """It is where it was."""
    client, other = wire(slow), wire(slow)
    assert put_part(client, "/near/tree/file", CONTENT, 0, HALF).status == 202
    client.send("MOVE", "/near/tree", destination(slow))
    assert client.interim() == 102
    (told,) = [each for each in Onlooker(slow.url).list() if each["status"] is None]
    assert Onlooker(slow.url).cancel(told["id"]).status_code == 202
    assert client.response().status == 409
    assert arrived(other, "/far/tree/file") == -1
    go_on(other, slow_world, "/near/tree/file")


def test_a_server_that_is_killed_meanwhile(
    slow: RunningServer, slow_world: World, wire: Any
) -> None:
    """Recovery brings it to where its collection is."""
    with wire(slow) as client:
        assert put_part(client, "/near/tree/file", CONTENT, 0, HALF).status == 202
        client.send("MOVE", "/near/tree", destination(slow))
        assert client.interim() == 102
    slow.stop(signal.SIGKILL)
    slow.start()
    slow.wait_for_log("recovery is complete")
    with wire(slow) as client:
        path = "/near/tree/file" if (slow_world.near / "tree").exists() else "/far/tree/file"
        assert arrived(client, path) == HALF
        go_on(client, slow_world, path)


@pytest.mark.parametrize("deep", ["", "/deep"])
def test_a_collection_that_is_removed(
    server: RunningServer, world: World, wire: Any, deep: str
) -> None:
    """Those in it, and in what is below it, go with it, and their files wherever they are."""
    client: Wire = wire(server)
    assert put_part(client, f"/near/tree{deep}/file", CONTENT, 0, HALF).status == 202
    assert len(world.hidden) == 1
    assert client.ask("DELETE", "/near/tree").status == 204
    assert world.hidden == []
    assert client.ask("MKCOL", "/near/tree").status == 201
    if deep:
        assert client.ask("MKCOL", "/near/tree/deep").status == 201
    assert arrived(client, f"/near/tree{deep}/file") == -1
    assert put_part(client, f"/near/tree{deep}/file", CONTENT, HALF, LENGTH).status == 409
