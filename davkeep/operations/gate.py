"""The one place for bulk work that keeps a processor busy.

Python runs one thread at a time. Several that copy small files in memory, each giving the
interpreter away for the few microseconds of a system call, hinder one another and everybody else:
16 COPYs of 2,000 files took 0.73 s all at once and 0.60 s one after another, and a small GET beside
them 2 ms and 0.4. So such work takes turns here, in stretches of some milliseconds. Work that
waits, for a disk or a network, needs no turn: it would hold up the others for nothing.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, thread_time
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which who has the place does not keep it from others: a system call hangs.
OVERDUE = 0.02
#: Work that uses a processor for less than this part of its turns waits for something else. In
#: memory it is nearly all, or half where other programs want processors as well; on a disk that
#: answers in 1 ms it is 1 to 5 %.
BUSY = 0.25
#: Seconds of turns that are looked at together: in a few of them anything may come in between.
LOOK = 0.1
#: Seconds that work which waits goes without turns before it is looked at again.
FREE = 1.0


class Pass:
    """What one piece of work has to show at the gate; touched only by the thread that drives it."""

    __slots__ = ("_seconds", "_used", "free_until", "is_free")

    def __init__(self) -> None:
        """Nothing is known of it."""
        #: The moment (monotonic) until which it needs no turn.
        self.free_until = 0.0
        #: Whether it needs none now.
        self.is_free = False
        self._seconds = 0.0
        self._used = 0.0

    def note(self, now: float, seconds: float, used: float) -> None:
        """It had a turn of ``seconds``, and ``used`` a processor for so many of them."""
        self._seconds += seconds
        self._used += used
        if self._seconds >= LOOK:
            if self._used < self._seconds * BUSY:
                self.free_until = now + FREE
            self._seconds = self._used = 0.0


class Gate:
    """Lets one thread through at a time, in the order they came.

    ``_lock`` guards the line, who is inside and since when. Nothing foreign is called under it.
    """

    def __init__(self, overdue: float = OVERDUE) -> None:
        """Nobody is inside; ``overdue`` in seconds."""
        self._overdue = overdue
        self._lock = threading.Lock()
        self._line: deque[threading.Condition] = deque()
        self._inside: threading.Condition | None = None
        self._since = 0.0

    def through(self, pass_: Pass, call: Callable[[], T]) -> T:
        """Return what ``call`` does for some milliseconds, in its turn if it needs one."""
        pass_.is_free = monotonic() < pass_.free_until
        if pass_.is_free:
            return call()
        with self._turn():
            begun, used = monotonic(), thread_time()
            answer = call()
            ended = monotonic()
            pass_.note(ended, ended - begun, thread_time() - used)
            return answer

    @contextmanager
    def _turn(self) -> Iterator[None]:
        me = threading.Condition(self._lock)
        with self._lock:
            self._line.append(me)
            while self._line[0] is not me or self._is_taken():
                me.wait(self._overdue)
            self._line.popleft()
            self._inside, self._since = me, monotonic()
        try:
            yield
        finally:
            with self._lock:
                if self._inside is me:
                    self._inside = None
                    if self._line:
                        self._line[0].notify()

    def _is_taken(self) -> bool:
        return self._inside is not None and monotonic() < self._since + self._overdue
