"""Uploads in ranges whose collection goes: nobody is offered them, and no file of them is left."""

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.onlooker import Onlooker
from harness.server import RunningServer, Serve
from harness.trees import plant
from harness.uploads import offset, put_part, ranged, upload_path
from harness.waiting import until
from harness.wire import Wire

CONTENT = random.Random(8).randbytes(100_000)
HALF = len(CONTENT) // 2
WINDOWS = "Microsoft-WebDAV-MiniRedir/10.0.19045"


@pytest.fixture(params=["beside", "spool"])
def started(serve: Serve, root: Path, tmp_path: Path, request: Any) -> RunningServer:
    """Hidden files beside their targets, or in a folder of their own."""
    plant(root / "source", 3)
    plant(root / "here", 3)
    (tmp_path / "spool").mkdir()
    spool = str(tmp_path / "spool") if request.param == "spool" else None
    return serve(put={"spool": spool})


def arrived(client: Wire, path: str) -> int:
    """The offset that HEAD of the upload tells; -1 if there is none."""
    answer = client.ask("HEAD", upload_path(path))
    return offset(answer) if answer.status == 204 else -1


def hidden(root: Path) -> list[Path]:
    """Everything out of sight, in the share and in the spool."""
    found = [*root.rglob(".davkeep-*"), *(root.parent / "spool").iterdir()]
    return sorted(found)


def _transfer(method: str) -> Callable[[RunningServer, Wire], None]:
    def go(server: RunningServer, client: Wire) -> None:
        to = {"Destination": f"{server.url}here"}
        assert client.ask(method, "/source", to).status == 204

    return go


def _delete(_: RunningServer, client: Wire) -> None:
    assert client.ask("DELETE", "/here").status == 204
    assert client.ask("MKCOL", "/here").status == 201


@pytest.mark.parametrize(
    "go", [_transfer("COPY"), _transfer("MOVE"), _delete], ids=["COPY", "MOVE", "DELETE"]
)
def test_another_collection_has_the_name(
    started: RunningServer, root: Path, wire: Any, go: Callable[..., None]
) -> None:
    """It is not offered what was uploaded into the former one, and of that nothing is left."""
    with wire(started) as client:
        assert put_part(client, "/here/file", CONTENT, 0, HALF).status == 202
        assert put_part(client, "/kept", CONTENT, 0, HALF).status == 202
        assert len(hidden(root)) == 2
        go(started, client)
        assert arrived(client, "/here/file") == -1
        assert put_part(client, "/here/file", CONTENT, HALF, HALF + 1).status == 409
        assert len(hidden(root)) == 1
        assert put_part(client, "/here/file", CONTENT, 0, len(CONTENT)).status == 201
        assert arrived(client, "/kept") == HALF
        assert put_part(client, "/kept", CONTENT, HALF, len(CONTENT)).status == 201
    assert hidden(root) == []
    assert "Traceback" not in started.log


def test_a_part_that_arrives_meanwhile(started: RunningServer, root: Path, wire: Any) -> None:
    """409, and nothing is left of it either."""
    with wire(started) as client, wire(started) as other:
        head = f"PUT /here/file HTTP/1.1\r\nHost: x\r\nContent-Length: {HALF}\r\n"
        (content_range,) = ranged(0, HALF, len(CONTENT)).values()
        client.socket.sendall(f"{head}Content-Range: {content_range}\r\n\r\n".encode())
        client.socket.sendall(CONTENT[:100])
        until(lambda: hidden(root), "the upload has begun")
        _transfer("MOVE")(started, other)
        client.socket.sendall(CONTENT[100:HALF])
        assert client.socket.recv(65536).startswith(b"HTTP/1.1 409 ")
        until(lambda: not hidden(root), "nothing is left")
        assert arrived(other, "/here/file") == -1


def _slow(serve: Serve, root: Path, spool: Path) -> RunningServer:
    """A server with an upload into a collection whose removal takes 3 s."""
    plant(root / "a", 300)
    spool.mkdir()
    server = serve(
        put={"spool": str(spool)},
        keepalive={"first_after": 0.1, "interval": 0.1},
        operations={"max_members_per_second": 100, "grace": 0},
    )
    with Wire(server.host, server.port) as client:
        assert put_part(client, "/a/file", CONTENT, 0, HALF).status == 202
    return server


def test_a_removal_that_is_taken_back(serve: Serve, root: Path, tmp_path: Path, wire: Any) -> None:
    """What was uploaded is there again."""
    server = _slow(serve, root, tmp_path / "spool")
    with wire(server) as client, wire(server) as other:
        client.send("DELETE", "/a")
        assert client.interim() == 102
        until(lambda: arrived(other, "/a/file") == -1, "it is out of sight")
        (told,) = [each for each in Onlooker(server.url).list() if each["status"] is None]
        assert Onlooker(server.url).cancel(told["id"]).status_code == 202
        assert client.response().status == 409
        assert arrived(other, "/a/file") == HALF
        assert put_part(other, "/a/file", CONTENT, HALF, len(CONTENT)).status == 201
    assert (root / "a" / "file").read_bytes() == CONTENT
    assert hidden(root) == []


@pytest.mark.parametrize("kill", [False, True])
def test_a_new_collection_beside_a_removal(
    serve: Serve, root: Path, tmp_path: Path, wire: Any, kill: bool
) -> None:
    """It has the name while the former one is purged; each has what was uploaded to it."""
    server = _slow(serve, root, tmp_path / "spool")
    with wire(server, agent=WINDOWS) as client:
        assert client.ask("DELETE", "/a").status == 204
        assert client.ask("MKCOL", "/a").status == 201
        assert len(hidden(root)) == 2
        assert arrived(client, "/a/file") == -1
        assert put_part(client, "/a/file", CONTENT, 0, HALF + 1).status == 202
        assert len(hidden(root)) == 3
        if kill:
            server.stop(signal.SIGKILL)
            server.start()
    with wire(server) as client:
        if kill:
            server.wait_for_log("recovery is complete")
            # Any change of a tree looks for what is left.
            assert client.ask("MKCOL", "/b").status == 201
            assert client.ask("DELETE", "/b").status == 204
        until(lambda: len(hidden(root)) == 1, "the former upload is gone with its collection")
        assert arrived(client, "/a/file") == HALF + 1
        assert put_part(client, "/a/file", CONTENT, HALF + 1, len(CONTENT)).status == 201
    assert hidden(root) == []
    assert (root / "a" / "file").read_bytes() == CONTENT
