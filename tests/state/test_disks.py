"""A state on a disk that is full or read-only: what there is is served, and it comes back."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.dav import setting
from harness.disks import mounted
from harness.server import RunningServer, Serve
from harness.states import DATABASE, fill, image_mounted, refused
from harness.wire import Wire

#: File systems on loop devices, and MiB that they need at least.
IMAGES = {"ext4": 8, "btrfs": 128}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the tests disks: of every kind in the long form, else where they differ most."""
    if "kind" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-shortage")
        metafunc.parametrize("kind", ["tmpfs", *IMAGES] if every else ["tmpfs", "btrfs"])


@pytest.fixture
def disk(kind: str, tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own for the state."""
    if os.geteuid() != 0 or (kind in IMAGES and shutil.which(f"mkfs.{kind}") is None):
        pytest.skip(f"needs root and mkfs.{kind}")
    with ExitStack() as opened:
        if kind == "tmpfs":
            yield opened.enter_context(mounted(tmp_path / "disk", "2m"))
            return
        try:
            yield opened.enter_context(image_mounted(tmp_path, kind, IMAGES[kind]))
        except subprocess.CalledProcessError:
            pytest.skip(f"{kind} cannot be mounted here")


@pytest.fixture
def server(serve: Serve, root: Path, disk: Path) -> RunningServer:
    """A server with its state on that disk, which has stored a property."""
    (root / "file").write_bytes(b"x")
    server = serve(state=str(disk / "state"))
    with Wire(server.host, server.port) as client:
        assert _sets(client, "before") == 207
    return server


def _sets(client: Wire, name: str, size: int = 10) -> int:
    return client.ask("PROPPATCH", "/file", body=setting(**{name: "x" * size})).status


def _tells(client: Wire, *names: str) -> bool:
    answer = client.ask("PROPFIND", "/file", {"Depth": "0"})
    assert answer.status == 207
    return all(f"x:{name}".encode() in answer.body for name in names)


def _refuses(client: Wire, status: int) -> None:
    """What is there is told, what is to be stored is refused, and what needs no store goes on."""
    for _ in range(3):
        # More than what was written ahead has room for already.
        assert _sets(client, "more", 400_000) == status
        assert _tells(client, "before")
    assert client.ask("GET", "/file").body == b"x"
    assert client.ask("GET", "/.davkeep/health").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_full_disk(server: RunningServer, disk: Path, number: int) -> None:
    """507 for a change, also after a start while it is full, until there is room; never the end."""
    fill(disk)
    with Wire(server.host, server.port) as client:
        _refuses(client, 507)
    status = server.stop(number)
    assert status == (0 if number == signal.SIGTERM else -number)
    assert "Traceback" not in server.log
    server.start()
    with Wire(server.host, server.port) as client:
        _refuses(client, 507)
        (disk / "filler").unlink()
        os.sync()
        assert _sets(client, "after") == 207
    assert server.stop() == 0
    server.start()
    with Wire(server.host, server.port) as client:
        assert _tells(client, "before", "after")
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_read_only_disk(server: RunningServer, disk: Path, number: int) -> None:
    """What is there is served, changes are 403; once it can be written, without another start."""
    server.stop(number)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        server.start()
        with Wire(server.host, server.port) as client:
            _refuses(client, 403)
            assert client.ask("DELETE", "/nothing").status == 404
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            assert _sets(client, "after") == 207
            assert _tells(client, "before", "after")
        assert server.stop() == 0
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        server.start()
        with Wire(server.host, server.port) as client:
            assert _tells(client, "before", "after")
        assert server.stop() == 0
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert "Traceback" not in server.log


def test_the_first_start_on_a_full_disk(disk: Path, root: Path) -> None:
    """One line, and once there is room a start works: nothing half made is in its way."""
    fill(disk)
    state = disk / "state"
    line = refused(state, root)
    assert "No space left" in line or "full" in line
    (disk / "filler").unlink()
    os.sync()
    server = None
    try:
        server = RunningServer(root.parent, root, {"davkeep": {"state": str(state)}})
        assert (state / DATABASE).stat().st_size
    finally:
        if server is not None:
            server.close()


def test_a_spent_quota(serve: Serve, root: Path, tmp_path: Path) -> None:
    """507 under a btrfs quota, where SQLite tells of an I/O error; well again when it is lifted."""
    if os.geteuid() != 0 or shutil.which("btrfs") is None:
        pytest.skip("needs root and btrfs-progs")
    with ExitStack() as opened:
        try:
            disk = opened.enter_context(image_mounted(tmp_path, "btrfs", IMAGES["btrfs"]))
            _btrfs("quota", "enable", str(disk))
        except subprocess.CalledProcessError:
            pytest.skip("btrfs or its quotas cannot be had here")
        volume = disk / "volume"
        _btrfs("subvolume", "create", str(volume))
        (root / "file").write_bytes(b"x")
        server = serve(state=str(volume / "state"))
        with Wire(server.host, server.port) as client:
            assert _sets(client, "before") == 207
            _btrfs("qgroup", "limit", "1M", str(volume))
            fill(volume)
            _refuses(client, 507)
            _btrfs("qgroup", "limit", "none", str(volume))
            assert _sets(client, "after") == 207
            assert _tells(client, "before", "after")
        assert server.stop() == 0
        assert "Traceback" not in server.log


def _btrfs(*arguments: str) -> None:
    subprocess.run(["btrfs", *arguments], check=True, capture_output=True)


def test_a_start_on_a_full_disk_with_much_to_do(
    server: RunningServer, disk: Path, root: Path
) -> None:
    """What a crash has left to be written down keeps nobody from serving: it is done later.

    Folders of uploads that are to be forgotten, and an upload in ranges that is over.
    """
    with Wire(server.host, server.port) as client:
        assert client.ask("PUT", "/new", body=b"content").status == 201
        part = {"Content-Range": "bytes 0-3/8"}
        client.ask("PUT", "/ranged", part, b"part")
    fill(disk)
    server.stop(signal.SIGKILL)
    for _ in range(2):
        server.start()
        with Wire(server.host, server.port) as client:
            assert _tells(client, "before")
            assert client.ask("GET", "/new").body == b"content"
        assert server.stop() == 0
        assert "Traceback" not in server.log
