"""Real disks: full ones, and one that is slow and cannot exchange names."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.dav import Place, make
from harness.disks import mounted
from harness.faulty import FaultyServer
from harness.server import Serve
from harness.waiting import until
from harness.wire import Wire

#: More than the small file system holds.
LARGE = 2_000_000


@pytest.fixture
def small(here: Place) -> Iterator[Path]:
    """A file system with room for 1 MiB, mounted in the collection."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts")
    with mounted(here.folder / "small", "1m") as folder:
        yield folder


@pytest.mark.parametrize("method", ["COPY", "MOVE", "PUT"])
@pytest.mark.parametrize("name", ["small/old", "small/new"])
def test_a_full_disk_changes_nothing(
    server: FaultyServer,
    here: Place,
    small: Path,
    kept: Callable[..., Any],
    method: str,
    name: str,
) -> None:
    """507; content, properties and locks of both sides stay, and there is room for less again."""
    make(small, {"old": b"old"})
    make(here.folder, {"source": os.urandom(LARGE)})
    before = kept(here, "source", "small/old")
    free = os.statvfs(small).f_bfree
    fields = {"If": before.submitted}
    with here.server_wire() as client:
        if method == "PUT":
            answer = client.ask("PUT", here.path(name), fields, os.urandom(LARGE))
        else:
            to = {"Destination": f"http://{client.host}{here.path(name)}"}
            answer = client.ask(method, here.path("source"), fields | to)
    assert answer.status == 507
    before.check()
    assert os.statvfs(small).f_bfree == free
    assert here.ask("PUT", name, fields, b"x" * 100_000).status in (201, 204)


@pytest.fixture
def slow_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that writes 1 MB a second, and knows no flag of renameat2(2)."""
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("bindfs and /dev/fuse are needed")
    below, point = tmp_path / "below", tmp_path / "slow"
    below.mkdir()
    point.mkdir()
    with ExitStack() as undo:
        subprocess.run(["bindfs", "--write-rate=1M", below, point], check=True)
        undo.callback(subprocess.run, ["umount", "-l", point], check=True)
        yield point


def test_a_slow_disk_that_cannot_exchange(serve: Serve, slow_disk: Path) -> None:
    """COPY over a collection takes its time, kept alive; a reader sees the old, nothing, the new.

    The stated rule: the old one is renamed away and the new one in, so 404 for an instant.
    """
    new = os.urandom(LARGE)
    make(slow_disk, {"tree": {"file": new}, "old": {"file": b"old"}})
    server = serve(
        {"provider_mapping": {"/slow": str(slow_disk)}},
        keepalive={"first_after": 0.2, "interval": 0.2},
    )
    seen: list[tuple[int, bytes]] = []
    with Wire(server.host, server.port) as client, ThreadPoolExecutor(1) as together:
        reader = Wire(server.host, server.port)
        client.send("COPY", "/slow/tree", {"Destination": f"{server.url}slow/old"})
        copying = together.submit(client.response)

        def look() -> bool:
            answer = reader.ask("GET", "/slow/old/file")
            seen.append((answer.status, b"" if answer.status == 404 else answer.body))
            return copying.done()

        until(look, "the COPY ends")
        reader.close()
        answer = copying.result()
    assert answer.status == 204
    assert 102 in answer.interims
    assert set(seen) <= {(200, b"old"), (404, b""), (200, new)}
    assert seen[0] == (200, b"old")
    assert (slow_disk / "old/file").read_bytes() == new
    assert server.staging(slow_disk) == []
