"""Closing without losing the answer, when nobody looked for a while."""

import socket
import time

import pytest

from davkeep.server.lingering import BLOCK, QUIET, Lingering


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    """A client, and the server's side of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


@pytest.mark.parametrize("amount", [100, BLOCK * 3])
def test_what_came_while_nobody_looked(
    pair: tuple[socket.socket, socket.socket], amount: int
) -> None:
    """A client that has sent its last byte by then gets its answer, and no reset."""
    client, ours = pair
    lingering = Lingering()
    ours.sendall(b"answer")
    lingering.take(ours)
    now = time.monotonic()
    lingering._admit(now)
    client.sendall(b"x" * amount)
    client.shutdown(socket.SHUT_WR)
    lingering._patrol(now + QUIET + 1)
    assert ours.fileno() == -1
    assert client.recv(100) == b"answer"
    assert client.recv(100) == b""
    client.close()
    lingering._close()


def test_one_that_is_quiet(pair: tuple[socket.socket, socket.socket]) -> None:
    """It is closed, and one that sends is not."""
    client, ours = pair
    lingering = Lingering()
    lingering.take(ours)
    now = time.monotonic()
    lingering._admit(now)
    client.sendall(b"x")
    lingering._patrol(now + QUIET + 1)
    assert ours.fileno() >= 0
    lingering._patrol(now + 2 * (QUIET + 1))
    assert ours.fileno() == -1
    client.close()
    lingering._close()
