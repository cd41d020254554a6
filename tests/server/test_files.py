"""Parts of files on their way out."""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from davkeep.server.stream import Disconnected, Outlet

CONTENT = os.urandom(3 * 1024 * 1024 + 17)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: the server's end, which has a timeout, and the client's."""
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """An open file."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def _written(ours: socket.socket, theirs: socket.socket, *part: int) -> tuple[int, bytes]:
    """What `write_file` returns, and what arrives."""
    arrived = bytearray()

    def read() -> None:
        while block := theirs.recv(65536):
            arrived.extend(block)

    reader = threading.Thread(target=read)
    reader.start()
    written = Outlet(ours).write_file(*part)
    ours.shutdown(socket.SHUT_WR)
    reader.join()
    return written, bytes(arrived)


@pytest.mark.parametrize(
    ("position", "length"), [(0, len(CONTENT)), (5, 1), (1000, 2_000_000), (7, 0)]
)
@pytest.mark.parametrize("refuses", [False, True])
def test_a_part(
    monkeypatch: pytest.MonkeyPatch,
    ends: tuple[socket.socket, socket.socket],
    file: int,
    refuses: bool,
    position: int,
    length: int,
) -> None:
    """It arrives, also where the kernel cannot send it by itself."""

    def refuse(*_: Any) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    if refuses:
        monkeypatch.setattr(os, "sendfile", refuse)
    expected = CONTENT[position : position + length]
    assert _written(*ends, file, position, length) == (length, expected)


@pytest.mark.parametrize("position", [len(CONTENT) - 10, len(CONTENT) + 10])
def test_a_file_that_is_shorter(
    ends: tuple[socket.socket, socket.socket], file: int, position: int
) -> None:
    """What there is of it is written, and told."""
    there = CONTENT[position:]
    assert _written(*ends, file, position, 100) == (len(there), there)


def test_a_client_that_does_not_read(ends: tuple[socket.socket, socket.socket], file: int) -> None:
    """Its time is over."""
    ours, _ = ends
    ours.settimeout(0.01)
    outlet = Outlet(ours)
    with pytest.raises(Disconnected):
        outlet.write_file(file, 0, len(CONTENT))
    assert outlet.waits_since is None


def test_a_client_that_has_gone(ends: tuple[socket.socket, socket.socket], file: int) -> None:
    """It is not taken for a file that cannot be sent."""
    ours, theirs = ends
    theirs.close()
    with pytest.raises(Disconnected):
        Outlet(ours).write_file(file, 0, len(CONTENT))


def test_a_file_that_cannot_be_read(
    ends: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    """It is not taken for a client that has gone."""
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(IsADirectoryError):
        Outlet(ends[0]).write_file(fd, 0, 100)
    os.close(fd)
