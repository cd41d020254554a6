"""Debian's rclone, whose HTTP library gives up at the sixth interim response."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.server import RunningServer
from harness.trees import members

Slow = Callable[..., RunningServer]
Tmpfs = Callable[..., Path]
Rclone = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def rclone(
    client: Callable[[str], str], run: Callable[..., subprocess.CompletedProcess[str]]
) -> Rclone:
    """Run a command of rclone on paths of a server, once."""
    program = client("rclone")

    def ran(server: RunningServer, command: str, *paths: str) -> subprocess.CompletedProcess[str]:
        options = ["--config", "", "--retries", "1", "--webdav-url", server.url]
        return run(program, *options, command, *(f":webdav:{path}" for path in paths))

    return ran


def _asked(server: RunningServer, method: str) -> list[str]:
    """The statuses of a method's requests."""
    lines = [line for line in server.log.splitlines() if f' "{method} ' in line]
    return [line.rsplit('" ', 1)[1].split()[0] for line in lines]


@pytest.mark.parametrize(
    ("command", "source", "method"),
    [("copyto", "big", "COPY"), ("moveto", "big", "MOVE"), ("moveto", "tree", "MOVE")],
)
def test_transfer(
    rclone: Rclone,
    slow: Slow,
    tmpfs: Tmpfs,
    share: Path,
    interims: Callable[..., int],
    command: str,
    source: str,
    method: str,
) -> None:
    """A file or a tree arrives on another file system: asked for once, and in one silence."""
    far = tmpfs(share / "far")
    server = slow()
    done = rclone(server, command, source, f"far/{source}")
    assert done.returncode == 0, done.stderr
    assert _asked(server, method) == ["201"]
    assert "has gone while waiting" not in server.log
    assert interims(server) == 0
    assert (far / source).exists()
    assert (share / source).exists() == (method == "COPY")


def test_purge(rclone: Rclone, slow: Slow, share: Path) -> None:
    """A tree is deleted by one request."""
    server = slow()
    done = rclone(server, "purge", "tree")
    assert done.returncode == 0, done.stderr
    assert _asked(server, "DELETE") == ["204"]
    assert "has gone while waiting" not in server.log
    assert not (share / "tree").exists()


def test_failure(rclone: Rclone, slow: Slow, tmpfs: Tmpfs, share: Path) -> None:
    """An operation that fails is reported as it failed."""
    small = tmpfs(share / "small", size="1m")
    server = slow()
    done = rclone(server, "copyto", "big", "small/big")
    assert done.returncode != 0
    assert "507 Insufficient Storage" in done.stderr
    assert members(small) == []
