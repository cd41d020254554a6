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
from harness.trees import contents, members, plant
from harness.waiting import until
from harness.wire import Wire

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


def _sees(server: RunningServer, root: Path, name: str, content: bytes) -> None:
    """davfs2 uploads on its own time; in the end the file is there, and nobody has locked it."""
    until(
        lambda: (root / name).exists() and (root / name).read_bytes() == content, "it is uploaded"
    )
    with Wire(server.host, server.port) as other:
        until(lambda: other.ask("PUT", f"/{name}", {}, content).status == 204, "it is unlocked")


def test_a_file_is_written_back_from_the_cache(serve: Serve, davfs: Mount, root: Path) -> None:
    """Opened to write it is locked, closed it is uploaded with its token and unlocked."""
    (root / "notes").write_bytes(b"old")
    server = serve()
    mount = davfs(server)
    with (mount / "notes").open("r+b") as file, Wire(server.host, server.port) as other:
        assert other.ask("PUT", "/notes", {}, b"of somebody else").status == 423
        file.write(b"new")
    _sees(server, root, "notes", b"new")
    server.wait_for_log('"UNLOCK /notes')


def test_vim_saves_over_a_mount(serve: Serve, davfs: Mount, root: Path) -> None:
    """The probe ``4913``, the old file renamed to ``x~``, the new one written, ``x~`` removed.

    The calls of vim's buf_write (src/bufwrite.c) with ``writebackup`` and ``backupcopy=no``.
    """
    (root / "notes").write_bytes(b"old")
    server = serve()
    mount = davfs(server)
    os.close(os.open(mount / "4913", os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_NOFOLLOW))
    os.unlink(mount / "4913")
    os.rename(mount / "notes", mount / "notes~")
    fd = os.open(mount / "notes", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, b"new lines\n")
    os.fsync(fd)
    os.close(fd)
    assert (mount / "notes~").read_bytes() == b"old"
    os.unlink(mount / "notes~")
    _sees(server, root, "notes", b"new lines\n")
    until(lambda: members(root) == ["notes"], "nothing else is left")
