"""What an event stream tells of: one operation, or all that its caller may see.

A stream has one subject, which belongs to who owns the stream's connection.
"""

from collections.abc import Callable
from math import inf
from typing import Protocol

from davkeep.monitor.news import PIECE, Event, News, Position, encode
from davkeep.operations import Operation
from davkeep.words.callers import Caller

#: Called when there will be nothing more to tell; see `Operation.subscribe`.
Callback = Callable[[], None]


class Subject(Protocol):
    """What one stream tells of. ``now`` is seconds of a monotonic clock."""

    def tell(self, now: float) -> tuple[bytes, bool]:
        """What is to be told now, and whether there is more that did not fit."""

    def rest(self, now: float) -> bytes:
        """All that is still to be told, at the end."""

    def subscribe(self, callback: Callback) -> None:
        """Have ``callback`` called when there will be nothing more to tell."""

    def leave(self, callback: Callback) -> None:
        """Forget ``callback``."""


class OneOperation:
    """Tells of one operation, until it is over."""

    def __init__(self, news: News, operation: Operation, position: Position | None) -> None:
        """``position``: up to where was told before."""
        self._news = news
        self._operation = operation
        self._told = news.resume(position) or 0
        self._is_ended = False

    def is_over(self, now: float) -> bool:
        """Whether nothing more will be told."""
        return self._operation.state.is_over and self._newest(now).serial <= self._told

    def tell(self, now: float) -> tuple[bytes, bool]:
        """See `Subject`."""
        event = self._newest(now)
        if self._is_ended or event.serial <= self._told:
            return b"", False
        self._told, self._is_ended = event.serial, event.name == "end"
        return event.block, False

    def rest(self, now: float) -> bytes:
        """See `Subject`."""
        return self.tell(now)[0]

    def subscribe(self, callback: Callback) -> None:
        """See `Subject`; a stream is nobody who waits for the outcome."""
        self._operation.subscribe(callback, waits=False)

    def leave(self, callback: Callback) -> None:
        """See `Subject`."""
        self._operation.unsubscribe(callback)

    def _newest(self, now: float) -> Event:
        return self._news.of(self._operation, now)


class AllOperations:
    """Tells of every operation that a caller may see, as long as the server runs."""

    def __init__(self, news: News, caller: Caller, position: Position | None, now: float) -> None:
        """``position``: up to where was told before."""
        self._news = news
        self._caller = caller
        resumed = news.resume(position)
        self._told = resumed or 0
        #: What is forgotten by now is none of a client's that comes for the first time.
        self._ignored = news.newest(now) if resumed is None else 0
        self._begin = encode("begin", {"resumed": resumed is not None})

    def tell(self, now: float) -> tuple[bytes, bool]:
        """See `Subject`."""
        begin, self._begin = self._begin, b""
        return begin + self._next(now, PIECE), self._told < self._news.newest(now)

    def rest(self, now: float) -> bytes:
        """See `Subject`."""
        return self._next(now, inf)

    def subscribe(self, callback: Callback) -> None:
        """It has no end of its own."""

    def leave(self, callback: Callback) -> None:
        """Nothing knows it."""

    def _next(self, now: float, most: float) -> bytes:
        events, self._told = self._news.since(self._told, self._caller, now, most=most)
        return b"".join(
            event.block
            for event in events
            if event.name != "removed" or event.serial > self._ignored
        )
