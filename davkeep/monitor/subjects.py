"""What an event stream tells of: one operation, or all that its caller may see.

A stream has one subject, which belongs to who owns the stream's connection.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from davkeep.monitor.news import Event, News, Position, encode
from davkeep.operations import Operation
from davkeep.words.callers import Caller

#: Called when there will be nothing more to tell; see `Operation.subscribe`.
Callback = Callable[[], None]


class Subject(Protocol):
    """What one stream tells of. ``now`` is seconds of a monotonic clock."""

    def tell(self, now: float) -> tuple[bytes, bool]:
        """What is to be told now, and whether there is more that did not fit."""

    def rest(self, now: float) -> Iterator[bytes]:
        """All that is still to be told, at the end; each piece is made when it is asked for."""

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

    def rest(self, now: float) -> Iterator[bytes]:
        """See `Subject`."""
        yield self.tell(now)[0]

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
        news.follow(self)
        self._begin_after(news.resume(position), now)

    def _begin_after(self, serial: int | None, now: float) -> None:
        """Go on after ``serial``; None: tell everything."""
        self._told = serial or 0
        #: What is forgotten by now is none of a client's that is told everything.
        self._ignored = self._news.newest(now) if serial is None else 0
        self._begin = encode("begin", {"resumed": serial is not None})

    def tell(self, now: float) -> tuple[bytes, bool]:
        """See `Subject`; one that is too far behind begins anew."""
        if self._news.has_forgotten(max(self._told, self._ignored), now):
            self._begin_after(None, now)
        begin, self._begin = self._begin, b""
        return begin + self._next(now), self._told < self._news.newest(now)

    def rest(self, now: float) -> Iterator[bytes]:
        """See `Subject`."""
        has_more = True
        while has_more:
            block, has_more = self.tell(now)
            yield block

    def subscribe(self, callback: Callback) -> None:
        """It has no end of its own."""

    def leave(self, callback: Callback) -> None:
        """Nothing knows it."""

    def _next(self, now: float) -> bytes:
        events, self._told = self._news.since(self._told, self._caller, now, ignored=self._ignored)
        return b"".join(event.block for event in events)
