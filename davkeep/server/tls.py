"""TLS: cheroot's adapter, but the handshake is left to the pool thread that serves the
connection.
"""

import select
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from cheroot.ssl.builtin import BuiltinSSLAdapter

from davkeep.server.stream import Disconnected, Inlet, Outlet, has_come, open_stream

#: The first version that is spoken (RFC 8996 deprecates those before it).
OLDEST = ssl.TLSVersion.TLSv1_2

#: Seconds by which a wait ends too late if this process did not run.
LATE = 0.25

#: What OpenSSL calls a client that speaks plain HTTP.
_PLAIN_HTTP = "HTTP_REQUEST"


class PlainHttp(Exception):
    """The client speaks plain HTTP on a TLS port. `socket` is its plain socket, and may be
    answered on.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__("plain HTTP on a TLS port")
        self.socket = sock


class TlsAdapter(BuiltinSSLAdapter):
    """Certificate and context, as in cheroot: TlsAdapter(certificate, private_key,
    certificate_chain=None, ciphers=None).

    One silent client would hold up all others if the handshake ran where connections are accepted.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As in cheroot. Whether Python has a least version of its own depends on how it was built:
        Debian's has none.
        """
        super().__init__(*arguments, **named)
        self.context.minimum_version = OLDEST

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, Any]]:
        """The TLS socket, before its handshake, and an environ that is still empty."""
        wrapped = self.context.wrap_socket(sock, do_handshake_on_connect=False, server_side=True)
        return wrapped, {}

    def handshake(self, sock: ssl.SSLSocket, timeout: float) -> dict[str, Any]:
        """Do it within `timeout` seconds and return what the environ of each request gets.

        Disconnected if it fails, PlainHttp if the client does not speak TLS.
        """
        sock.settimeout(timeout)
        try:
            _do_handshake(sock, timeout)
        except ssl.SSLError as error:
            if error.reason == _PLAIN_HTTP:
                raise PlainHttp(plain_socket(sock)) from error
            raise Disconnected(f"TLS handshake: {error}") from error
        except OSError as error:
            raise Disconnected(f"TLS handshake: {error}") from error
        environ: dict[str, Any] = self.get_environ(sock)  # type: ignore[no-untyped-call]  # cheroot's stub
        return environ

    def makefile(self, sock: socket.socket, mode: str = "r", bufsize: int = -1) -> Inlet | Outlet:
        """cheroot's interface; connections open their streams themselves."""
        return open_stream(sock, mode, bufsize)


def _do_handshake(sock: ssl.SSLSocket, timeout: float) -> None:
    """Do it within ``timeout`` seconds, which begin anew, once, if its client was not to blame.

    It was not if something has come after all, or if this process stood still meanwhile: then it
    may have said something a moment ago, which its client answers now. TimeoutError.
    """
    began = time.monotonic()
    try:
        sock.do_handshake()
    except TimeoutError:
        stood_still = time.monotonic() - began > timeout + LATE
        if not (stood_still or has_come(sock, select.POLLIN)):
            raise
        sock.do_handshake()


def plain_socket(sock: ssl.SSLSocket) -> socket.socket:
    """Take the descriptor out of a TLS socket, which is of no use afterwards."""
    timeout = sock.gettimeout()
    plain = socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    plain.settimeout(timeout)
    return plain


def say_goodbye(sock: ssl.SSLSocket) -> socket.socket:
    """Send close_notify if there is room, without waiting for the peer's, and return the plain
    socket.

    Without it a client could not tell an end from a cut (RFC 8446 6.1).
    """
    with suppress(OSError, ValueError):
        sock.setblocking(False)
        sock.unwrap()
    return plain_socket(sock)
