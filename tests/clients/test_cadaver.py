"""cadaver, driven as a person types: every command reports the true result."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.server import RunningServer
from harness.trees import contents, members

Slow = Callable[..., RunningServer]
Tmpfs = Callable[..., Path]
#: Runs commands on a server and returns each result: "succeeded", or "failed" and why.
Cadaver = Callable[..., list[str]]


@pytest.fixture
def cadaver(
    client: Callable[[str], str], run: Callable[..., subprocess.CompletedProcess[str]]
) -> Cadaver:
    """Run cadaver with commands on its standard input."""
    program = client("cadaver")

    def typed(server: RunningServer, *commands: str) -> list[str]:
        done = run(program, server.url, stdin="\n".join([*commands, "quit", ""]))
        assert done.returncode == 0, done.stderr
        results = re.split(r"^dav:/> .*\n", done.stdout, flags=re.MULTILINE)[1:-1]
        return [re.split(r"[:'] ", " ".join(each.split()))[-1].rstrip(".") for each in results]

    return typed


def test_commands(
    cadaver: Cadaver, slow: Slow, tmpfs: Tmpfs, share: Path, interims: Callable[..., int]
) -> None:
    """copy, move, rmcol and delete succeed, on one connection, through interim responses."""
    far = tmpfs(share / "far")
    tree = contents(share / "tree")
    server = slow()
    results = cadaver(
        server,
        "copy tree copied",
        "move copied far/moved",
        "move big far/big",
        "delete far/big",
        "rmcol tree",
    )
    assert results == ["succeeded"] * 5
    assert [interims(server, method) >= 4 for method in ("COPY", "MOVE", "DELETE")] == [True] * 3
    peers = set(re.findall(r"102 Processing to ([^,]+),", server.log))
    assert len(peers) == 1
    assert sorted(members(share)) == ["far", "hello"]
    assert members(far) == ["moved"]
    assert contents(far / "moved") == tree


def test_failure(
    cadaver: Cadaver, slow: Slow, tmpfs: Tmpfs, share: Path, interims: Callable[..., int]
) -> None:
    """A MOVE that fails after interim responses is reported as failed; the next one succeeds."""
    small = tmpfs(share / "small", size="1m")
    server = slow()
    results = cadaver(server, "move big small/big", "move hello small/hello")
    assert results == ["507 Insufficient Storage", "succeeded"]
    assert interims(server, "MOVE") >= 1
    assert members(small) == ["hello"]
    assert (share / "big").exists()
