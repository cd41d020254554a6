"""The threads that drive operations, and the lines in front of them.

Work begins in the thread of its request (``drive_inline``), so that its first moments never wait
for a slot. What is not over by then goes into the line of its lane. Short work has threads of
its own, which take turns in small slices; bulk work has as many slots as there are ``workers``.
Where too many that have begun wait already (``crowd``), bulk work goes into its line unbegun. All
threads that drive bulk work pass one ``gate``; work that is seen there to wait for a disk or a
network is lent ``helpers``.

At every moment one party owns a generator: one thread, or one line. A thread gives it away only
at a checkpoint, under the lock, and looks there once more whether the work was cancelled; who
cancels sets the flag first and then looks under the lock who has it. So no cancel is lost.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

from davkeep.operations.attempt import Bug, attempt
from davkeep.operations.counting import CountingThread, StartCount
from davkeep.operations.crowd import MOST_BEGUN
from davkeep.operations.gate import Gate
from davkeep.operations.helpers import Helpers
from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Outcome, cancelled, interrupted
from davkeep.operations.remains import what_remains
from davkeep.operations.state import State
from davkeep.operations.throttle import Limits, Throttle
from davkeep.operations.turns import QUANTUM, SHORT_QUANTUM, Driver, Turns, hands_over, yields_slot
from davkeep.operations.work import Conclude, Ending, IsBulk, Stand, Start, Work, never_bulk
from davkeep.trees.steps import Lane, Submit
from davkeep.words.crew import Crew
from davkeep.words.later import Later

#: Threads for short work: a scan before a DELETE's rename, a swap. Two, so that one that hangs
#: on a slow disk leaves another.
SHORT_THREADS = 2
#: Seconds that a stop waits for what is being undone; recovery finishes the rest.
UNDO_SECONDS = 5.0
#: Seconds that a stop waits for its threads, which are idle by then unless a system call hangs.
JOIN_SECONDS = 1.0

#: Waits until the event is set or the seconds have passed.
Wait = Callable[[threading.Event, float], object]


class Move(Enum):
    """What a driver does at a checkpoint."""

    GO_ON = auto()
    HAND_OVER = auto()
    UNDO = auto()
    INTERRUPT = auto()


@dataclass(frozen=True, slots=True)
class Stint:
    """One thread's time with one piece of work: who, since when (monotonic), for how long."""

    driver: Driver
    begun: float
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class _Line:
    """Work that waits, and the threads that serve it; guarded by the lanes' lock."""

    driver: Driver
    size: int
    ready: threading.Condition
    crew: Crew
    turns: Turns[Work] = field(default_factory=Turns)


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """How much the lanes have to do: work in lines, work that a thread drives, and threads.

    ``begun_waiting`` are those in lines that hold descriptors.
    """

    short_waiting: int
    long_waiting: int
    begun_waiting: int
    driven: int
    threads: int


class Lanes:
    """Drives the generators of operations; see the module's text.

    ``workers`` is the number of long operations that run at the same time, ``clock`` a monotonic
    one, ``wait`` how a throttled thread waits. Each line has a thread from ``start`` on, and the
    others when the first work needs them, or as soon after that as the system allows it.
    ``most_begun``: so many may wait after they have begun; see ``crowd``.

    ``_lock`` guards the lines, the table of works, each work's stand, the number of those that wait
    after they have begun, and the two flags. Nothing foreign is called under it.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        limits: Limits | None = None,
        most_begun: int = MOST_BEGUN,
        clock: Callable[[], float] = time.monotonic,
        wait: Wait = threading.Event.wait,
    ) -> None:
        """Make the lines; ``workers`` below 1 raises ValueError."""
        if workers < 1:
            raise ValueError(f"{workers} workers drive nothing")
        self._limits = limits or Limits()
        self._most_begun = most_begun
        self._clock = clock
        self._wait = wait
        self._counting = CountingThread(clock)
        self._gate = Gate()
        self._helpers = Helpers()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._works: dict[Operation, Work] = {}
        sizes = {Driver.SHORT: SHORT_THREADS, Driver.LONG: workers, Driver.UNDO: 1}
        self._lines = {
            driver: _Line(driver, size, threading.Condition(self._lock), self._crew(driver, size))
            for driver, size in sizes.items()
        }
        self._begun_waiting = 0
        #: What a stop left as it stands; touched only while stopping.
        self._left: list[Work] = []
        self._is_stopping = False
        self._is_stopped = False

    def _crew(self, driver: Driver, size: int) -> Crew:
        return Crew(f"davkeep-{driver.name.lower()}", size, lambda: self._is_stopped)

    def start(self) -> None:
        """Give each line the thread without which its work would never end.

        Raises ThreadRefusedError. Without this call that thread comes with the first work.
        """
        with self._lock:
            for line in self._lines.values():
                line.crew.begin(partial(self._serve, line))

    # For those who ask

    def add(
        self,
        operation: Operation,
        start: Start,
        conclude: Conclude,
        ended: Callable[[Operation], None],
        is_bulk: IsBulk = never_bulk,
        count: StartCount | None = None,
    ) -> None:
        """Take ``operation`` in; it stands still until somebody calls ``drive_inline``.

        ``ended`` is called with it when the work is over and before its outcome is told. ``count``
        counts what a long one has before it; see ``counting``.
        """
        work = Work(operation, start, conclude, ended, Throttle(self._limits), is_bulk, count)
        operation.limits = self._limits
        operation.helpers = Later(self._helpers_of, work)
        with self._lock:
            self._works[operation] = work
        # What is cancelled before is undone by who drives it first.
        operation.on_cancel = self._recall

    def _helpers_of(self, work: Work) -> Submit | None:
        """What copies members of ``work``: nothing, unless it waits for a disk or a network."""
        is_of_use = work.gate.is_free and not work.throttle.is_set
        return self._helpers.submit if is_of_use else None

    def drive_inline(self, operation: Operation, seconds: float) -> None:
        """Drive in the calling thread for at most ``seconds``, then leave the rest to the lanes.

        0 leaves everything to them. Does nothing if another thread was here before. Bulk work
        stays here no longer than the quantum, and not at all while the throttle wants a pause or
        too many wait that have begun.
        """
        with self._lock:
            work = self._works.get(operation)
            if work is None or work.stand is not Stand.ADMITTED:
                return
            work.stand = Stand.DRIVEN
            is_crowded = self._begun_waiting >= self._most_begun
        if is_crowded and attempt(work.is_bulk, "a look at %r", operation) is True:
            work.lane = Lane.LONG
            if self._queue(work, Driver.LONG):
                return
        self._drive(work, Stint(Driver.INLINE, self._clock(), seconds))

    def now(self) -> float:
        """The time by the clock that rates of operations go by, in seconds."""
        return self._clock()

    def counts(self) -> LaneCounts:
        """Count, for the log and the health page."""
        with self._lock:
            driven = sum(work.stand is Stand.DRIVEN for work in self._works.values())
            return LaneCounts(
                short_waiting=len(self._lines[Driver.SHORT].turns),
                long_waiting=len(self._lines[Driver.LONG].turns),
                begun_waiting=self._begun_waiting,
                driven=driven,
                threads=sum(len(line.crew) for line in self._lines.values())
                + self._helpers.count(),
            )

    def stop(self, seconds: float) -> int:
        """Let end what can within ``seconds``, undo the rest, and return how many are left.

        What has not begun, or not begun its bulk work, is taken back at once. Those that are left
        are in a system call or still being undone.
        """
        with self._lock:
            self._is_stopping = True
            untouched = [work for work in self._works.values() if self._is_untouched(work)]
        self._interrupt_all(untouched)
        self._wait_until_idle(seconds)
        with self._lock:
            rest = list(self._works.values())
        self._interrupt_all(rest)
        self._wait_until_idle(UNDO_SECONDS)
        self._end_threads()
        with self._lock:
            return len(self._works)

    # Driving

    def _drive(self, work: Work, stint: Stint) -> None:
        """Drive ``work``, which the calling thread owns, until it is over or stands in a line."""
        while True:
            move, now = self._next_move(work, stint)
            if move is Move.GO_ON:
                ending = self._step(work, now)
                if ending is not None:
                    outcome = work.outcome_of(ending)
                    return self._finish(work, outcome.state, outcome)
            elif move is Move.HAND_OVER:
                if self._queue(work, _line_of(work)):
                    return None
            else:
                return self._end_early(work)

    def _step(self, work: Work, now: float) -> Ending | Bug | None:
        """Let ``work`` go on; bulk work does so in its turn.

        Not what is throttled: it rests after each member, and a wait for its turn would count.
        """
        if work.lane is not Lane.LONG or work.throttle.is_set:
            return work.step(now, self._clock)
        return self._gate.through(work.gate, lambda: work.step(self._clock(), self._clock))

    def _next_move(self, work: Work, stint: Stint) -> tuple[Move, float]:
        """Decide at a checkpoint, after the pause that the throttle wants; with the time then."""
        while True:
            wake = work.wake
            if wake is not None:
                wake.clear()
            now = self._clock()
            if work.operation.is_cancel_due:
                return Move.UNDO, now
            if work.is_interrupted:
                return Move.INTERRUPT, now
            pause = work.pause_after(now)
            if self._parts(work, stint, now - stint.begun, pause):
                return Move.HAND_OVER, now
            if pause <= 0:
                return Move.GO_ON, now
            if wake is None:
                # Who takes it back from here on finds the event; who did before has set a flag.
                work.wake = threading.Event()
            else:
                self._wait(wake, min(pause, QUANTUM))

    def _parts(self, work: Work, stint: Stint, held: float, pause: float) -> bool:
        """Return whether this thread and the work part here."""
        if hands_over(stint.driver, work.lane, held, pause, stint.seconds):
            return True
        others = held >= SHORT_QUANTUM and self._others_wait(work, stint.driver)
        return yields_slot(stint.driver, work.lane, held, others)

    def _others_wait(self, work: Work, driver: Driver) -> bool:
        with self._lock:
            line = self._lines.get(driver)
            return line is not None and line.turns.others_wait(work.operation.account)

    def _end_early(self, work: Work) -> None:
        """Undo ``work``, which the calling thread owns, and say so."""
        if work.operation.is_cancel_due:
            outcome = cancelled(what_remains(work.operation, is_undone=work.undo()))
            return self._finish(work, State.CANCELLED, outcome)
        if work.operation.begin_undo():
            stands = what_remains(work.operation, is_undone=work.undo())
        else:
            # Closing means undoing, but this one has taken effect for good. A generator that is
            # collected is closed, so it is kept.
            self._left.append(work)
            stands = "It had taken effect; what it had still to remove stays hidden."
        outcome = interrupted(f"The server was stopped. {stands}")
        return self._finish(work, State.INTERRUPTED, outcome)

    def _finish(self, work: Work, state: State, outcome: Outcome) -> None:
        attempt(partial(work.ended, work.operation), "what follows %r", work.operation)
        work.operation.end(state, outcome)
        self._counting.forget(work.operation)
        with self._lock:
            work.stand = Stand.OVER
            del self._works[work.operation]
            self._idle.notify_all()

    # Lines

    def _queue(self, work: Work, driver: Driver) -> bool:
        """Give ``work`` to a line; False, and it stays, when it is to be undone instead."""
        line = self._lines[driver]
        with self._lock:
            if self._is_stopping and not work.has_begun_bulk and driver is Driver.LONG:
                work.is_interrupted = True
            to_undo = work.is_interrupted or work.operation.is_cancel_due
            if to_undo and driver is not Driver.UNDO:
                return False
            work.stand, work.line = Stand.QUEUED, driver
            line.turns.put(work.operation.account, work)
            self._begun_waiting += work.has_begun
            line.crew.grow(partial(self._serve, line), line.size)
            line.ready.notify()
        return True

    def _serve(self, line: _Line) -> None:
        """Be one of the threads of ``line``."""
        while (work := self._next_of(line)) is not None:
            if line.driver is Driver.LONG and work.count is not None:
                self._counting.add(work.operation, work.count)
                work.count = None
            self._drive(work, Stint(line.driver, self._clock()))

    def _next_of(self, line: _Line) -> Work | None:
        with self._lock:
            line.ready.wait_for(lambda: len(line.turns) or self._is_stopped)
            if not len(line.turns):
                return None
            work = line.turns.take()
            self._begun_waiting -= work.has_begun
            work.stand = Stand.DRIVEN
            return work

    # Taking back

    def _recall(self, operation: Operation) -> None:
        """Undo what was cancelled, unless it is over by now."""
        with self._lock:
            work = self._works.get(operation)
        if work is not None:
            self._take_back(work)

    def _take_back(self, work: Work) -> None:
        """Undo ``work`` if nobody drives it; else its driver sees the flag at its checkpoint."""
        work.is_called = True
        if work.wake is not None:
            work.wake.set()
        if not self._claim(work):
            return
        if work.has_begun:
            self._queue(work, Driver.UNDO)
        else:
            self._end_early(work)

    def _claim(self, work: Work) -> bool:
        """Take what stands still or in a line; False if a thread has it or it is over."""
        with self._lock:
            if work.stand is Stand.QUEUED and work.line is not Driver.UNDO:
                self._lines[work.line].turns.remove(work.operation.account, work)
                self._begun_waiting -= work.has_begun
            elif work.stand is not Stand.ADMITTED:
                return False
            work.stand = Stand.DRIVEN
            return True

    # Stopping

    def _is_untouched(self, work: Work) -> bool:
        """Return whether nothing is lost by taking ``work`` back; called under the lock."""
        waits_for_slot = work.line is Driver.LONG and not work.has_begun_bulk
        stands = work.stand in (Stand.ADMITTED, Stand.QUEUED)
        return stands and (waits_for_slot or not work.has_begun)

    def _interrupt_all(self, works: list[Work]) -> None:
        for work in works:
            work.is_interrupted = True
            self._take_back(work)

    def _wait_until_idle(self, seconds: float) -> None:
        with self._lock:
            self._idle.wait_for(lambda: not self._works, seconds)

    def _end_threads(self) -> None:
        with self._lock:
            self._is_stopped = True
            for line in self._lines.values():
                line.ready.notify_all()
        deadline = time.monotonic() + JOIN_SECONDS
        for line in self._lines.values():
            line.crew.join(deadline)
        self._helpers.stop()
        self._counting.stop(max(0.0, deadline - time.monotonic()))


def _line_of(work: Work) -> Driver:
    """Return where the rest of ``work`` is driven; only the long lane has the time to pause."""
    return Driver.LONG if work.lane is Lane.LONG or work.pause > 0 else Driver.SHORT
