"""The server: the listener, the threads, the parking lot, and the order in which they end."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cheroot.server import HTTPServer

from davkeep import __version__
from davkeep.keepalive.lot import ParkingLot
from davkeep.keepalive.parked import Parkable
from davkeep.server.connection import Connection
from davkeep.server.environ import environ_of_server
from davkeep.server.gateway import Gateway
from davkeep.server.idle import IdleConnections
from davkeep.server.limits import raise_descriptor_limit
from davkeep.server.lingering import Lingering
from davkeep.server.pool import Conversation, Pool
from davkeep.server.settings import ServerSettings
from davkeep.server.tls import TlsAdapter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = logging.getLogger("davkeep.server")

#: The part of the time for stopping that the application may take to end its operations; the rest
#: is for delivering.
DRAIN_SHARE = 0.6

#: Seconds beyond its time that stopping may take: threads whose connections were cut end a little
#: later.
STOP_SLACK = 3.0


class Server(HTTPServer):
    """Serves a WSGI application over HTTP/1.1, with parked connections.

    `start()` serves until `stop()` is called from any thread, or `ask_to_stop()` by a signal
    handler. Or `prepare()`, after which `bind_addr` holds the real port and connections queue up,
    and then `serve()`.
    """

    version = f"davkeep/{__version__}"
    software = version
    ConnectionClass = Connection
    #: No limit; each costs a descriptor and some memory.
    keep_alive_conn_limit = None  # type: ignore[assignment]  # the stub forgets None
    #: Seconds between two looks for connections that were idle too long.
    expiration_interval = 1.0

    def __init__(
        self,
        bind_addr: tuple[str, int] | str,
        wsgi_app: "WSGIApplication",
        *,
        settings: ServerSettings | None = None,
        tls: TlsAdapter | None = None,
        drain: Callable[[float], object] | None = None,
    ) -> None:
        """Nothing is opened yet.

        `tls`: None speaks plain HTTP. `drain` is called once by `stop()`, with the seconds it may
        take at most, when no new request is accepted any more: the application ends its
        operations there, and what they answer is still delivered.
        """
        self.settings = settings or ServerSettings()
        super().__init__(bind_addr, Gateway, server_name=self.settings.server_name or self.version)
        self.wsgi_app = wsgi_app
        self.ssl_adapter = tls
        self._drain = drain
        self._apply(self.settings)
        self.requests = self._make_pool(self.settings)
        self.lot = ParkingLot(self._deliver)
        self.lingering = Lingering()
        self._stop_begun = threading.Lock()
        self._stopped = threading.Event()
        #: Who runs `serve()`.
        self._serving_thread: threading.Thread | None = None
        self._is_asked_to_stop = False
        self._connections: IdleConnections

    def _apply(self, settings: ServerSettings) -> None:
        """The settings that cheroot's code reads from its server."""
        self.request_queue_size = settings.request_queue_size
        self.max_request_header_size = settings.max_request_header_size
        self.max_request_body_size = settings.max_request_body_size

    def _make_pool(self, settings: ServerSettings) -> Pool:
        return Pool(
            self.put_conn,
            minimum=settings.numthreads,
            maximum=settings.max,
            reserved=settings.reserved,
            idle_time=settings.thread_idle,
        )

    @property
    def host(self) -> str:
        """The name or address it is bound to, without the port."""
        return self.bind_addr if isinstance(self.bind_addr, str) else str(self.bind_addr[0])

    @property
    def url(self) -> str:
        """Where it is reached, with a slash at the end; after `prepare()`."""
        host, port = self.bind_addr[:2]
        scheme = "http" if self.ssl_adapter is None else "https"
        return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"

    @cached_property
    def environ(self) -> dict[str, Any]:
        """What the environs of all requests have in common; after `prepare()`."""
        return environ_of_server(self)

    # Serving

    def prepare(self) -> None:
        """Bind, listen, and start the threads. OSError if the address cannot be had, and of that
        ThreadRefusedError if the system does not start the threads.
        """
        raise_descriptor_limit()
        with ExitStack() as undo:
            # Before the pool, which takes as many threads as it can get.
            self.lot.start()
            undo.callback(self.lot.stop)
            self.lingering.start()
            undo.callback(self.lingering.stop)
            undo.callback(self.requests.stop, 0.0)
            super().prepare()
            undo.pop_all()
        # cheroot's own was made a moment ago and has seen nothing yet.
        self._connections.close()
        self._connections = IdleConnections(self)

    def serve(self) -> None:
        """Accept and serve until somebody stops it, and return when that is done."""
        self._serving_thread = threading.current_thread()
        self._connections.run(self.expiration_interval)
        if self._is_asked_to_stop and self._stop_begun.acquire(blocking=False):
            self._stop(self.settings.shutdown_timeout)
        self._stopped.wait()

    def new_connection(self, sock: socket.socket, address: Any) -> Connection:
        """A connection for an accepted socket; nothing is read or written yet. OSError."""
        if not isinstance(self.bind_addr, str):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.ssl_adapter is not None:
            sock, _ = self.ssl_adapter.wrap(sock)
        conn = Connection(self, sock)
        if isinstance(address, tuple):
            conn.remote_addr, conn.remote_port = address[:2]
        return conn

    def process_conn(self, conn: Connection) -> None:
        """Have a pool thread serve it."""
        self.requests.put(conn)

    def put_conn(self, conn: Conversation) -> None:
        """A pool thread is done with it for now: park it, or wait for its next request."""
        assert isinstance(conn, Connection)
        parked = conn.take_parked()
        if parked is not None:
            self.lot.park(parked)
        elif self.ready:
            self._connections.put(conn)
        else:
            conn.close()

    def _deliver(self, conn: Parkable) -> None:
        assert isinstance(conn, Connection)
        self.requests.deliver(conn)

    # Stopping

    def stop(self, timeout: float | None = None) -> None:
        """Stop in order, within about `timeout` seconds (None: the settings' `shutdown_timeout`).

        May be called more than once and from any thread, after `prepare()`. Inside `serve()` it is
        `ask_to_stop()`.
        """
        if self._serving_thread is threading.current_thread():
            self.ask_to_stop()
            return
        seconds = self.settings.shutdown_timeout if timeout is None else timeout
        if self._stop_begun.acquire(blocking=False):
            self._stop(seconds)
        else:
            self._stopped.wait(seconds + STOP_SLACK)

    def ask_to_stop(self) -> None:
        """Have `serve()` stop in order, in its own thread, and return when it has.

        For signal handlers, which interrupt that thread wherever it is: it waits for nothing, and
        needs no thread of its own, which the system may refuse. A second call does nothing.
        """
        if not self._is_asked_to_stop:
            self._is_asked_to_stop = True
            self._connections.stop()

    def _stop(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        try:
            self._stop_in_order(until)
        finally:
            self._stopped.set()

    def _stop_in_order(self, until: float) -> None:
        # First the door, so that nothing comes in that would have to be ended again.
        self.ready = False
        self._connections.stop()
        self._close_listener()
        # Then the operations, while everything that can deliver their results still works.
        if self._drain is not None:
            self._drain(max((until - time.monotonic()) * DRAIN_SHARE, 0.0))
        # Their results: the lot first hands over what it was told of, then the threads write it.
        self.lot.flush(_left(until))
        self.requests.finish_deliveries(_left(until))
        # Who is still parked gets no answer, and is told so by a reset: not a 503, which a client
        # would repeat.
        self.lot.stop(max(_left(until), 0.5))
        # Idle clients are owed nothing.
        self._connections.close()
        # The threads last: uploads and downloads have had all the time there was.
        self.requests.stop(_left(until))
        self.lingering.stop()

    def _close_listener(self) -> None:
        listener, self.socket = self.socket, None
        if listener is not None:
            listener.close()

    # What cheroot asks for

    def clear_stats(self) -> None:
        """No statistics: cheroot's would go into a global of the logging module."""
        self._start_time: float | None = None
        self._run_time = 0.0
        self.stats: dict[str, Any] = {"Enabled": False, "Worker Threads": {}}

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """cheroot's log is ours."""
        _log.log(level, "%s", msg, exc_info=traceback)


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.0)
