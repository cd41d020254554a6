"""Counting what long operations have before them, in one thread that is nobody's worker.

A count reads the tree that a worker copies at the same time, and competes with it for the
interpreter: a COPY of 120,000 files of 4 KiB in memory took 2.3 s alone and 2.8 s with a count
beside it, 4.5 us a member however the count was cut into slices. A low priority made nothing
better: the interpreter's lock knows none. So only what lasts is counted.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from davkeep.operations.attempt import attempt
from davkeep.operations.operation import Operation
from davkeep.trees.counting import Count
from davkeep.words.crew import Crew
from davkeep.words.failure import Failure

_log = logging.getLogger("davkeep.operations")

#: Makes a count. It opens what it needs at its first step, so what waits holds no descriptor.
StartCount = Callable[[], Count]

#: Seconds in the long lane after which an operation is counted. Most are over by then, and theirs
#: would be work for nothing; a person who opens the page sees the total of the others soon enough.
COUNT_AFTER = 1.0
#: Counts that take turns. Each holds as many descriptors as one descent (trees/descent.py) and four
#: more at most.
MOST_OPEN = 4
#: Seconds that a count goes on before the next has its turn.
SLICE = 0.005
#: Seconds between two slices, in which the workers have the interpreter to themselves. With five
#: times as many, the COPY was no faster and its total came when nearly all of it was done.
REST = 0.001


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What waits to be counted, not before the moment ``due``."""

    due: float
    start: StartCount


@dataclass(frozen=True, slots=True)
class _Open:
    """A count that has begun."""

    operation: Operation
    steps: Count


class Counting:
    """The line of operations to be counted, and the counts that take turns.

    ``_lock`` guards the line; the open counts belong to the thread that calls ``turn``. ``clock``
    is a monotonic one.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with an empty line."""
        self._clock = clock
        self._lock = threading.Lock()
        self._line: OrderedDict[Operation, _Waiting] = OrderedDict()
        self._open: deque[_Open] = deque()

    def add(self, operation: Operation, start: StartCount) -> None:
        """Have ``operation`` counted if it still runs in a while."""
        with self._lock:
            self._line[operation] = _Waiting(self._clock() + COUNT_AFTER, start)

    def forget(self, operation: Operation) -> None:
        """Let go of what is over; a count that has begun ends at its next slice."""
        with self._lock:
            self._line.pop(operation, None)

    def turn(self) -> float | None:
        """Count for one slice; return the seconds until the next, None if nothing is in line."""
        self._begin_those_due()
        if self._open:
            count = self._open.popleft()
            goes_on = attempt(lambda: self._slice(count), "counting %r", count.operation)
            if goes_on is True:
                self._open.append(count)
            else:
                attempt(count.steps.close, "ending the count of %r", count.operation)
            return REST
        with self._lock:
            first = next(iter(self._line.values()), None)
            return None if first is None else max(0.0, first.due - self._clock())

    def close(self) -> None:
        """Give up the counts that have begun; called by the thread that calls ``turn``."""
        while self._open:
            self._open.popleft().steps.close()

    def _begin_those_due(self) -> None:
        while len(self._open) < MOST_OPEN:
            with self._lock:
                operation, waiting = next(iter(self._line.items()), (None, None))
                if operation is None or waiting is None or waiting.due > self._clock():
                    return
                del self._line[operation]
            self._open.append(_Open(operation, waiting.start()))

    def _slice(self, count: _Open) -> bool:
        """Go on with one count; return whether it wants another turn."""
        operation = count.operation
        until = self._clock() + SLICE
        try:
            while operation.wants_total:
                next(count.steps)
                if self._clock() >= until:
                    return True
        except StopIteration as end:
            operation.counted(end.value)
        except (OSError, Failure) as error:
            # Its total stays unknown; the work itself tells what is wrong with the tree.
            _log.debug("%r cannot be counted: %s", operation, error)
        return False


class CountingThread:
    """A ``Counting`` with its thread, which is started when it is first needed.

    Where the system refuses it, totals stay unknown until something more is to be counted.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` as for ``Counting``."""
        self._counting = Counting(clock)
        #: Guards the thread and the two flags, and wakes the thread.
        self._changed = threading.Condition()
        self._crew = Crew("davkeep-count", 1, lambda: self._is_stopped)
        self._has_new = False
        self._is_stopped = False

    def add(self, operation: Operation, start: StartCount) -> None:
        """As ``Counting.add``; does nothing any more after ``stop``."""
        with self._changed:
            if self._is_stopped:
                return
            self._counting.add(operation, start)
            self._has_new = True
            self._crew.grow(self._serve)
            self._changed.notify()

    def forget(self, operation: Operation) -> None:
        """As ``Counting.forget``."""
        self._counting.forget(operation)

    def stop(self, seconds: float) -> None:
        """Give up all counts; wait at most ``seconds`` for the thread."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        # Nobody is added any more.
        self._crew.join(time.monotonic() + seconds)

    def _serve(self) -> None:
        """Be the thread."""
        while not self._is_over(self._counting.turn()):
            pass
        self._counting.close()

    def _is_over(self, pause: float | None) -> bool:
        """Wait for ``pause`` seconds, None for as long as nothing is new; tell whether to end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or (pause is None and self._has_new), pause
            )
            self._has_new = False
            return self._is_stopped
