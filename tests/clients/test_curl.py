"""curl takes no interim response for the answer."""

import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.server import RunningServer, Serve
from harness.trees import contents, members
from harness.waiting import until

#: Bytes of a file that is sent.
SIZE = 3_000_000

Slow = Callable[..., RunningServer]
Tmpfs = Callable[..., Path]


@dataclass(frozen=True)
class Seen:
    """What curl saw of one request's responses, and what it made of them."""

    statuses: list[int]  #: of all responses, interim ones included
    answer: int  #: the status that curl reports
    connections: int  #: how many it opened for this request
    body: bytes
    head: str  #: the header fields of all responses

    @property
    def interims(self) -> set[int]:
        """The statuses before the final one."""
        return set(self.statuses[:-1])


Curl = Callable[..., list[Seen]]


@pytest.fixture
def curl(
    client: Callable[[str], str],
    run: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> Curl:
    """Run curl for several requests, each given as its arguments; it has to succeed."""
    program = client("curl")

    def ran(*requests: list[str]) -> list[Seen]:
        command = [program]
        for number, request in enumerate(requests):
            files = ["-D", f"{tmp_path}/head-{number}", "-o", f"{tmp_path}/body-{number}"]
            (tmp_path / f"body-{number}").write_bytes(b"")
            report = ["-w", r"%{http_code} %{num_connects}\n"]
            command += (["--next"] if number else []) + ["-sS", *files, *report, *request]
        done = run(*command)
        assert done.returncode == 0, done.stderr
        return [
            _seen(tmp_path, number, line) for number, line in enumerate(done.stdout.splitlines())
        ]

    return ran


def _seen(folder: Path, number: int, report: str) -> Seen:
    answer, connections = report.split()
    heads = (folder / f"head-{number}").read_text()
    return Seen(
        statuses=[int(status) for status in re.findall(r"^HTTP/1\.1 (\d+)", heads, re.MULTILINE)],
        answer=int(answer),
        connections=int(connections),
        body=(folder / f"body-{number}").read_bytes(),
        head=heads,
    )


def _transfer(server: RunningServer, method: str, source: str, destination: str) -> list[str]:
    return ["-X", method, "-H", f"Destination: {server.url}{destination}", server.url + source]


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_transfer(curl: Curl, slow: Slow, tmpfs: Tmpfs, share: Path, method: str) -> None:
    """COPY and MOVE across file systems end in 201, and the next request has its own answer."""
    far = tmpfs(share / "far")
    tree = contents(share / "tree")
    server = slow()
    transfer, get = curl(_transfer(server, method, "tree", "far/tree"), [server.url + "hello"])
    assert (transfer.answer, transfer.body) == (201, b"")
    assert transfer.interims == {102}
    assert len(transfer.statuses) > 4
    assert (get.statuses, get.answer, get.body, get.connections) == ([200], 200, b"hello", 0)
    assert contents(far / "tree") == tree
    assert (share / "tree").exists() == (method == "COPY")


def test_delete(curl: Curl, slow: Slow, share: Path) -> None:
    """DELETE ends in 204, and the next request has its own answer."""
    server = slow()
    deleted, get = curl(["-X", "DELETE", server.url + "tree"], [server.url + "hello"])
    assert (deleted.answer, deleted.interims) == (204, {102})
    assert (get.answer, get.body, get.connections) == (200, b"hello", 0)
    assert not (share / "tree").exists()


def test_failure(curl: Curl, slow: Slow, tmpfs: Tmpfs, share: Path) -> None:
    """An operation that fails after interim responses is reported as it failed."""
    small = tmpfs(share / "small", size="1m")
    server = slow()
    failed, get = curl(_transfer(server, "COPY", "big", "small/big"), [server.url + "hello"])
    assert (failed.answer, failed.interims) == (507, {102})
    assert (get.answer, get.body, get.connections) == (200, b"hello", 0)
    assert members(small) == []


def test_upload_with_a_spool(
    curl: Curl, slow: Slow, tmpfs: Tmpfs, share: Path, tmp_path: Path
) -> None:
    """A PUT whose commit crosses file systems: 100 before the body, 102s after it, then 201."""
    server = slow(put={"spool": str(tmpfs(tmp_path / "spool"))})
    put, get = curl(["-T", str(share / "big"), server.url + "put"], [server.url + "put"])
    assert put.answer == 201
    assert put.statuses[0] == 100
    assert set(put.statuses[1:-1]) == {102}
    assert (get.answer, get.connections) == (200, 0)
    assert get.body == (share / "put").read_bytes() == (share / "big").read_bytes()
    assert list((tmp_path / "spool").iterdir()) == []


def test_an_upload_that_is_resumed(
    curl: Curl, client: Callable[[str], str], serve: Serve, share: Path, tmp_path: Path
) -> None:
    """Killed in the middle of one range that is all, curl goes on at the offset that HEAD tells."""
    server = serve()
    whole = tmp_path / "whole"
    whole.write_bytes(os.urandom(SIZE))
    slowly = ["--limit-rate", "1M", "-T", str(whole), "-C", "-", server.url + "new"]
    with subprocess.Popen(
        [client("curl"), "-sS", *slowly], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        until(lambda: sum(path.stat().st_size for path in server.staging()) > 300_000, "a part")
        first.kill()
    server.wait_for_log('"PUT /new" 400')
    (staged,) = server.staging()
    (told,) = curl(["-I", f"{server.url}.davkeep/uploads/new"])
    assert told.answer == 204
    (offset,) = re.findall(r"^upload-offset: (\d+)", told.head.lower(), re.MULTILINE)
    assert 0 < int(offset) == staged.stat().st_size < SIZE
    early, last = curl(
        ["-T", str(whole), "-C", str(int(offset) + 1), server.url + "new"],
        ["-T", str(whole), "-C", offset, server.url + "new"],
    )
    assert (early.answer, last.answer) == (409, 201)
    assert (share / "new").read_bytes() == whole.read_bytes()
    assert server.staging() == []


def test_an_upload_with_a_checksum_and_a_time(
    curl: Curl, serve: Serve, share: Path, tmp_path: Path
) -> None:
    """As ownCloud's clients send them: a wrong checksum leaves the old content."""
    server = serve()
    (tmp_path / "new").write_bytes(b"new")
    upload = ["-T", str(tmp_path / "new"), "-H", "X-OC-Mtime: 1000000000"]
    wrong, right = (f"OC-Checksum: SHA1:{hashlib.sha1(text).hexdigest()}" for text in (b"", b"new"))
    (refused,) = curl([*upload, "-H", wrong, server.url + "hello"])
    assert refused.answer == 400
    assert b"OC-Checksum" in refused.body
    assert (share / "hello").read_bytes() == b"hello"
    (stored,) = curl([*upload, "-H", right, server.url + "hello"])
    assert stored.answer == 204
    assert (share / "hello").read_bytes() == b"new"
    assert (share / "hello").stat().st_mtime == 1_000_000_000
