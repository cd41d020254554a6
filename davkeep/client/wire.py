"""One request on a connection of its own, and everything that comes back, as it comes.

Interim responses are what this is about, so it is `davkeep.http`.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from davkeep.client.address import Address, CannotAsk
from davkeep.http import (
    MOST_INTERIMS,
    Connection,
    Head,
    MalformedError,
    Origin,
    UnsendableError,
    run,
)

#: Seconds for opening a connection.
CONNECT_WITHIN = 10.0

#: Most of an answer's content that is kept unless more is asked for, in bytes.
MOST_CONTENT = 1 << 20

#: Interim responses that are listened to; `davkeep probe` asks for 200 at most.


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
    return run(_ask(address, _Request(method, target, fields), within, most_content))


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    fields: Mapping[str, str]


async def _ask(address: Address, request: _Request, within: float, most_content: int) -> Heard:
    connection = await _connect(address.origin)
    try:
        listening = _Listening(connection, most_content)
        listening.heard.local = connection.local
        await listening.run(request, within)
        return listening.heard
    finally:
        connection.close()


async def _connect(origin: Origin) -> Connection:
    where = f"{origin.host}, port {origin.port}"
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            return await Connection.open(origin)
    except TimeoutError:
        raise CannotAsk(f"no connection to {where}: timed out") from None
    except OSError as error:
        raise CannotAsk(f"no connection to {where}: {error}") from None


def encoded(text: str) -> bytes:
    """The bytes of a text that came from the command line or the environment: UTF-8, or whatever
    they were. Raises UnicodeEncodeError for surrogates that stand for no byte (PEP 383).
    """
    return text.encode("utf-8", "surrogateescape")


class _Listening:
    """Notes what comes on a connection."""

    def __init__(self, connection: Connection, most_content: int) -> None:
        self.heard = Heard()
        self._connection = connection
        self._room = most_content
        self._content: list[bytes] = []
        self._begun = time.monotonic()

    async def run(self, request: _Request, within: float) -> None:
        """Fill `heard`, for `within` seconds at most."""
        fields = {"Connection": "close", **request.fields}
        sent = {name: encoded(value) for name, value in fields.items()}
        try:
            self._connection.send(request.method, request.target, sent)
        except UnsendableError as error:
            raise CannotAsk(str(error)) from None
        self._begun = time.monotonic()
        try:
            async with asyncio.timeout(within):
                while self._take(await self._connection.next()):
                    pass
        except TimeoutError:
            self.heard.end = End.SILENT
        except MalformedError:
            self.heard.end = End.MALFORMED
        except OSError:
            self.heard.end = End.CLOSED
        self.heard.content = b"".join(self._content)
        self.heard.seconds = time.monotonic() - self._begun

    def _take(self, found: Head | bytes | None) -> bool:
        """Note it; False at the last."""
        if found is None:
            return self._end(End.COMPLETE)
        if isinstance(found, bytes):
            self._content.append(found[: self._room])
            self._room -= len(found)
            if self._room < 0:
                return self._end(End.ENDLESS)
        elif found.is_final:
            self.heard.status, self.heard.fields = found.status, found.fields
        else:
            after = time.monotonic() - self._begun
            self.heard.interims.append(Interim(found.status, after, found.fields))
            if len(self.heard.interims) > MOST_INTERIMS:
                return self._end(End.ENDLESS)
        return True

    def _end(self, end: End) -> bool:
        self.heard.end = end
        return False
