"""Pieces of a body, written to a socket that takes what it likes."""

import ssl

import pytest

from davkeep.keepalive import Piece
from davkeep.keepalive.pieces import PATIENCE, RETRY_AFTER, Pieces


class Socket:
    """Takes at most so many bytes at each call; None is no room."""

    def __init__(self, *sizes):
        self.sizes = list(sizes)
        self.taken = b""

    def send(self, block):
        size = self.sizes.pop(0)
        if size is None:
            raise BlockingIOError
        if isinstance(size, Exception):
            raise size
        self.taken += block[:size]
        return len(block[:size])


class Numbers:
    """Says a number each second."""

    def __init__(self):
        self.asked = []

    def next_piece(self, now):
        self.asked.append(now)
        return Piece(f"{len(self.asked)};".encode(), now + 1)


@pytest.fixture
def feed():
    return Numbers()


@pytest.fixture
def pieces(feed):
    return Pieces(feed, lambda block: b"<" + block + b">", taken=100.0)


def test_a_piece_is_framed_and_written_at_once(pieces, feed):
    """And the feed says when it is asked next."""
    sock = Socket(99)
    assert pieces.write(sock, 100.0)
    assert (sock.taken, pieces.due, pieces.unsent) == (b"<1;>", 101.0, b"")


def test_nothing_to_say(pieces, feed):
    """Nothing is written, not even a frame, which would end a body in chunks."""
    feed.next_piece = lambda now: Piece(b"", now + 2)
    assert pieces.write(Socket(), 100.0)
    assert pieces.due == 102.0


@pytest.mark.parametrize("no_room", [None, ssl.SSLWantWriteError(), ssl.SSLWantReadError()])
def test_a_client_that_does_not_read(pieces, feed, no_room):
    """The rest is tried again, nothing is asked meanwhile, and what follows is new."""
    sock = Socket(2, no_room, 99, 99)
    assert not pieces.write(sock, 100.0)
    assert (pieces.due, pieces.unsent) == (100.0 + RETRY_AFTER, b";>")
    assert not pieces.write(sock, 101.0)
    assert pieces.write(sock, 110.0)
    assert feed.asked == [100.0]
    assert pieces.write(sock, 111.0)
    assert sock.taken == b"<1;><2;>"


def test_a_client_that_never_reads_again(pieces):
    """It is given up when its patience is over, counted from the last byte that it took."""
    sock = Socket(1, None, 1, None, None)
    assert not pieces.write(sock, 100.0)
    assert not pieces.write(sock, 100.0 + PATIENCE)
    assert not pieces.write(sock, 101.0 + PATIENCE)
    assert not pieces.write(sock, 101.0 + 2 * PATIENCE)
    with pytest.raises(TimeoutError):
        pieces.write(sock, 102.0 + 2 * PATIENCE)


def test_a_client_that_has_gone(pieces):
    """The error is told."""
    with pytest.raises(ConnectionResetError):
        pieces.write(Socket(ConnectionResetError()), 100.0)
