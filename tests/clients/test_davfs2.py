"""A davfs2 mount whose patience is shorter than the work."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.clients.davfs2 import mounted
from harness.server import RunningServer, Serve
from harness.trees import contents, plant
from harness.waiting import until

#: Seconds that davfs2 waits for a sign of life.
PATIENCE = 4
#: Seconds that the MOVE takes.
LENGTH = 8.0
#: Members of the tree in a second; n members take (n - 1) / limit seconds.
RATE = 10

Mount = Callable[[RunningServer], Path]


@pytest.fixture
def davfs(client: Callable[[str], str], may_mount_fuse: None) -> Iterator[Mount]:
    """Mount a server's root with davfs2; unmounted, and its process ended, with the test."""
    client("mount.davfs")
    with ExitStack() as mounts:
        yield lambda server: mounts.enter_context(mounted(server.url, PATIENCE))


@pytest.fixture
def far(tmpfs: Callable[..., Path], root: Path) -> Path:
    """A file system of its own below the share, beside a tree that takes `LENGTH` to go there."""
    plant(root / "tree", round(LENGTH * RATE))
    return tmpfs(root / "far")


def _server(serve: Serve, interim: str) -> RunningServer:
    return serve(
        keepalive={"interim": interim, "first_after": 1, "interval": 1},
        operations={"max_members_per_second": RATE},
    )


def test_interim_responses_keep_it_waiting(
    serve: Serve, davfs: Mount, far: Path, root: Path, interims: Callable[..., int]
) -> None:
    """With `auto` the rename succeeds, twice as long as davfs2's patience though it takes."""
    server = _server(serve, "auto")
    mount = davfs(server)
    tree = contents(root / "tree")
    begun = time.monotonic()
    os.rename(mount / "tree", mount / "far" / "tree")
    assert time.monotonic() - begun > LENGTH - 0.1
    assert interims(server, "MOVE") >= 4
    assert (mount / "far" / "tree" / "00007").read_bytes() == b"7\n"
    assert not (mount / "tree").exists()
    assert contents(far / "tree") == tree
    assert not (root / "tree").exists()


def test_silence_is_an_error(
    serve: Serve, davfs: Mount, far: Path, root: Path, interims: Callable[..., int]
) -> None:
    """With `never` the same rename is an I/O error; the operation ends all the same."""
    server = _server(serve, "never")
    mount = davfs(server)
    tree = contents(root / "tree")
    begun = time.monotonic()
    with pytest.raises(OSError, match=rf"\[Errno {errno.EIO}\]"):
        os.rename(mount / "tree", mount / "far" / "tree")
    assert PATIENCE - 0.5 < time.monotonic() - begun < LENGTH - 0.5
    assert interims(server) == 0
    assert contents(root / "tree") == tree
    until(lambda: not (root / "tree").exists(), "the end of the MOVE")
    assert contents(far / "tree") == tree
