"""What is said into a response that was begun, by the thread that keeps its connection."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

#: Seconds after which a write that found the send buffer full is tried again.
RETRY_AFTER = 1.0

#: Seconds for which a client may take nothing at all before it counts as gone.
PATIENCE = 60.0

#: Nothing was written, for the send buffer is full (or TLS first has to write or read something
#: of its own).
NO_ROOM = (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError)


class Piece(NamedTuple):
    """What a feed has to say."""

    #: Bytes of the body, without any framing; empty for nothing.
    block: bytes
    #: Reading of the clock, in seconds, at which it wants to be asked again.
    due: float


class Feed(Protocol):
    """Says what goes into the body of a response while its connection waits: an event stream."""

    def next_piece(self, now: float) -> Piece:
        """Called by whoever owns the connection, mostly on the lot's thread.

        So it returns at once and does not raise. It is not asked while the client has not taken
        what was said before: a slow one gets fewer pieces, none of which waits in memory.
        """


@dataclass(eq=False, slots=True)
class Pieces:
    """The body of one response, while the lot writes it; it belongs to who owns the connection."""

    feed: Feed
    #: Puts a piece into the framing of its response.
    frame: Callable[[bytes], bytes]
    #: Reading of the clock at which there is something to do.
    due: float = 0.0
    #: What is left of a piece that did not fit; nothing else is written before it.
    unsent: bytes = b""
    #: Reading of the clock when the client last took something.
    taken: float = 0.0

    def write(self, sock: socket.socket, now: float) -> bool:
        """Write what is left, then what the feed says; False if there was no room for all of it.

        The socket does not block. OSError when the client is not there any more, or has taken
        nothing for too long.
        """
        if not self.unsent:
            piece = self.feed.next_piece(now)
            self.unsent = self.frame(piece.block) if piece.block else b""
            self.due, self.taken = piece.due, now
        if self.unsent and not self._send(sock, now):
            self.due = now + RETRY_AFTER
        return not self.unsent

    def _send(self, sock: socket.socket, now: float) -> bool:
        left = send(sock, self.unsent)
        if len(left) < len(self.unsent):
            self.taken = now
        elif now - self.taken > PATIENCE:
            raise TimeoutError("the client takes nothing")
        # TLS insists on the same bytes next time, and gets them.
        self.unsent = left
        return not left


def send(sock: socket.socket, block: bytes) -> bytes:
    """Write what there is room for, without waiting, and return the rest. OSError."""
    try:
        return block[sock.send(block) :]
    except NO_ROOM:
        return block
