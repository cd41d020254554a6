"""Closing without losing the answer: one thread that reads what refused clients still send.

close() with bytes unread makes the kernel reset the connection, and the client may lose the
answer (RFC 9112 9.6). So the last byte is announced by a half-close, and what comes is read and
dropped, within limits, until the client closes too.
"""

import fcntl
import logging
import os
import selectors
import socket
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from davkeep.words.threads import start_thread

_log = logging.getLogger("davkeep.server")

#: Seconds for which a client is listened to at most.
LONGEST = 30.0

#: Seconds without a byte after which it is closed.
QUIET = 5.0

#: Bytes that are read of one client at most: a refused upload of that size still gets its answer.
MOST = 1 << 30

#: Bytes read at once, and reads before another client has its turn.
BLOCK = 64 * 1024
TURNS = 16

#: Seconds between two looks at the limits.
PATROL = 1.0


def unacknowledged(sock: socket.socket) -> int | None:
    """Bytes that were written and that the peer has not acknowledged; None if that is unknown."""
    try:
        return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):
        # ValueError: it was closed.
        return None


def _nothing() -> None:
    """Nobody wants to know whether it was delivered."""


@dataclass(eq=False)
class _Leaver:
    socket: socket.socket
    delivered: Callable[[], None]
    began: float
    heard: float
    received: int = 0

    def overdue(self, now: float) -> bool:
        return now - self.began > LONGEST or now - self.heard > QUIET or self.received > MOST


class Lingering:
    """Takes sockets whose last byte was written, and closes them when their clients have
    read it.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._signal = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._signal, selectors.EVENT_READ)
        self._scratch = bytearray(BLOCK)
        #: Guards the inbox and `_open`.
        self._gate = threading.Lock()
        self._inbox: deque[tuple[socket.socket, Callable[[], None]]] = deque()
        self._open = True
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. Raises ThreadRefusedError."""
        self._thread = start_thread(self._run, "davkeep-linger", is_over=lambda: not self._open)

    def take(self, sock: socket.socket, delivered: Callable[[], None] | None = None) -> None:
        """Take over a plain socket; closed at once if this has stopped.

        `delivered` is called when the client has acknowledged everything and closes.
        """
        with self._gate:
            if self._open:
                self._inbox.append((sock, delivered or _nothing))
                os.eventfd_write(self._signal, 1)
                return
        sock.close()

    def stop(self, timeout: float = 1.0) -> None:
        """Close all and end the thread."""
        with self._gate:
            if self._open:
                self._open = False
                os.eventfd_write(self._signal, 1)
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        patrolled = time.monotonic()
        while self._open:
            ready = self._selector.select(PATROL)
            now = time.monotonic()
            for key, _ in ready:
                if key.data is None:
                    os.eventfd_read(self._signal)
                else:
                    self._listen(key.data, now)
            self._admit(now)
            if now - patrolled >= PATROL:
                patrolled = now
                self._patrol(now)
        self._close()

    def _admit(self, now: float) -> None:
        while self._inbox:
            sock, delivered = self._inbox.popleft()
            try:
                sock.setblocking(False)
                sock.shutdown(socket.SHUT_WR)
                self._selector.register(
                    sock, selectors.EVENT_READ, _Leaver(sock, delivered, now, now)
                )
            except OSError:
                sock.close()

    def _listen(self, leaver: _Leaver, now: float) -> None:
        for _ in range(TURNS):
            try:
                count = leaver.socket.recv_into(self._scratch)
            except BlockingIOError:
                break
            except OSError:
                count = 0
            if count == 0:
                self._end(leaver)
                return
            leaver.received += count
            leaver.heard = now

    def _patrol(self, now: float) -> None:
        leavers = [key.data for key in self._selector.get_map().values() if key.data is not None]
        for leaver in leavers:
            if leaver.overdue(now):
                # What has come since counts: this process may have stood still.
                self._listen(leaver, now)
            if leaver.overdue(now) and leaver.socket.fileno() >= 0:
                _log.debug("a client that keeps sending after its answer is closed")
                self._end(leaver)

    def _end(self, leaver: _Leaver) -> None:
        self._selector.unregister(leaver.socket)
        # After its own half-close, which was acknowledged too if nothing is left.
        if unacknowledged(leaver.socket) == 0:
            leaver.delivered()
        leaver.socket.close()

    def _close(self) -> None:
        self._admit(time.monotonic())
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._end(key.data)
        self._selector.close()
        # Who ends this or hands something over still writes to it, under the gate.
        with self._gate:
            os.close(self._signal)
