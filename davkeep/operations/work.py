"""The work of one operation: its generator, and who may drive it."""

import errno
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

from davkeep.operations.attempt import Bug, attempt
from davkeep.operations.counting import StartCount
from davkeep.operations.gate import Pass
from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Outcome, broken
from davkeep.operations.throttle import Throttle
from davkeep.operations.turns import Driver
from davkeep.trees.steps import Lane, Result, Steps
from davkeep.words.failure import Failure

_log = logging.getLogger("davkeep.operations")

#: Seconds that work goes on before its driver decides anew, where no throttle has to look at each
#: member. Deciding costs 3 us, a file of 4 KiB in memory 14; a cancel ends a stretch at once.
STRETCH = 0.005

#: Makes the generator. It is called by the first thread that drives, never under a lock, so that
#: what waits in a line holds no file descriptor. It may raise what the generator may.
Start = Callable[[Operation], Steps]
#: How work ends by itself.
Ending = Result | OSError | Failure
#: Turns an ending into the final response; never called under a lock.
Conclude = Callable[[Ending], Outcome]
#: Tells, without beginning it, whether work would need the long lane; never called under a lock.
IsBulk = Callable[[], bool]


def never_bulk() -> bool:
    """Stand in for work that always begins at once."""
    return False


class Stand(Enum):
    """Who has the work."""

    ADMITTED = auto()
    """Nobody yet."""
    DRIVEN = auto()
    """One thread; nobody else may touch the generator."""
    QUEUED = auto()
    """A line of a lane."""
    OVER = auto()


@dataclass(slots=True, eq=False)
class Work:
    """What is to be driven. ``ended`` is called before the outcome is told.

    ``stand`` and ``line`` are guarded by the lanes' lock. All else belongs to the thread that
    drives, except ``is_interrupted``, ``is_called`` and the event ``wake``, which anybody may set.
    """

    operation: Operation
    start: Start
    conclude: Conclude
    ended: Callable[[Operation], None]
    throttle: Throttle
    is_bulk: IsBulk = never_bulk
    #: Counts what the work has before it; None if there is nothing to count, or no more.
    count: StartCount | None = None
    stand: Stand = Stand.ADMITTED
    line: Driver = Driver.INLINE
    lane: Lane = Lane.SHORT
    steps: Steps | None = None
    has_begun: bool = False
    has_begun_bulk: bool = False
    is_interrupted: bool = False
    #: Seconds that the throttle wanted when it was last asked.
    pause: float = 0.0
    _seen: tuple[int, int] = (0, 0)
    gate: Pass = field(default_factory=Pass)
    #: Whether it was taken back, so that its driver has to look.
    is_called: bool = False
    #: Ends a pause; None until there is one, since most of what waits in lines never pauses.
    wake: threading.Event | None = None

    def pause_after(self, now: float) -> float:
        """Return the seconds that the throttle wants before the next step.

        A stretch that treats no member (a scan) passes freely and earns no credit.
        """
        progress = self.operation.progress
        done = (progress.members_done, progress.bytes_done)
        self.operation.recent.sample(now, *done)
        self.pause = self.throttle.pause_after(now, *done)
        if self.pause <= 0 and done == self._seen:
            self.throttle.rest()
        self._seen = done
        return self.pause

    def step(self, now: float, clock: Callable[[], float]) -> Ending | Bug | None:
        """Drive to the next checkpoint, or over some of them; return how the work ended, None
        while it goes on. ``clock`` is the one that ``now`` comes from.
        """
        if not self.has_begun:
            self.has_begun = True
            self.operation.begin()
        self.has_begun_bulk |= self.lane is Lane.LONG
        self.throttle.resume(now)
        return attempt(partial(self._step, now + STRETCH, clock), "%r", self.operation)

    def _step(self, until: float, clock: Callable[[], float]) -> Ending | None:
        try:
            if self.steps is None:
                self.steps = self.start(self.operation)
            lane = next(self.steps)
            if not self.throttle.is_set:
                while lane is None and clock() < until and not self.is_called:
                    lane = next(self.steps)
        except StopIteration as end:
            return _checked(end.value)
        except (OSError, Failure) as error:
            return error
        except MemoryError:
            return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        self.lane = lane or self.lane
        return None

    def undo(self) -> bool:
        """Close the generator at its checkpoint; False when undoing failed (it is logged)."""
        return attempt(self._close, "undoing %r", self.operation) is True

    def _close(self) -> bool:
        try:
            if self.steps is not None:
                self.steps.close()
        except (OSError, Failure) as error:
            _log.error("undoing %r failed: %s", self.operation, error)
            return False
        return True

    def outcome_of(self, ending: Ending | Bug) -> Outcome:
        """Return the final response; a bug of the work or of ``conclude`` makes it a 500."""
        if isinstance(ending, Bug):
            return broken()
        outcome = attempt(partial(self.conclude, ending), "concluding %r", self.operation)
        return broken() if isinstance(outcome, Bug) else outcome


def _checked(value: object) -> Result:
    if not isinstance(value, Result):
        raise TypeError(f"work returned {value!r}, which is no Result")
    return value
