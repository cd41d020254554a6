"""One connection, from its first byte to its end.

Who owns it: the selector of idle connections, one pool thread, or the parking lot; the handovers
are `put_conn` and `process_conn` of the server, and `deliver` of the lot. Only its owner reads or
writes it; `cut()` and `waits_for_client()` alone are for others.
"""

import logging
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from cheroot.server import HTTPConnection

from davkeep.keepalive.parked import Arrival, Parked
from davkeep.server.gateway import Gateway
from davkeep.server.lingering import unacknowledged
from davkeep.server.request import CutResponse, Request
from davkeep.server.stream import Disconnected, Inlet, Outlet, open_stream
from davkeep.server.tls import PlainHttp, say_goodbye

if TYPE_CHECKING:
    from davkeep.server.server import Server

_log = logging.getLogger("davkeep.server")

#: SO_LINGER on, with 0 seconds: close() then resets the connection.
_RESET = struct.pack("ii", 1, 0)

#: SO_LINGER off: close() sends what is left and ends the connection properly.
_NO_RESET = struct.pack("ii", 0, 0)

_PLAIN_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 27\r\nConnection: close\r\n\r\n"
    b"This port speaks TLS only.\n"
)


class Connection(HTTPConnection):
    """cheroot's connection, which can be parked in the middle of a request."""

    RequestHandlerClass = Request
    rfile: Inlet
    wfile: Outlet

    def __init__(self, server: "Server", sock: socket.socket) -> None:
        super().__init__(server, sock, open_stream)
        # cheroot wraps these per instance; the cycles would keep closed connections until the
        # collector runs.
        del self.resolve_peer_creds, self.get_peer_creds
        self.server: Server
        self.socket: socket.socket
        self.ssl_env: dict[str, Any] = {}
        self._is_secured = not isinstance(sock, ssl.SSLSocket)
        self._is_closed = False
        #: The request that waits for its response; None between requests.
        self._gateway: Gateway | None = None
        #: Called when the peer has acknowledged the last response; None: nobody wants to know, or
        #: it was called.
        self._delivered: Callable[[], None] | None = None

    @property
    def peer(self) -> str:
        """The client's address, for the log."""
        return f"{self.remote_addr}:{self.remote_port}" if self.remote_addr else "a local client"

    # Called on a pool thread

    def communicate(self) -> bool:
        """Take the next step: a handshake, one request, or the rest of one that waited. True:
        keep the connection.
        """
        try:
            return self._step()
        except Disconnected as error:
            # Also where only its patience or ours ended: a response that was begun must not seem
            # complete.
            _log.info("%s has gone: %s", self.peer, error)
            self.reset()
        except CutResponse as error:
            _log.warning("the response to %s is cut: %s", self.peer, error)
            self.reset()
        return False

    def _step(self) -> bool:
        self._wait_as_set()
        self.settle_delivery()
        if self._gateway is not None:
            return self._resume(self._gateway)
        if not self._is_secured:
            return self._handshake()
        return self._serve()

    def _handshake(self) -> bool:
        assert isinstance(self.socket, ssl.SSLSocket)
        self.rfile.waits_since = time.monotonic()
        try:
            self.ssl_env = self.server.ssl_adapter.handshake(
                self.socket, self.server.settings.handshake_timeout
            )
        except PlainHttp as error:
            self.socket, self.linger = error.socket, True
            Outlet(self.socket).write(_PLAIN_HTTP_ANSWER)
            return False
        finally:
            self.rfile.waits_since = None
        self._is_secured = True
        return True

    def _serve(self) -> bool:
        req = self._receive()
        if not req.ready:
            return False
        gateway = Gateway(req)
        gateway.respond()
        return self._keep_or_close(gateway)

    def _receive(self) -> Request:
        """Read a request's head within its time; 408 if that is up and some of it is there."""
        req = Request(self.server, self)
        before = self.rfile.received
        try:
            with self.reading_within(self.server.settings.head_timeout):
                req.parse_request()
        except TimeoutError:
            if self.rfile.received > before:
                req.refuse(408, "The request did not arrive in time.")
        return req

    @contextmanager
    def reading_within(self, seconds: float) -> Iterator[None]:
        """Reads in here raise TimeoutError after `seconds` altogether, however steadily bytes
        drip in.
        """
        self.rfile.deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self.rfile.deadline = None
            self._wait_as_set()

    def _wait_as_set(self) -> None:
        """Give the socket its usual timeout, unless it has that: each change is a system call."""
        timeout = self.server.settings.timeout
        if self.socket.gettimeout() != timeout:
            self.socket.settimeout(timeout)

    def _resume(self, gateway: Gateway) -> bool:
        """The lot has handed the connection back: what it began to write comes first."""
        interims = gateway.interims
        if interims is not None and interims.unsent:
            gateway.write_rest(interims.unsent)
            interims.count(time.monotonic(), self.peer, gateway.label)
        gateway.resume()
        return self._keep_or_close(gateway)

    def _keep_or_close(self, gateway: Gateway) -> bool:
        if gateway.waiting is not None:
            self._gateway = gateway
            return True
        self._gateway = None
        self._delivered = gateway.delivered
        self.settle_delivery()
        return not gateway.req.close_connection

    def next_comes(self, seconds: float) -> bool:
        """Whether the next request begins within `seconds`; not while this one waits."""
        if self._gateway is not None or not self.server.ready:
            return False
        if self.rfile.has_data():
            return True
        arrival = select.poll()
        arrival.register(self.socket, select.POLLIN)
        return bool(arrival.poll(seconds * 1000))

    @property
    def is_delivery_open(self) -> bool:
        """Whether somebody wants to know of the last response's delivery, which is not known."""
        return self._delivered is not None and not self._is_closed

    def settle_delivery(self) -> bool:
        """Tell that the last response was delivered, if the peer has acknowledged all of it.

        Returns whether that is still open.
        """
        delivered = self._delivered
        if delivered is not None and unacknowledged(self.socket) == 0:
            delivered()
            self._delivered = None
        return self.is_delivery_open

    def take_parked(self) -> Parked | None:
        """What the lot is to keep; None: this connection does not wait for a response."""
        gateway = self._gateway
        if gateway is None or gateway.waiting is None or gateway.interims is None:
            return None
        return Parked(self, gateway.waiting, gateway.interims, gateway.pieces)

    def arrival(self) -> Arrival:
        """What has come beyond the request that waits; for the lot while it owns this."""
        return self.rfile.arrival()

    # The end; called by the owner

    def guard(self, *, begun: bool) -> None:
        """While a response has ``begun`` and is not complete, the end of this process resets it.

        Otherwise a killed server would end a response whose end is that of the connection as if it
        were complete.
        """
        with suppress(OSError):
            option = _RESET if begun else _NO_RESET
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)

    def close(self) -> None:
        """Close it. If the client has not read its answer yet, `linger` has it closed when it
        has.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self.settle_delivery()
        self.rfile.close()
        self._gateway = None
        sock = self.socket
        if isinstance(sock, ssl.SSLSocket) and self._is_secured:
            sock = say_goodbye(sock)
        if self.linger or self._delivered is not None:
            self.server.lingering.take(sock, self._delivered)
        else:
            sock.close()

    def reset(self) -> None:
        """Close it so that the client sees an error, never the end of a response."""
        if self._is_closed:
            return
        self._is_closed = True
        self.settle_delivery()
        self._gateway = None
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()

    # Called from any thread

    def waits_for_client(self, seconds: float) -> bool:
        """Whether its thread has waited for the client for more than `seconds`."""
        moments = (self.rfile.waits_since, self.wfile.waits_since)
        began = [moment for moment in moments if moment is not None]
        return bool(began) and time.monotonic() - min(began) > seconds

    def cut(self) -> None:
        """Make the owner's next read or write fail."""
        with suppress(OSError):
            # Not SSLSocket.shutdown(), which would take the TLS object from under its user.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
