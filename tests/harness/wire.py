"""A client on a raw socket that sees every response as it comes, interim ones included."""

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import h11

from harness.server import DEADLINE

#: Whom a connection is from unless it says otherwise: a client that is sent interim responses.
AGENT = "curl/7.88.1"


@dataclass(frozen=True)
class Response:
    """A final response, and the interim ones that came before it."""

    interims: tuple[int, ...]
    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def statuses(self) -> list[int]:
        """All statuses in the order in which they came, e.g. ``[102, 102, 201]``."""
        return [*self.interims, self.status]


class Wire:
    """One connection. Use it as a context manager."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, agent: str | None = AGENT
    ) -> None:
        """``agent``: the User-Agent of requests that name none; None sends none."""
        self.host = f"{host}:{port}"
        self.agent = agent
        self.socket = socket.create_connection((host, port), DEADLINE)
        # Head and body are written apart, and one would wait for the other to be acknowledged.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        self._h11 = h11.Connection(h11.CLIENT)

    def __enter__(self) -> "Wire":
        """Return the connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def send(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> None:
        """Send a whole request; ``body`` as an iterable goes out in chunks."""
        headers = {"Host": self.host, **({"User-Agent": self.agent} if self.agent else {})}
        headers |= fields or {}
        if isinstance(body, bytes):
            headers.setdefault("Content-Length", str(len(body)))
        elif body is not None:
            headers["Transfer-Encoding"] = "chunked"
        request = h11.Request(method=method, target=path, headers=list(headers.items()))
        self._write(request)
        for block in [body] if isinstance(body, bytes) else body or ():
            self._write(h11.Data(data=block))
        self._write(h11.EndOfMessage())

    def _write(self, event: Any) -> None:
        block = self._h11.send(event)
        if block:
            self.socket.sendall(block)

    def already_sent(self, method: str, path: str) -> None:
        """Say that the next request went out earlier, past this client (pipelining)."""
        headers = [("Host", self.host)]
        self._h11.send(h11.Request(method=method, target=path, headers=headers))
        self._h11.send(h11.EndOfMessage())

    def event(self) -> Any:
        """The next event of h11: InformationalResponse, Response, Data, EndOfMessage."""
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._h11.receive_data(self.socket.recv(65536))

    def interim(self) -> int:
        """Read the next response, which has to be an interim one; return its status."""
        event = self.event()
        assert isinstance(event, h11.InformationalResponse), f"no interim response but {event!r}"
        return int(event.status_code)

    def response(self, at_interim: Callable[[], object] = lambda: None) -> Response:
        """Read up to the end of the next final response, ready for another request.

        ``at_interim`` is called whenever an interim response has come.
        """
        interims: list[int] = []
        while isinstance(event := self.event(), h11.InformationalResponse):
            interims.append(event.status_code)
            at_interim()
        assert isinstance(event, h11.Response), f"no response but {event!r}"
        fields = {name.decode().title(): value.decode("latin-1") for name, value in event.headers}
        body = b""
        while not isinstance(piece := self.event(), h11.EndOfMessage):
            assert isinstance(piece, h11.Data), f"the response was cut: {piece!r}"
            body += bytes(piece.data)
        self.ready()
        return Response(tuple(interims), event.status_code, fields, body)

    def ready(self) -> None:
        """Be ready for another request, if this connection can carry one."""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()

    def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Response:
        """Send a request and read its final response."""
        self.send(method, path, fields, body)
        return self.response()
