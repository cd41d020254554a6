"""A connection to a server: a request, and everything that comes back, one after the other."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import h11

from davkeep.http.origin import Origin

#: Seconds between the beginnings of two attempts at a host's addresses (RFC 8305 5 and 8).
ATTEMPT_DELAY = 0.25
#: Addresses of the first family that are tried before one of the other (RFC 8305 4).
FIRST_FAMILY = 1
#: Interim heads before the answer, beyond which it is taken for a flood.
MOST_INTERIMS = 1000
#: Bytes that are read ahead of who takes them; more is left to the kernel.
MOST_AHEAD = 256 * 1024


class EndedError(ConnectionError):
    """The connection ended before the response did."""


class MalformedError(OSError):
    """What came is no HTTP/1.1 response to a request of ours; 101 is none, for none is asked."""


class UnsendableError(ValueError):
    """A request cannot be written as HTTP. It does not say which part: that may be a secret."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a response. `fields` by names in lower case; of several the values are joined."""

    status: int
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether it is the answer, and no interim response (RFC 9110 15.2)."""
        return self.status >= 200


class _Inbox(asyncio.Protocol):
    """What has come and is not taken yet. Its loop's thread alone uses it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._received = bytearray()
        self._is_closed = False
        self._error: Exception | None = None
        self._changed = asyncio.Event()

    @property
    def is_quiet(self) -> bool:
        """Whether the connection is open, and nothing has come that nobody has taken."""
        return not (self._is_closed or self._received)

    async def read(self) -> bytes:
        """Take what has come, waiting for it; empty: there will be no more. Raises OSError."""
        while self.is_quiet:
            self._changed.clear()
            await self._changed.wait()
        block = bytes(self._received)
        self._received.clear()
        if not self._is_closed:
            self.transport.resume_reading()
        elif not block and isinstance(self._error, OSError):
            raise self._error
        return block

    # For the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > MOST_AHEAD:
            self.transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> None:
        self._is_closed = True
        self._changed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_closed = True
        self._error = error
        self._changed.set()


class Connection:
    """Requests and responses in turns; every wait ends by the time limit of who awaits it.

    Redirections are not followed, and nothing is sent twice.
    """

    def __init__(self, inbox: _Inbox, authority: str) -> None:
        """Take over what `open` has made."""
        self._inbox = inbox
        self._authority = authority
        self._h11 = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, origin: Origin) -> Self:
        """Connect to the first of the host's addresses that takes it, as RFC 8305 says.

        With TLS the certificate is checked as its context wants it. Raises OSError.
        """
        loop = asyncio.get_running_loop()
        try:
            _, inbox = await loop.create_connection(
                _Inbox,
                origin.host,
                origin.port,
                ssl=origin.tls,
                server_hostname=origin.host.partition("%")[0] if origin.tls else None,
                happy_eyeballs_delay=ATTEMPT_DELAY,
                interleave=FIRST_FAMILY,
            )
        except ssl.SSLCertVerificationError:
            # A ValueError too, which says nothing of the name.
            raise
        except ValueError as error:
            raise OSError(f"{origin.host!r} is no name of a host: {error}") from None
        return cls(inbox, origin.authority)

    @property
    def local(self) -> tuple[str, int]:
        """Our own end: address and port."""
        address, port = self._inbox.transport.get_extra_info("sockname")[:2]
        return address, port

    @property
    def is_idle(self) -> bool:
        """Whether the next request can be sent: the last response is complete, and the server has
        neither closed nor said anything since.
        """
        return self._h11.our_state is h11.IDLE and self._inbox.is_quiet

    def send(
        self, method: str, target: str, fields: Mapping[str, str | bytes], content: bytes = b""
    ) -> None:
        """Send a request, with its Host and Content-Length; it is waited for nothing.

        Raises UnsendableError.
        """
        own = {"Host": self._authority, "Content-Length": str(len(content))}
        headers = [(name.encode(), _bytes(value)) for name, value in {**own, **fields}.items()]
        try:
            request = h11.Request(method=method, target=target, headers=headers)
        except h11.LocalProtocolError:
            raise UnsendableError("the request cannot be written as HTTP") from None
        events = (request, h11.Data(data=content), h11.EndOfMessage())
        self._inbox.transport.write(b"".join(self._h11.send(event) or b"" for event in events))

    async def next(self) -> Head | bytes | None:
        """Return what comes next: any number of interim heads, the final one, then pieces of
        content, then None. Raises EndedError, MalformedError and other OSError.
        """
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                self._h11.receive_data(await self._inbox.read())
        except h11.RemoteProtocolError as error:
            # Also what h11 says of a connection that ends in the middle of a response.
            if self._h11.trailing_data[1]:
                raise EndedError(str(error)) from None
            raise MalformedError(str(error)) from None
        if isinstance(event, h11.InformationalResponse | h11.Response):
            return Head(event.status_code, _fields(event))
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            self._end_cycle()
            return None
        raise EndedError("the connection ended without a response")

    async def head(self) -> Head:
        """Return the final head, whatever interim ones come before it, up to MOST_INTERIMS. Raises
        as `next`.
        """
        for _ in range(MOST_INTERIMS):
            if isinstance(found := await self.next(), Head) and found.is_final:
                return found
        raise MalformedError(f"more than {MOST_INTERIMS} interim responses came")

    def close(self) -> None:
        """Close it, without waiting for anything; a second call does nothing."""
        self._inbox.transport.abort()

    def _end_cycle(self) -> None:
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _fields(event: h11.Response | h11.InformationalResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in event.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
