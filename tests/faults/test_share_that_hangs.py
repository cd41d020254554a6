"""A share whose disk answers nothing: uploads to the others are begun, asked for and dropped."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from davkeep.dav.uploads.sweeper import Sweeper
from davkeep.store.uploads import StoredUpload
from harness.server import DEADLINE, RunningServer, Serve
from harness.states import image_mounted
from harness.uploads import begin_part, offset, put_part, ranged, upload_path
from harness.waiting import until
from harness.wire import Wire

CONTENT = bytes(range(256)) * 1000
TOTAL = len(CONTENT)
HALF = TOTAL // 2


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A file system, and what stops everything that writes to it; it goes on afterwards."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts")
    with image_mounted(tmp_path, "ext4", 16) as disk:
        freezing: list[bool] = []

        def freeze() -> None:
            subprocess.run(["fsfreeze", "--freeze", str(disk)], check=True)
            freezing.append(True)

        try:
            yield disk, freeze
        finally:
            if freezing:
                subprocess.run(["fsfreeze", "--unfreeze", str(disk)], check=True)


@pytest.fixture
def server(serve: Serve, tmp_path: Path, frozen: Any) -> RunningServer:
    """A server of that and of an ordinary folder."""
    (tmp_path / "near" / "tree").mkdir(parents=True)
    (frozen[0] / "tree").mkdir()
    return serve({"provider_mapping": {"/near": str(tmp_path / "near"), "/far": str(frozen[0])}})


def test_uploads_to_other_shares_go_on(server: RunningServer, frozen: Any, wire: Any) -> None:
    """While one to the share that hangs waits, as do a part that begins and a removal."""
    client: Wire = wire(server)
    for path in ("/near/tree/a", "/far/tree/a", "/far/tree/b"):
        assert put_part(client, path, CONTENT, 0, HALF).status == 202
    frozen[1]()
    waiting = [
        begin_part(server, f"/far/tree/{name}", ranged(HALF, TOTAL, TOTAL), TOTAL - HALF)
        for name in "ab"
    ]
    waiting.append(begin_part(server, "/far/new", ranged(0, TOTAL, TOTAL), TOTAL))
    for sock in waiting:
        sock.sendall(CONTENT[HALF:])
    removing = wire(server)
    removing.send("DELETE", upload_path("/far/tree/b"))
    # The disk hangs in the middle of it: what is asked for next comes after that.
    assert client.ask("GET", "/near/").status == 200
    for number in range(3):
        path = f"/near/new{number}"
        assert put_part(client, path, CONTENT, 0, HALF).status == 202
        assert offset(client.ask("HEAD", upload_path(path))) == HALF
        assert put_part(client, path, CONTENT, HALF, TOTAL).status == 201
        assert put_part(client, f"{path}-all", CONTENT, 0, TOTAL).status == 201
    assert b'"/far/tree/a"' in client.ask("GET", "/.davkeep/uploads").body
    assert client.ask("DELETE", "/near/tree").status == 204
    assert client.ask("HEAD", upload_path("/near/tree/a")).status == 404
    for sock in waiting:
        sock.close()


class Known:
    """Uploads to two shares, of which one does not answer."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked: list[bytes] = []

    def all(self) -> list[StoredUpload]:
        """One to each."""
        return [
            StoredUpload(path.decode(), path, "", "", 1, None, None, 0.0)
            for path in (b"/far/file", b"/near/file")
        ]

    def recover(self, rows: Iterable[StoredUpload]) -> int:
        """Look at some."""
        for row in rows:
            self.asked.append(row.path)
            if row.path.startswith(b"/far/"):
                assert self.answers.wait(DEADLINE)
        return 0

    expire = recover


def test_the_sweeper_looks_at_the_others() -> None:
    """Again and again, and at the one that hangs when that answers."""
    known = Known()
    sweeper = Sweeper(known, [b"/far", b"/near"], interval=0.01)  # type: ignore[arg-type]
    sweeper.start()
    try:
        until(lambda: known.asked.count(b"/near/file") > 3, "the others are looked at")
        assert known.asked.count(b"/far/file") == 1
        known.answers.set()
        until(lambda: known.asked.count(b"/far/file") > 3, "it is looked at again")
    finally:
        known.answers.set()
        sweeper.stop()
