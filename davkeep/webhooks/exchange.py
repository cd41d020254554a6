"""One event to one receiver, and what came of it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from davkeep.http import Connection, EndedError, Origin

#: The digits of a Retry-After that counts; more would be years.
_MOST_DIGITS = 9
#: Bytes of an answer's content, and seconds for them, for which a connection is worth keeping.
MOST_CONTENT = 64 * 1024
CONTENT_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: a final status, or None and the `problem`.

    `retry_after` are the seconds that the receiver asks for; a date in that field is ignored.
    `is_late`: there was none in time. `is_unreachable`: the receiver went away meanwhile.
    """

    status: int | None
    problem: str = ""
    retry_after: float = 0.0
    is_late: bool = False
    is_unreachable: bool = False

    def __str__(self) -> str:
        """Say it in words."""
        return self.problem if self.status is None else f"status {self.status}"


class Post(NamedTuple):
    """A request to `target`."""

    target: str
    fields: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Line:
    """A connection to a receiver; whether it was answered on before, and since when (loop's time)
    nothing is under way on it.
    """

    connection: Connection
    is_kept: bool = False
    idle_since: float = 0.0


async def connected(origin: Origin, until: float) -> Line | Answer:
    """Connect up to that moment of the loop's time, or return why that was impossible."""
    try:
        async with asyncio.timeout_at(until):
            return Line(await Connection.open(origin))
    except TimeoutError:
        return Answer(None, "no connection in time")
    except OSError as error:
        return Answer(None, f"{type(error).__name__}: {error}")


async def answer_to(line: Line, origin: Origin, post: Post, until: float) -> Answer:
    """Wait for the answer to `post`, which was sent on `line`, up to that moment.

    Interim responses are none. Where a kept connection ends instead, its server had closed it when
    the request came: that is sent once more, on a new one, which `line` has from then on.
    """
    try:
        async with asyncio.timeout_at(until):
            try:
                return await _head(line.connection)
            except ConnectionError:
                if not line.is_kept:
                    raise
            line.connection.close()
            line.is_kept = False
            try:
                line.connection = await Connection.open(origin)
            except OSError as error:
                return Answer(None, f"{type(error).__name__}: {error}", is_unreachable=True)
            line.connection.send("POST", post.target, post.fields, post.body)
            return await _head(line.connection)
    except TimeoutError:
        return await _what_came(line) or Answer(None, "no answer in time", is_late=True)
    except EndedError:
        return Answer(None, "the connection ended without an answer")
    except OSError as error:
        return Answer(None, f"{type(error).__name__}: {error}")


async def end_of_content(connection: Connection) -> bool:
    """Take the rest of an answer; False if the connection is not worth keeping for it."""
    size = 0
    with suppress(OSError):
        async with asyncio.timeout(CONTENT_WITHIN):
            while (block := await connection.next()) is not None:
                size += len(block) if isinstance(block, bytes) else 0
                if size > MOST_CONTENT:
                    return False
    return connection.is_idle


async def _what_came(line: Line) -> Answer | None:
    """An answer that came in time and is not taken yet, for this thread was held up: by a look-up,
    or by the database.
    """
    with suppress(OSError):
        async with asyncio.timeout(0):
            return await _head(line.connection)
    return None


async def _head(connection: Connection) -> Answer:
    head = await connection.head()
    return Answer(head.status, retry_after=_seconds(head.fields.get("retry-after", "")))


def _seconds(text: str) -> float:
    digits = text.strip()
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    return float(digits) if is_number else 0.0
