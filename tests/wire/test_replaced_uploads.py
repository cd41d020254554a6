"""Two requests of one user on one upload: who was replaced touches nothing any more."""

import hashlib
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.server import DEADLINE, RunningServer
from harness.uploads import begin_part, put_part, ranged
from harness.waiting import until
from harness.wire import Wire

CONTENT = random.Random(22).randbytes(100_000)
LENGTH = len(CONTENT)
MIDDLE = 60_000


@pytest.fixture(scope="module", params=["beside", "spool"])
def server(tmp_path_factory: pytest.TempPathFactory, request: Any) -> Iterator[RunningServer]:
    """Hidden files beside their targets, or in a folder of their own."""
    folder = tmp_path_factory.mktemp("replaced")
    for name in ("root", "spool"):
        (folder / name).mkdir()
    spool = str(folder / "spool") if request.param == "spool" else None
    running = RunningServer(folder, folder / "root", {"davkeep": {"put": {"spool": spool}}})
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.fixture
def root(server: RunningServer) -> Iterator[Path]:
    """The folder that is served; nothing is left of what was uploaded to it."""
    assert server.root is not None
    yield server.root
    (server.root / "f").unlink()
    until(lambda: sizes(server.root) == [], "nothing is hidden")


def sizes(root: Path) -> list[int]:
    """Bytes of everything that is out of sight, in the share and in the spool."""
    return [path.stat().st_size for path in hidden_files(root)]


def hidden_files(root: Path) -> list[Path]:
    """What is out of sight, in the share and in the spool."""
    return [*root.glob(".davkeep-*"), *(root.parent / "spool").iterdir()]


def status(sock: socket.socket) -> int:
    """Status of the response on a connection, which is closed then."""
    with sock, sock.makefile("rb") as stream:
        return int(stream.readline().split()[1])


def begin_chunked(server: RunningServer, content: bytes) -> socket.socket:
    """Begin the whole file as one range in chunks, the first of which is ``content``."""
    sock = socket.create_connection((server.host, server.port), DEADLINE)
    (value,) = ranged(0, LENGTH, LENGTH).values()
    head = f"PUT /f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Range: {value}"
    sock.sendall(f"{head}\r\n\r\n".encode() + chunk(content))
    return sock


def chunk(content: bytes) -> bytes:
    """One chunk of a body (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(content), content)


#: How the body of the request goes on that was replaced, and how that is answered: by nothing if
#: its connection is closed instead.
ENDS: dict[str, tuple[bytes, int | None]] = {
    "too early": (b"0\r\n\r\n", 409),
    "as it should": (chunk(CONTENT[10:]) + b"0\r\n\r\n", 409),
    "too late": (chunk(CONTENT[10:] + b"more") + b"0\r\n\r\n", 409),
    "malformed": (b"no chunk\r\n", 400),
    "not at all": (b"", None),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_stale_request_leaves_the_newer_one_alone(
    server: RunningServer, root: Path, end: tuple[bytes, int | None]
) -> None:
    """However its body ends, 201 is said of the bytes that the newer one sent."""
    rest, expected = end
    stale = begin_chunked(server, b"0123456789")
    until(lambda: sizes(root) == [10], "the first request has written")
    newer = begin_part(server, "/f", ranged(0, LENGTH, LENGTH), LENGTH)
    newer.sendall(CONTENT[:MIDDLE])
    until(lambda: sizes(root) == [MIDDLE], "the newer request has written")
    stale.sendall(rest)
    if expected is None:
        stale.close()
    else:
        assert status(stale) == expected
    newer.sendall(CONTENT[MIDDLE:])
    assert status(newer) == 201
    assert (root / "f").read_bytes() == CONTENT
    assert sizes(root) == []


def test_two_whole_puts_have_files_of_their_own(server: RunningServer, root: Path) -> None:
    """Also in a spool: what one writes is never in the other's, whoever ends first."""
    first = begin_part(server, "/f", {}, LENGTH)
    first.sendall(CONTENT[:10])
    second = begin_part(server, "/f", {}, LENGTH)
    second.sendall(CONTENT[::-1][:20])
    until(lambda: sorted(sizes(root)) == [10, 20], "both have written")
    second.sendall(CONTENT[::-1][20:])
    assert status(second) == 201
    first.sendall(CONTENT[10:])
    assert status(first) == 204
    assert (root / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["PUT", "range", "PATCH"])
def test_a_staged_file_that_another_program_cut(
    server: RunningServer, root: Path, kind: str
) -> None:
    """500, and the old content stays: sizes are compared before anything is stored."""
    (root / "f").write_bytes(b"old")
    fields = {
        "PUT": {},
        "range": ranged(0, LENGTH, LENGTH),
        "PATCH": {
            "Content-Type": "application/x-sabredav-partialupdate",
            "X-Update-Range": "append",
        },
    }[kind]
    sock = begin_part(server, "/f", fields, LENGTH, method="PATCH" if kind == "PATCH" else "PUT")
    sock.sendall(CONTENT[:MIDDLE])
    # A PATCH has two files, and where blocks are shared one that begins with what was there.
    until(lambda: max(sizes(root), default=0) >= MIDDLE, "it has written")
    hidden = max(hidden_files(root), key=lambda path: path.stat().st_size)
    os.truncate(hidden, LENGTH + 5)
    sock.sendall(CONTENT[MIDDLE:])
    assert status(sock) == 500
    assert (root / "f").read_bytes() == b"old"


def test_the_digest_is_of_what_is_stored(server: RunningServer, root: Path, wire: Any) -> None:
    """One that another program has changed meanwhile does not have it, though all of it came."""
    client: Wire = wire(server)
    digest = {"OC-Checksum": f"SHA1:{hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest()}"}
    head = {**ranged(0, LENGTH, LENGTH), **digest}
    sock = begin_part(server, "/f", head, LENGTH)
    sock.sendall(CONTENT[:MIDDLE])
    until(lambda: sizes(root) == [MIDDLE], "it has written")
    (hidden,) = [*root.glob(".davkeep-*"), *(root.parent / "spool").iterdir()]
    with hidden.open("r+b") as file:
        file.write(bytes(MIDDLE))
    sock.sendall(CONTENT[MIDDLE:])
    assert status(sock) == 400
    assert not (root / "f").exists()
    assert put_part(client, "/f", CONTENT, 0, LENGTH, digest).status == 201
