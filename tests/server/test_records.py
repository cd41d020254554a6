"""TLS records on their way in: how many of them one read takes."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from davkeep.server import TlsAdapter
from davkeep.server.stream import Disconnected, Inlet

#: Bytes of several records, which fit into the socket's buffer.
CONTENT = os.urandom(100_000)

#: Bytes of the largest record (RFC 8446 5.1).
RECORD = 16 * 1024

#: Seconds.
TIMEOUT = 30.0


@pytest.fixture
def ends(adapter: TlsAdapter, authority) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """The server's end of a TLS connection, which has a timeout, and the client's."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    ours, theirs = socket.socketpair()
    secured, _ = adapter.wrap(ours)
    shaking = threading.Thread(target=adapter.handshake, args=(secured, TIMEOUT))
    shaking.start()
    client = context.wrap_socket(theirs, server_hostname="localhost")
    shaking.join()
    with secured, client:
        yield secured, client


@pytest.fixture
def room() -> memoryview:
    """What an upload reads into."""
    return memoryview(bytearray(1024 * 1024))


def test_all_that_are_here(ends, room):
    """One read takes them, and the socket waits as long as before for the next ones."""
    ours, client = ends
    inlet = Inlet(ours)
    client.sendall(CONTENT)
    assert inlet.readinto(room) == inlet.received == len(CONTENT)
    assert room[: len(CONTENT)] == CONTENT
    assert ours.gettimeout() == TIMEOUT


def test_no_more_than_there_is_room_for(ends, room):
    """The rest comes with the next read."""
    ours, client = ends
    inlet = Inlet(ours)
    client.sendall(CONTENT)
    assert inlet.readinto(room[:70_000]) == 70_000
    assert inlet.readinto(room[70_000:]) == 30_000
    assert room[: len(CONTENT)] == CONTENT


def test_a_small_read_takes_one(ends, room):
    """A head does not bring the body along."""
    ours, client = ends
    client.sendall(CONTENT)
    assert Inlet(ours).readinto(room[: 2 * RECORD]) == RECORD


def test_the_end_after_them(ends, room):
    """They come, and then the end."""
    ours, client = ends
    inlet = Inlet(ours)
    client.sendall(CONTENT)
    client.close()
    assert inlet.readinto(room) == len(CONTENT)
    assert inlet.readinto(room) == 0


def test_what_is_no_record_after_them(ends, room):
    """They come, and then the error."""
    ours, client = ends
    inlet = Inlet(ours)
    client.sendall(CONTENT)
    os.write(client.fileno(), b"this is no record")
    assert inlet.readinto(room) == len(CONTENT)
    with pytest.raises(Disconnected):
        inlet.readinto(room)
