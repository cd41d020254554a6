"""The listener and the connections that have no request at the moment: one selector, no thread
each.
"""

import errno
import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cheroot.connections import ConnectionManager, prevent_socket_inheritance

from davkeep.words.threads import run_lasting

if TYPE_CHECKING:
    from davkeep.server.connection import Connection
    from davkeep.server.server import Server

_log = logging.getLogger("davkeep.server")

#: Connections accepted before others have their turn.
ACCEPTS_AT_ONCE = 64

#: Seconds for which nothing is accepted after the system had no descriptor or memory left for a
#: connection.
PAUSE = 0.25

#: Seconds between two lines of the log about that.
COMPLAINT_INTERVAL = 60.0

#: Seconds between two looks for an acknowledgement. Linux delays one by up to 40 ms where a client
#: has nothing else to say (net/tcp.h, TCP_DELACK_MIN).
ACKNOWLEDGEMENT = 0.05

#: Seconds for which acknowledgements are looked for so often; later on, now and then.
HASTE = 1.0

#: accept() failed for want of something that will come back.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class IdleConnections(ConnectionManager):
    """Accepts, and watches connections until the first byte of their next request is there.

    The selector's thread alone unregisters; any thread registers. A connection that is registered
    here is touched by no other thread.
    """

    #: cheroot's, which its stub leaves out.
    _selector: Any

    def __init__(self, server: "Server") -> None:
        super().__init__(server)
        self.server: Server
        self._listener = server.socket
        self._listener.setblocking(False)
        #: Guards the signal, which any thread may give.
        self._gate = threading.RLock()
        self._signal = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._signal, selectors.EVENT_READ, data=None)
        self._paused_until: float | None = None
        self._complain_after = 0.0
        self._thread: threading.Thread | None = None
        #: Connections whose clients have not acknowledged their last response, as they come.
        self._undelivered: deque[Connection] = deque()
        #: The same, when they came, for the selector's thread.
        self._deliveries: dict[Connection, float] = {}
        self._ended = threading.Event()

    def put(self, conn: "Connection") -> None:
        """Watch `conn`, or have it served at once if bytes of it were already read."""
        conn.last_used = time.monotonic()
        if conn.rfile.has_data():
            self.server.process_conn(conn)
            return
        is_owed = conn.is_delivery_open
        if is_owed:
            # Before it is watched: whoever sees it ready has seen it here.
            self._undelivered.append(conn)
        self._watch_for_request(conn)
        if is_owed:
            self._wake()

    def _watch_for_request(self, conn: "Connection") -> None:
        try:
            self._selector.register(conn.socket.fileno(), selectors.EVENT_READ, data=conn)
        except (OSError, ValueError):
            # The selector was closed meanwhile, or the system watches no more: an idle client is
            # owed nothing.
            conn.close()

    def _wake(self) -> None:
        """Have the selector look at what has come; nothing after the end."""
        with self._gate:
            if self._signal >= 0:
                os.eventfd_write(self._signal, 1)

    @property
    def runs_here(self) -> bool:
        """Whether the calling thread is the one that runs the selector."""
        return self._thread is threading.current_thread()

    def stop(self) -> None:
        """End `run()`, and wait for that unless this is called inside it (by a signal handler)."""
        self._stop_requested = True
        self._wake()
        if self._thread is not None and not self.runs_here:
            self._ended.wait()

    def close(self) -> None:
        """Close what is watched; `run()` has ended."""
        for _, conn in list(self._selector.connections):
            if conn is not None and conn is not self.server:
                conn.close()
        self._selector.close()
        with self._gate:
            os.close(self._signal)
            self._signal = -1

    def _run(self, expiration_interval: float) -> None:
        self._thread = threading.current_thread()
        try:
            run_lasting(
                partial(self._watch, expiration_interval),
                "that accepts",
                is_over=lambda: bool(self._stop_requested),
            )
        finally:
            self._thread = None
            self._ended.set()

    def _watch(self, expiration_interval: float) -> None:
        checked = time.monotonic()
        while not self._stop_requested:
            ready = list(self._selector.select(timeout=self._pause(expiration_interval)))
            now = time.monotonic()
            while self._undelivered:
                self._deliveries[self._undelivered.popleft()] = now
            self._serve_ready(ready)
            self._settle_deliveries()
            self._resume_accepting(now)
            if now - checked > expiration_interval:
                self._expire(now - self.server.settings.idle_timeout)
                checked = now

    def _pause(self, longest: float) -> float:
        """Seconds until there is something to look at besides what becomes ready."""
        if self._paused_until is not None:
            return PAUSE
        newest = max(self._deliveries.values(), default=None)
        if newest is not None and time.monotonic() - newest < HASTE:
            return ACKNOWLEDGEMENT
        return longest

    def _settle_deliveries(self) -> None:
        """See which responses were acknowledged since: TCP may take its time over that."""
        for conn in [conn for conn in self._deliveries if not conn.settle_delivery()]:
            del self._deliveries[conn]

    def _on_ready(self, descriptor: int, conn: Any) -> None:
        if conn is None:
            with suppress(BlockingIOError):
                os.eventfd_read(descriptor)
        elif conn is self.server:
            self._accept()
        else:
            self._selector.unregister(descriptor)
            self._deliveries.pop(conn, None)
            self.server.process_conn(conn)

    def _serve_ready(self, ready: list[tuple[int, Any]]) -> None:
        for descriptor, conn in ready:
            self._on_ready(descriptor, conn)

    def _expire(self, threshold: float) -> None:
        """Close what was idle for too long.

        Who was sent nothing by the clock may have sent something all the same: after this process
        stood still, a wait that is over by the clock ends without a look at what has come.
        """
        self._serve_ready(list(self._selector.select(timeout=0)))
        watched = [
            (descriptor, conn)
            for descriptor, conn in self._selector.connections
            if conn is not None and conn is not self.server and conn.last_used < threshold
        ]
        for descriptor, conn in watched:
            self._selector.unregister(descriptor)
            conn.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            if self._stop_requested:
                return
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause_accepting(error)
                    return
                # The client has gone before it was accepted (accept(2), "Error handling").
                continue
            self._admit(sock, address)

    def _admit(self, sock: socket.socket, address: object) -> None:
        """Watch a new connection: no thread is given to it before its first byte is there."""
        prevent_socket_inheritance(sock)
        sock.settimeout(self.server.settings.timeout)
        try:
            conn = self.server.new_connection(sock, address)
        except OSError as error:
            _log.info("a new connection failed: %s", error)
            sock.close()
        else:
            self.put(conn)

    def _pause_accepting(self, error: OSError) -> None:
        now = time.monotonic()
        if now >= self._complain_after:
            self._complain_after = now + COMPLAINT_INTERVAL
            _log.warning("no connection can be accepted: %s", error)
        self._selector.unregister(self._listener.fileno())
        self._paused_until = now + PAUSE

    def _resume_accepting(self, now: float) -> None:
        if (
            self._paused_until is not None
            and now >= self._paused_until
            and not self._stop_requested
        ):
            self._paused_until = None
            self._selector.register(self._listener.fileno(), selectors.EVENT_READ, data=self.server)
