"""One POST at a time to one URL, with an end that does not depend on the receiver."""

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

#: The digits of a Retry-After that counts; more would be years.
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: a final status, or None and the ``problem``.

    ``retry_after`` are the seconds that the receiver asks for; a date in that field is ignored.
    """

    status: int | None
    problem: str = ""
    retry_after: float = 0.0

    def __str__(self) -> str:
        """Say it in words."""
        return self.problem if self.status is None else f"status {self.status}"


class Attempt:
    """One exchange's socket, which another thread may cut, and the moment by which it is over.

    The socket belongs to the thread that exchanges; cutting is a shutdown(2), which wakes it and
    closes nothing. ``_lock`` guards that the socket is open then.
    """

    def __init__(self, seconds: float) -> None:
        """Begin without a socket, and be over in ``seconds``."""
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.is_cut = False

    @property
    def is_late(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() >= self._until

    def left(self) -> float:
        """Return the seconds that are left; TimeoutError if there are none."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("no time is left")
        return seconds

    def hold(self, sock: socket.socket) -> None:
        """Take ``sock``, or raise TimeoutError if the attempt was cut before it was there."""
        with self._lock:
            self._socket = sock
            if self.is_cut:
                raise TimeoutError("cut while it connected")

    def cut(self) -> None:
        """End it, wherever it stands."""
        with self._lock:
            self.is_cut = True
            if self._socket is not None:
                # Not SSLSocket's own, which takes the TLS object away from the thread that reads.
                with suppress(OSError):
                    # It may not be connected any more, and then nobody waits for it.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, if there is one."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None


class _Timed:
    """What http.client takes for a socket: all that is done with it ends with the attempt."""

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        self._socket = sock
        self._attempt = attempt

    def sendall(self, block: Any) -> None:
        """Send all of it, within what is left."""
        self._socket.settimeout(self._attempt.left())
        self._socket.sendall(block)

    def makefile(self, _: str) -> io.BufferedReader:
        """Return what the response is read from."""
        return io.BufferedReader(_Reading(self._socket, self._attempt))

    def close(self) -> None:
        """Nothing: the attempt closes the socket."""


class _Reading(io.RawIOBase):
    """The bytes that come in time; then it is as if there were no more."""

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        self._socket = sock
        self._attempt = attempt

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what comes, however little, within what is left."""
        try:
            self._socket.settimeout(self._attempt.left())
            return self._socket.recv_into(buffer)
        except TimeoutError:
            return 0


class Poster:
    """POSTs to ``url``, directly and without following redirections.

    ``timeout`` are the seconds of an attempt from the name's look-up to the status, whatever the
    receiver does; the look-up itself, which cannot be cut, is waited for. The rest of the answer
    is not read. Certificates are verified against the system's authorities, or those of the
    environment's SSL_CERT_FILE.
    """

    def __init__(self, url: str, timeout: float) -> None:
        """Connect to nobody yet."""
        parts = urlsplit(url)
        self._host = str(parts.hostname)
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (80 if self._context is None else 443)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._attempt: Attempt | None = None

    def post(self, fields: Mapping[str, str], body: bytes) -> Answer:
        """Send ``body`` and return what came of it; raises nothing for a receiver that fails."""
        self._attempt = attempt = Attempt(self._timeout)
        try:
            return self._exchange(attempt, fields, body)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            # UnicodeError: a host that is no name, by the rules of internationalised ones.
            if attempt.is_cut or attempt.is_late:
                return Answer(None, f"no answer within {self._timeout:g} seconds")
            return Answer(None, f"{type(error).__name__}: {error}")
        finally:
            attempt.close()

    def abort(self) -> None:
        """End the attempt that is being made, if there is one; it counts as one without answer."""
        attempt = self._attempt
        if attempt is not None:
            attempt.cut()

    def _exchange(self, attempt: Attempt, fields: Mapping[str, str], body: bytes) -> Answer:
        connection = self._connected(attempt)
        connection.request("POST", self._target, body, dict(fields))
        with connection.getresponse() as response:
            return Answer(response.status, retry_after=_seconds(response.getheader("Retry-After")))

    def _connected(self, attempt: Attempt) -> http.client.HTTPConnection:
        plain = self._plain(attempt)
        attempt.hold(plain)
        if self._context is None:
            connection = http.client.HTTPConnection(self._host, self._port)
            connection.sock = _Timed(plain, attempt)
            return connection
        secure = self._context.wrap_socket(
            plain, server_hostname=self._host, do_handshake_on_connect=False
        )
        attempt.hold(secure)
        # Its timeout counts for the whole handshake.
        secure.settimeout(attempt.left())
        secure.do_handshake()
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._context)
        connection.sock = _Timed(secure, attempt)
        return connection

    def _plain(self, attempt: Attempt) -> socket.socket:
        """Connect to the first of the host's addresses that takes it. Raises OSError."""
        addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        problem = OSError(f"{self._host} has no address")
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(attempt.left())
                sock.connect(address)
            except OSError as error:
                sock.close()
                problem = error
            else:
                return sock
        raise problem


def _seconds(field: str | None) -> float:
    text = (field or "").strip()
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return float(text) if is_number else 0.0
