"""A world for real clients: their programs, file systems to cross, and work that takes a while."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness import programs
from harness.server import RunningServer, Serve
from harness.trees import plant

#: Seconds between interim responses, and before the first, in `slow`.
BEAT = 0.1
#: Files in `tree`.
FILES = 30
#: Bytes of `big`, which takes about a second in `slow` and is too large for `small`.
SIZE = 4 * 1024 * 1024


@pytest.fixture(scope="session")
def client() -> Callable[[str], str]:
    """``client("litmus")`` is the path of a program; says how to get one that is missing."""
    return programs.find


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program with a home and a working folder of its own, and no terminal."""
    home = tmp_path / "home"
    home.mkdir()
    return partial(programs.run, home=home)


@pytest.fixture
def may_mount(client: Callable[[str], str]) -> None:
    """Only root can mount."""
    client("mount")
    client("umount")
    if os.geteuid() != 0:
        programs.missing("only root can mount; run the tests as root")


@pytest.fixture
def may_mount_fuse(may_mount: None) -> None:
    """Only where the kernel lets programs be file systems."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        programs.missing(
            "/dev/fuse is missing; in a container: --device /dev/fuse --cap-add SYS_ADMIN"
        )


@pytest.fixture
def tmpfs(may_mount: None) -> Iterator[Callable[..., Path]]:
    """``tmpfs(folder)`` makes a folder a file system of its own, with room for ``size``."""
    with ExitStack() as mounted:

        def mount(point: Path, size: str = "64m") -> Path:
            point.mkdir()
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", point], check=True
            )
            mounted.callback(subprocess.run, ["umount", "-l", point], check=True)
            return point

        yield mount


@pytest.fixture
def share(root: Path) -> Path:
    """The served folder, with a tree of members and a large file."""
    plant(root / "tree", FILES)
    (root / "big").write_bytes(os.urandom(SIZE))
    (root / "hello").write_bytes(b"hello")
    return root


@pytest.fixture
def slow(serve: Serve, share: Path) -> Callable[..., RunningServer]:
    """A server that takes about a second for `tree` and for `big`, and beats meanwhile."""

    def started(**davkeep: Any) -> RunningServer:
        blocks: dict[str, Any] = {
            "keepalive": {"first_after": BEAT, "interval": BEAT},
            "operations": {
                "grace": 0,
                "max_members_per_second": FILES,
                "max_bytes_per_second": SIZE,
            },
        }
        return serve(**{**blocks, **davkeep})

    return started


@pytest.fixture(scope="session")
def interims() -> Callable[..., int]:
    """``interims(server, "COPY")``: how many interim responses it logged for the method."""

    def counted(server: RunningServer, method: str = "") -> int:
        pattern = rf"^.* 102 Processing to \S+, {method}"
        return len(re.findall(pattern, server.log, re.MULTILINE))

    return counted
