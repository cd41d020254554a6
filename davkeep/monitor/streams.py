"""Event streams: `/.davkeep/operations/{id}/events` and `/.davkeep/operations/events`.

A stream begins on a request's thread, and is then written by the parking lot: it holds no thread.
"""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from urllib.parse import parse_qs

from davkeep.keepalive import Piece, Waiting
from davkeep.monitor.documents import Environ, StartResponse
from davkeep.monitor.lookup import Lookup, challenged
from davkeep.monitor.methods import by_method
from davkeep.monitor.news import PAUSE, News, Position
from davkeep.monitor.subjects import AllOperations, Callback, OneOperation, Subject
from davkeep.operations import Operation, Registry
from davkeep.words.proxies import UNBUFFERED
from davkeep.words.status import reason

#: What is below an operation's monitor, and beside the operations.
EVENTS = "events"

#: Seconds without any event after which a comment shows that the stream is alive; most proxies
#: give up after sixty.
HEARTBEAT = 15.0

#: A line that says nothing (the HTML standard, 9.2.6).
COMMENT = b":\n\n"

#: Milliseconds after which a browser comes back when a stream was cut.
RETRY = b"retry: 2000\n\n"

#: Seconds until the next piece of what does not fit into one.
AT_ONCE = 0.01

FIELDS = [
    ("Content-Type", "text/event-stream"),
    UNBUFFERED,
    ("X-Content-Type-Options", "nosniff"),
]


class Stream:
    """One response: the pace of a subject, and its heartbeat. See `davkeep.keepalive.Feed`."""

    def __init__(self, subject: Subject, heartbeat: float, begun: float) -> None:
        self._subject = subject
        self._heartbeat = heartbeat
        #: Reading of the clock when something was last said.
        self._said = begun

    def next_piece(self, now: float) -> Piece:
        """What is to be told, or a comment where that is long ago."""
        block, has_more = self._subject.tell(now)
        if not block and now - self._said >= self._heartbeat:
            block = COMMENT
        if block:
            self._said = now
        return Piece(block, now + (AT_ONCE if has_more else PAUSE))


class Streams:
    """Opens streams, and ends them when the server stops."""

    def __init__(
        self,
        registry: Registry,
        lookup: Lookup,
        clock: Callable[[], float],
        *,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        """``clock`` is monotonic, and ``heartbeat`` is in seconds as well."""
        self._lookup = lookup
        self._clock = clock
        self._heartbeat = heartbeat
        self._news = News(registry)
        #: Guards what follows.
        self._lock = threading.Lock()
        self._open: set[Callback] = set()
        self._is_stopped = False

    @property
    def position(self) -> Position:
        """From where on a stream tells what a page that is made after this does not show."""
        return self._news.position(self._news.newest(self._clock()))

    def of_one(
        self, operation: Operation, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """GET: the stream of an operation that the caller may see; 204 for one who knows its end.

        That has a browser come back no more (the HTML standard, 9.2.3).
        """
        return by_method({"GET": partial(self._one, operation)}, environ, start_response)

    def of_all(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """GET: the stream of all that the caller may see; 401 as the list."""
        return by_method({"GET": self._all}, environ, start_response)

    def stop(self) -> None:
        """End every stream, after what it has still to tell; from now on each ends at once."""
        with self._lock:
            self._is_stopped = True
            callbacks = list(self._open)
        for callback in callbacks:
            callback()

    def _one(
        self, operation: Operation, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        subject = OneOperation(self._news, operation, _position(environ))
        if subject.is_over(self._clock()):
            start_response(f"204 {reason(204)}", [])
            return ()
        return self._open_stream(subject, environ, start_response)

    def _all(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        caller = environ["davkeep.caller"]
        asked = None if self._lookup.visible(caller) else challenged(environ, start_response)
        if asked is not None:
            return asked
        subject = AllOperations(self._news, caller, _position(environ), self._clock())
        return self._open_stream(subject, environ, start_response)

    def _open_stream(
        self, subject: Subject, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        start_response(f"200 {reason(200)}", FIELDS)
        if environ["REQUEST_METHOD"] == "HEAD":
            return ()
        now = self._clock()
        stream = Stream(subject, self._heartbeat, now)
        listener = _Listener(self, subject)
        first = RETRY + stream.next_piece(now).block
        environ["davkeep.exchange"].hold(
            Waiting(
                subscribe=listener.subscribe,
                resume=partial(self._end, subject, listener),
                feed=stream,
                disconnected=listener.leave,
                label=f"the stream {environ['REQUEST_URI']}",
            )
        )
        return (first,)

    def _end(self, subject: Subject, listener: "_Listener") -> Iterable[bytes]:
        listener.leave()
        return (subject.rest(self._clock()),)

    def join(self, callback: Callback) -> bool:
        """Have ``callback`` called at the stop; False if that has come."""
        with self._lock:
            self._open.add(callback)
            return not self._is_stopped

    def part(self, callback: Callback) -> None:
        """Forget ``callback``."""
        with self._lock:
            self._open.discard(callback)


class _Listener:
    """What wakes one stream at its end."""

    def __init__(self, streams: Streams, subject: Subject) -> None:
        self._streams = streams
        self._subject = subject
        self._callback: Callback | None = None

    def subscribe(self, callback: Callback) -> None:
        """See `davkeep.keepalive.Waiting`."""
        self._callback = callback
        if self._streams.join(callback):
            self._subject.subscribe(callback)
        else:
            callback()

    def leave(self) -> None:
        """The stream is over, or its client has gone."""
        if self._callback is not None:
            self._streams.part(self._callback)
            self._subject.leave(self._callback)


def _position(environ: Environ) -> Position | None:
    """Where a client left off: a browser that comes back says it, and a page knows it."""
    after = parse_qs(environ.get("QUERY_STRING", "")).get("after", [""])[0]
    return Position.of(environ.get("HTTP_LAST_EVENT_ID") or after)
