"""A share whose folder goes away while the server runs, and comes back."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.dav import LOCK, multistatus, setting
from harness.server import RunningServer, Serve
from harness.trees import members, plant
from harness.waiting import until
from harness.wire import Response, Wire

LOCKINFO = LOCK.format(scope="exclusive").encode()


@pytest.fixture
def shares(tmp_path: Path) -> dict[str, Path]:
    """Two folders, by their URLs."""
    folders = {"/one": tmp_path / "one", "/two": tmp_path / "two"}
    for folder in folders.values():
        folder.mkdir()
        (folder / "file").write_bytes(b"content")
    return folders


@pytest.fixture
def server(serve: Serve, shares: dict[str, Path]) -> RunningServer:
    """A server over both."""
    mapping = {url: str(folder) for url, folder in shares.items()}
    return serve({"provider_mapping": mapping}, fsync=False)


def _ask(server: RunningServer, method: str, path: str, *more: Any) -> Response:
    with Wire(server.host, server.port) as client:
        return client.ask(method, path, *more)


def _everything(server: RunningServer) -> dict[str, Response]:
    """The answers to all methods, asked of share /one."""
    there, here = ({"Destination": f"{server.url}{share}/new"} for share in ("two", "one"))
    asked = {
        "GET": ("GET", "/one/file"),
        "GET of the root": ("GET", "/one/"),
        "HEAD": ("HEAD", "/one/file"),
        "PROPFIND": ("PROPFIND", "/one/", {"Depth": "1"}),
        "PROPPATCH": ("PROPPATCH", "/one/file", {}, setting(color="red")),
        "PUT": ("PUT", "/one/new", {}, b"1"),
        "MKCOL": ("MKCOL", "/one/collection"),
        "DELETE": ("DELETE", "/one/file"),
        "COPY from": ("COPY", "/one/file", there),
        "COPY to": ("COPY", "/two/file", here),
        "MOVE from": ("MOVE", "/one/file", there),
        "MOVE to": ("MOVE", "/two/file", here),
        "LOCK": ("LOCK", "/one/file", {}, LOCKINFO),
    }
    return {name: _ask(server, *request) for name, request in asked.items()}


def _assert_gone(server: RunningServer) -> None:
    answers = _everything(server)
    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(answers, 503)
    assert all(int(answer.fields["Retry-After"]) > 0 for answer in answers.values())
    assert str(server.folder.parent).encode() not in b"".join(
        answer.body for answer in answers.values()
    )
    assert _ask(server, "GET", "/two/file").body == b"content"
    listed = multistatus(_ask(server, "PROPFIND", "/", {"Depth": "1"}))
    assert set(listed) == {"/", "/one/", "/two/"}


def test_a_folder_that_is_renamed_away(server: RunningServer, shares: dict[str, Path]) -> None:
    """503 with Retry-After for everything; back again all is as it was, without a restart."""
    assert _ask(server, "PROPPATCH", "/one/file", {}, setting(color="red")).status == 207
    token = _ask(server, "LOCK", "/one/file", {}, LOCKINFO).fields["Lock-Token"]
    away = shares["/one"].with_name("away")
    shares["/one"].rename(away)
    _assert_gone(server)
    assert sorted(members(away)) == ["file"]
    assert sorted(members(shares["/two"])) == ["file"]
    away.rename(shares["/one"])
    assert _ask(server, "GET", "/one/file").body == b"content"
    assert b">red<" in _ask(server, "PROPFIND", "/one/file", {"Depth": "0"}).body
    assert _ask(server, "DELETE", "/one/file").status == 423
    assert _ask(server, "DELETE", "/one/file", {"If": f"({token})"}).status == 204


def test_another_folder_takes_its_place(server: RunningServer, shares: dict[str, Path]) -> None:
    """What an administrator puts there is the share from then on."""
    shares["/one"].rename(shares["/one"].with_name("away"))
    shares["/one"].mkdir()
    (shares["/one"] / "file").write_bytes(b"another")
    assert _ask(server, "GET", "/one/file").body == b"another"
    assert _ask(server, "PUT", "/one/new", {}, b"1").status == 201
    assert _ask(server, "DELETE", "/one/").status == 403
    assert sorted(members(shares["/one"])) == ["file", "new"]


@pytest.fixture
def mounts() -> Iterator[ExitStack]:
    """What is unmounted with the test, by root."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts")
    with ExitStack() as stack:
        yield stack


def _mount(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)


def _unmount(folder: Path, *options: str) -> None:
    subprocess.run(["umount", *options, folder], check=False, capture_output=True)


def test_a_disk_that_is_unmounted(serve: Serve, shares: dict[str, Path], mounts: ExitStack) -> None:
    """503, and not the directory below the mount point; nothing keeps it from being unmounted."""
    folder, disk = shares["/one"], shares["/one"].with_name("disk")
    disk.mkdir()
    for point in (disk, folder):
        mounts.callback(_unmount, point, "-l")
    _mount(disk)
    subprocess.run(["mount", "--bind", disk, folder], check=True)
    (folder / "file").write_bytes(b"content")
    mapping = {url: str(folder) for url, folder in shares.items()}
    server = serve({"provider_mapping": mapping})
    assert _ask(server, "PROPPATCH", "/one/file", {}, setting(color="red")).status == 207
    subprocess.run(["umount", folder], check=True)
    assert members(folder) == ["file"]
    _assert_gone(server)
    assert members(folder) == ["file"]
    subprocess.run(["mount", "--bind", disk, folder], check=True)
    (folder / "file").write_bytes(b"content of the disk")
    assert _ask(server, "GET", "/one/file").body == b"content of the disk"
    assert b">red<" in _ask(server, "PROPFIND", "/one/file", {"Depth": "0"}).body
    assert _ask(server, "PUT", "/one/new", {}, b"1").status == 201
    assert sorted(members(folder)) == ["file", "new"]


def test_a_file_system_whose_server_died(
    serve: Serve, shares: dict[str, Path], mounts: ExitStack
) -> None:
    """A FUSE mount that answers "not connected" is 503 until it is mounted anew."""
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("bindfs and /dev/fuse are needed")
    below = shares["/one"].with_name("below")
    shares["/one"].rename(below)
    shares["/one"].mkdir()
    mounts.callback(_unmount, shares["/one"], "-l")

    def bind() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["bindfs", "-f", below, shares["/one"]])
        mounts.callback(process.wait)
        mounts.callback(process.kill)
        until((shares["/one"] / "file").exists, "bindfs has mounted")
        return process

    first = bind()
    mapping = {url: str(folder) for url, folder in shares.items()}
    server = serve({"provider_mapping": mapping})
    assert _ask(server, "GET", "/one/file").body == b"content"
    first.kill()
    first.wait()
    _assert_gone(server)
    _unmount(shares["/one"])
    bind()
    assert _ask(server, "GET", "/one/file").body == b"content"
    assert _ask(server, "PUT", "/one/new", {}, b"1").status == 201


def test_an_operation_whose_share_leaves(serve: Serve, shares: dict[str, Path]) -> None:
    """It ends, whole or not at all, where its folder is now; nothing is left behind there."""
    plant(shares["/one"] / "tree", 60)
    mapping = {url: str(folder) for url, folder in shares.items()}
    server = serve(
        {"provider_mapping": mapping},
        keepalive={"first_after": 0.1, "interval": 0.1},
        operations={"grace": 0, "max_members_per_second": 100},
    )
    with Wire(server.host, server.port) as client:
        client.send("COPY", "/one/tree", {"Destination": f"{server.url}one/new"})
        assert client.interim() == 102
        away = shares["/one"].with_name("away")
        shares["/one"].rename(away)
        status = client.response().status
    assert (away / "new").exists() == (status == 201)
    assert not server.staging(away)


def test_a_disk_that_becomes_read_only(
    serve: Serve, shares: dict[str, Path], mounts: ExitStack
) -> None:
    """Reading goes on, changes are 403, and nothing is lost when it is writable again."""
    folder = shares["/one"]
    mounts.callback(_unmount, folder, "-l")
    _mount(folder)
    (folder / "file").write_bytes(b"content")
    (folder / "tree").mkdir()
    server = serve({"provider_mapping": {url: str(each) for url, each in shares.items()}})
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    assert _ask(server, "GET", "/one/file").body == b"content"
    answers = {
        name: answer.status
        for name, answer in _everything(server).items()
        if name in ("PUT", "MKCOL", "DELETE", "COPY to", "MOVE to", "MOVE from")
    }
    assert answers == dict.fromkeys(answers, 403)
    assert _ask(server, "DELETE", "/one/tree").status in (403, 207)
    assert sorted(members(shares["/two"])) == ["file", "new"]
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    assert sorted(members(folder)) == ["file", "tree"]
    # Until TCP has acknowledged the answer of before, a repeat is told the same.
    until(lambda: _ask(server, "DELETE", "/one/tree").status == 204, "it can be removed again")


def test_a_delete_that_is_undone_while_its_share_is_away(
    serve: Serve, shares: dict[str, Path]
) -> None:
    """What comes back keeps its properties, though its path led nowhere at that moment."""
    tree = shares["/one"] / "tree"
    plant(tree / "slow", 100)
    (tree / "last").mkdir()
    server = serve(
        {"provider_mapping": {url: str(folder) for url, folder in shares.items()}},
        keepalive={"first_after": 0.05, "interval": 0.05},
        operations={"grace": 0, "max_members_per_second": 50, "on_disconnect": "cancel"},
    )
    assert _ask(server, "PROPPATCH", "/one/tree", {}, setting(color="red")).status == 207
    with Wire(server.host, server.port) as client:
        client.send("DELETE", "/one/tree")
        assert client.interim() == 102
        until(lambda: not tree.exists(), "it is out of sight")
        away = shares["/one"].with_name("away")
        shares["/one"].rename(away)
    server.wait_for_log("has gone while waiting")
    until((away / "tree").exists, "what is left of it comes back")
    until(lambda: not server.staging(away), "nothing else is left")
    server.stop()
    away.rename(shares["/one"])
    server.start()
    assert b">red<" in _ask(server, "PROPFIND", "/one/tree", {"Depth": "0"}).body
