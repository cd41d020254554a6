"""A davfs2 mount whose patience is shorter than the work."""

import errno
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from harness.server import DEADLINE, RunningServer, Serve
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
    program = client("mount.davfs")
    with ExitStack() as mounted:

        def mount(server: RunningServer) -> Path:
            # Not below pytest's folder: mount.davfs serves as the user davfs2, who cannot enter it.
            folder = Path(tempfile.mkdtemp(prefix="davkeep-davfs2-"))
            folder.chmod(0o755)
            mounted.callback(shutil.rmtree, folder, ignore_errors=True)
            for name in ("cache", "mount"):
                (folder / name).mkdir()
            shutil.chown(folder / "cache", group="davfs2")
            (folder / "cache").chmod(0o770)
            settings = folder / "davfs2.conf"
            settings.write_text(
                f"read_timeout {PATIENCE}\nuse_locks 1\nask_auth 0\ncache_dir {folder}/cache\n"
            )
            point = folder / "mount"
            mounted.callback(_unmount, point)
            done = subprocess.run(
                [program, server.url, point, "-o", f"conf={settings}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return point

        yield mount


def _unmount(point: Path) -> None:
    """Without davfs2's own helper (-i), which would wait for a process that hangs."""
    pid = _process_of(point)
    subprocess.run(["umount", "-i", "-l", point], check=False, capture_output=True)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                signal.pidfd_send_signal(process, number)
                if select.select([process], [], [], 10)[0]:
                    break
        finally:
            os.close(process)


def _process_of(point: Path) -> int | None:
    """The mount.davfs that serves a mount point: the one whose command line names it."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"mount.davfs") and os.fsencode(point) in words:
                return int(folder.name)
    return None


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
