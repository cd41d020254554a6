"""What the doors say to each other: the application asks for its connection to be parked, and
later resumes it.

The server puts an `Exchange` into `environ["davkeep.exchange"]`. An application that has to wait
calls `hold()` and returns an empty iterable. No thread waits: the connection is parked, and a
thread comes back to it when it is over.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from davkeep.keepalive.pieces import Feed
from davkeep.keepalive.planner import Step


class Schedule(Protocol):
    """What is sent while a connection waits; a Plan is one."""

    def next_step(
        self, elapsed: float, sent: int, *, continues: int = 0, begun: bool = False
    ) -> Step:
        """See `davkeep.keepalive.planner.Plan.next_step`; called on the lot's thread."""


@dataclass(eq=False, slots=True)
class Waiting:
    """Why a connection is parked, and what ends it: either `resume` or `disconnected`, once.

    Every callable but `resume` is called on a thread that others depend on, so it returns at once
    and does not raise.
    """

    #: Given a callback that takes nothing; it is called once, from any thread, at once if the
    #: wait is already over. Never after the end: the same thread calls `disconnected`.
    subscribe: Callable[[Callable[[], None]], None]
    #: Run on a pool thread when the wait is over, or when the plan wants a multi-status to be
    #: begun. It behaves as the application did: it calls the original `start_response` and returns
    #: the body, or holds again and returns an empty iterable.
    resume: Callable[[], Iterable[bytes]]
    #: The schedule of this request. None: nothing is sent while it waits.
    beat: Schedule | None = None
    #: Reading of `time.monotonic()`, in seconds, at which `resume` is called at the latest. None:
    #: no such moment.
    deadline: float | None = None
    #: The client has gone. Called once; `resume` is not called afterwards.
    disconnected: Callable[[], None] = lambda: None
    #: What waits, for the log, e.g. "COPY /a".
    label: str = ""
    #: What is written meanwhile into a response whose head was sent, in place of the beat and at
    #: moments of its own, so without the deadline. None: nothing.
    feed: Feed | None = None
    #: Whether a client has gone as well that has sent its last byte, and no other request after
    #: this one: a mere close cannot be told from that half-close. Otherwise it may still read.
    ends_with_client: bool = False


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A part of an open file, as a piece of a response's content."""

    fd: int
    #: Where it begins in the file, and how long it is, in bytes.
    position: int
    length: int

    def __len__(self) -> int:
        """Return its length in bytes."""
        return self.length


class FileContent(ABC):
    """Content of which the server can have the kernel send parts; others iterate over its bytes.

    Its response has a Content-Length. Where a file has become shorter, it is cut (`NoAnswer`).
    """

    @abstractmethod
    def __iter__(self) -> Iterator[bytes]:
        """Yield all of it, read."""

    @abstractmethod
    def pieces(self) -> Iterator[bytes | FileSlice]:
        """Yield all of it, files unread."""


class Exchange(Protocol):
    """One request and its response, as the application sees it in `environ["davkeep.exchange"]`."""

    def hold(self, waiting: Waiting) -> None:
        """Park the connection as soon as the application has returned.

        The application then returns an empty iterable without having called `start_response`. A
        response whose head was already sent may hold too (an event stream): what it yielded so
        far is sent, and no interim response is. Interim responses need a complete request: what
        is left of a small body is discarded here, and for a larger one none is sent and the
        connection is closed after its response. RuntimeError for a second call before the
        application has returned, and for a feed without a response that was begun, or with one
        whose length was declared.
        """

    def when_delivered(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called once the peer has acknowledged the whole response.

        Called from the thread that owns the connection then, or never: a response of which that is
        not known counts as one that was not delivered.
        """


class IncompleteBody(ConnectionError):
    """The request body ended before its end, or is malformed; raised by reads of `wsgi.input`.

    What was read so far is not what the client meant to send, so nothing may be stored.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        """`status` is what is answered if the client can still read: 400, 408 (timed out) or 413
        (too large).
        """
        super().__init__(reason)
        self.reason = reason
        self.status = status


class NoAnswer(ConnectionError):
    """There is no answer, or no end of the one that was begun: the connection is reset, so that
    its client takes nothing for a result.
    """
