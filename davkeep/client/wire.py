"""One request on a connection of its own, and everything that comes back, as it comes.

Interim responses are what this is about, and most HTTP libraries hide them, so it is h11 on a
plain socket.
"""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import h11

from davkeep.client.address import Address, CannotAsk

#: Seconds for opening a connection.
CONNECT_WITHIN = 10.0

#: Most of an answer's content that is kept unless more is asked for, in bytes.
MOST_CONTENT = 1 << 20

#: Interim responses that are listened to; `davkeep probe` asks for 200 at most.
MOST_INTERIMS = 1000

BLOCK = 65536


class End(Enum):
    """How a response ended."""

    COMPLETE = "complete"
    CLOSED = "closed"  #: the connection ended before the response did
    MALFORMED = "malformed"  #: what came is no HTTP
    ENDLESS = "longer than is listened to"  #: more interim responses, or content
    SILENT = "silent"  #: nothing more came in time


@dataclass(frozen=True)
class Interim:
    """An interim response."""

    status: int
    #: Seconds since the request was sent.
    after: float
    #: davkeep sends none, so whatever is here was added on the way.
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Heard:
    """All that came back."""

    interims: list[Interim] = field(default_factory=list)
    #: Of the final response; None if there was none.
    status: int | None = None
    #: By names in lower case; of several the values are joined.
    fields: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    end: End = End.SILENT
    #: Seconds from the request to the end.
    seconds: float = 0.0
    #: Our own end of the connection.
    local: tuple[str, int] = ("", 0)

    @property
    def complete(self) -> bool:
        """Whether a final response came as a whole."""
        return self.end is End.COMPLETE


def ask(
    address: Address,
    method: str,
    target: str,
    fields: Mapping[str, str],
    within: float,
    most_content: int = MOST_CONTENT,
) -> Heard:
    """Send a request without a body, and listen for at most `within` seconds.

    An answer ends as ENDLESS after `most_content` bytes of content. Raises CannotAsk if there is no
    connection, and for what is no request.
    """
    heard = Heard()
    with _connect(address) as sock:
        heard.local = sock.getsockname()[:2]
        _Listening(sock, heard, time.monotonic() + within, most_content).run(
            _request(address, method, target, fields)
        )
    return heard


def _connect(address: Address) -> socket.socket:
    where = f"{address.host}, port {address.port}"
    try:
        sock = socket.create_connection((address.host, address.port), CONNECT_WITHIN)
        if address.tls is None:
            return sock
        return address.tls.wrap_socket(sock, server_hostname=address.host.partition("%")[0])
    # ValueError: what the system's codecs or OpenSSL do not take for a name.
    except (OSError, ValueError) as error:
        raise CannotAsk(f"no connection to {where}: {error}") from None


def _request(address: Address, method: str, target: str, fields: Mapping[str, str]) -> h11.Request:
    own = {
        "Host": address.authority,
        "Content-Length": "0",
        "Connection": "close",
    }
    sent = [(name.encode(), encoded(value)) for name, value in {**own, **fields}.items()]
    try:
        return h11.Request(method=method, target=target, headers=sent)
    except h11.LocalProtocolError:
        # Its message would repeat the field, which may hold a password.
        raise CannotAsk("the request cannot be written as HTTP") from None


def encoded(text: str) -> bytes:
    """The bytes of a text that came from the command line or the environment: UTF-8, or whatever
    they were. Raises UnicodeEncodeError for surrogates that stand for no byte (PEP 383).
    """
    return text.encode("utf-8", "surrogateescape")


class _Listening:
    def __init__(self, sock: socket.socket, heard: Heard, until: float, most_content: int) -> None:
        self._sock = sock
        self._heard = heard
        self._until = until
        self._room = most_content
        self._content: list[bytes] = []
        self._h11 = h11.Connection(h11.CLIENT)
        self._begun = time.monotonic()

    def run(self, request: h11.Request) -> None:
        """Fill `heard`."""
        try:
            self._sock.settimeout(CONNECT_WITHIN)
            for event in (request, h11.EndOfMessage()):
                self._sock.sendall(self._h11.send(event) or b"")
            self._begun = time.monotonic()
            while self._take(self._event()):
                pass
        except TimeoutError:
            self._heard.end = End.SILENT
        except h11.RemoteProtocolError:
            # Also what h11 says of a connection that ends in the middle of a response.
            closed = self._h11.trailing_data[1]
            self._heard.end = End.CLOSED if closed else End.MALFORMED
        except OSError:
            self._heard.end = End.CLOSED
        self._heard.content = b"".join(self._content)
        self._heard.seconds = time.monotonic() - self._begun

    def _event(self) -> Any:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            self._h11.receive_data(self._sock.recv(BLOCK))
        return event

    def _take(self, event: Any) -> bool:
        """Note an event; False at the last one."""
        if isinstance(event, h11.InformationalResponse):
            after = time.monotonic() - self._begun
            self._heard.interims.append(Interim(event.status_code, after, _fields(event)))
            if len(self._heard.interims) > MOST_INTERIMS:
                return self._end(End.ENDLESS)
        elif isinstance(event, h11.Response):
            self._heard.status, self._heard.fields = event.status_code, _fields(event)
        elif isinstance(event, h11.Data):
            self._content.append(bytes(event.data)[: self._room])
            self._room -= len(event.data)
            if self._room < 0:
                return self._end(End.ENDLESS)
        elif isinstance(event, h11.EndOfMessage):
            return self._end(End.COMPLETE)
        else:
            return self._end(End.CLOSED)
        return True

    def _end(self, end: End) -> bool:
        self._heard.end = end
        return False


def _fields(event: h11.Response | h11.InformationalResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in event.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
