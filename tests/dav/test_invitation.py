"""OPTIONS invites to PATCH only where it costs what its part costs.

Who is invited sends every file that way: Obsidian's Remotely Save looks for the class in the answer
for its base folder (``_checkPartialSupport``, src/fsWebdav.ts of remotely-save/remotely-save), and
sends what has more than 10 MiB by a PUT of nothing and a PATCH of each 5 MiB; webdavfs in the
answer for what it mounts (``Mount``, webdav.go of miquels/webdavfs), and goes on by a PATCH of each
128 KB. The package `webdav` of npm looks for it in the answer for the file, before each part.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.images import SHARING, disk_of, places
from harness.server import RunningServer, Serve
from harness.states import fill
from harness.trees import members
from harness.waiting import until
from harness.wire import Wire

INVITATION = "sabredav-partialupdate"
KIND = "application/x-sabredav-partialupdate"

#: Bytes that Remotely Save sends at once (src/fsWebdav.ts, 5 MiB), and that webdavfs does.
PART = 5 * 1024 * 1024
BLOCK = 4096


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A folder on a disk of each kind."""
    with ExitStack() as opened:
        found = {}
        for kind in (*SHARING, "ext4"):
            disk = opened.enter_context(disk_of(kind, tmp_path_factory.mktemp(kind)))
            found[kind] = disk / "share"
            found[kind].mkdir()
        yield found


@pytest.fixture(scope="module")
def server(
    disks: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server with each of them as a share, and one that is read-only."""
    shares: dict[str, Any] = {f"/{kind}": str(folder) for kind, folder in disks.items()}
    shares["/fixed"] = {"root": str(disks["btrfs"]), "readonly": True}
    running = RunningServer(tmp_path_factory.mktemp("server"), None, {"provider_mapping": shares})
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.fixture
def client(server: RunningServer) -> Iterator[Wire]:
    """A connection to it."""
    with Wire(server.host, server.port) as opened:
        yield opened


def invited(client: Wire, path: str) -> bool:
    """Whether OPTIONS invites; it says all of it, or nothing."""
    fields = client.ask("OPTIONS", path).fields
    allowed, classes = fields["Allow"].split(", "), fields["Dav"].split(", ")
    assert classes[:3] == ["1", "2", "3"]
    assert ("PATCH" in allowed) == ("Accept-Patch" in fields)
    if "PATCH" in allowed:
        assert INVITATION in classes
    return INVITATION in classes


def comes_to_invite(client: Wire, path: str) -> None:
    """Wait until it does, for a busy disk may take longer than somebody who asks waits for it."""
    until(lambda: invited(client, path), f"{path} is found out")


def append(client: Wire, path: str, part: bytes) -> None:
    """Append as Remotely Save and webdavfs do, each by its position."""
    size = int(client.ask("HEAD", path).fields["Content-Length"])
    where = f"bytes={size}-{size + len(part) - 1}"
    fields = {"Content-Type": KIND, "X-Update-Range": where}
    assert client.ask("PATCH", path, fields, part).status == 204


@pytest.mark.parametrize("kind", [*SHARING, "ext4"])
def test_where_blocks_are_shared(client: Wire, disks: dict[str, Path], kind: str) -> None:
    """The collection, what is in it, and what may come: all of a share, or nothing of it."""
    (disks[kind] / "file").write_bytes(b"1")
    (disks[kind] / "folder").mkdir()
    if kind in SHARING:
        comes_to_invite(client, f"/{kind}/")
    for name in ("", "file", "folder/", "new", "folder/new"):
        assert invited(client, f"/{kind}/{name}") is (kind in SHARING)
    fields = client.ask("OPTIONS", f"/{kind}/file").fields
    assert ("PATCH" in fields["Allow"].split(", ")) is (kind in SHARING)
    assert fields.get("Accept-Patch") == (KIND if kind in SHARING else None)
    assert "PATCH" not in client.ask("OPTIONS", f"/{kind}/").fields["Allow"].split(", ")
    # Nothing is there of how it was found out.
    assert sorted(members(disks[kind])) == ["file", "folder"]


def test_where_nothing_can_be_patched(client: Wire) -> None:
    """No invitation to what is read-only, to what is no share, or below what is not there."""
    for path in ("/fixed/", "/fixed/file", "/", "*", "/btrfs/missing/new"):
        assert not invited(client, path)


def test_without_an_invitation_it_works(client: Wire, disks: dict[str, Path]) -> None:
    """Who sends a PATCH all the same is answered as everywhere."""
    assert client.ask("PUT", "/ext4/patched", {}, b"").status == 201
    for part in (b"abc", b"def"):
        append(client, "/ext4/patched", part)
    assert (disks["ext4"] / "patched").read_bytes() == b"abcdef"


@pytest.mark.parametrize("kind", SHARING)
@pytest.mark.parametrize("size", [PART, 128 * 1000])
def test_an_upload_by_invitation(
    client: Wire, disks: dict[str, Path], kind: str, size: int
) -> None:
    """What clients send after an invitation is stored once, though each part makes a new file."""
    file, path, content = disks[kind] / "large", f"/{kind}/large", b""
    assert client.ask("PUT", path, {}, b"").status in (201, 204)
    stayed: dict[int, int] = {}
    for number in range(4):
        part = random.Random(number).randbytes(size)
        append(client, path, part)
        content += part
        found = places(file)
        whole = (len(content) - size) // BLOCK
        assert {block: found[block] for block in range(whole)} == {
            block: stayed[block] for block in range(whole)
        }
        stayed = found
    assert file.read_bytes() == content
    assert [name for name in members(file.parent) if name.startswith(".")] == []


def test_a_disk_inside_a_share(client: Wire, disks: dict[str, Path]) -> None:
    """It is found out by the first who asks there: each disk speaks for itself."""
    folder = disks["ext4"] / "above"
    folder.mkdir()
    with disk_of("btrfs", folder):
        comes_to_invite(client, "/ext4/above/disk")
        assert invited(client, "/ext4/above/disk/new")
        assert not invited(client, "/ext4/above")


def test_a_disk_that_tells_nothing(serve: Serve, tmp_path: Path) -> None:
    """One that is full at the start gives no answer, and is tried again when somebody asks."""
    with disk_of("btrfs", tmp_path / "btrfs") as disk:
        fill(disk)
        server = serve({"provider_mapping": {"/": str(disk)}})
        with Wire(server.host, server.port) as client:
            assert not invited(client, "/")
            (disk / "filler").unlink()
            os.sync()
            comes_to_invite(client, "/")


def test_a_disk_that_hangs(serve: Serve, tmp_path: Path) -> None:
    """A start and an OPTIONS wait only for a moment; once it answers there is an invitation."""
    with disk_of("xfs", tmp_path / "xfs") as disk:
        subprocess.run(["fsfreeze", "--freeze", disk], check=True)
        try:
            server = serve({"provider_mapping": {"/": str(disk)}})
            with Wire(server.host, server.port) as client:
                assert not invited(client, "/")
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", disk], check=True)
        with Wire(server.host, server.port) as client:
            comes_to_invite(client, "/")
