"""What has to be looked after from time to time, in one thread that is there from the start.

A chore is short and comes again: an attempt to erase what could not be erased, a look whether the
state is still there. Long work (purging what a crash left) is a generator that goes on between two
chores. So nothing that is to be made good later needs a thread when threads are short.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

from davkeep.operations.attempt import attempt
from davkeep.words.threads import start_thread

#: Seconds that long work goes on before chores have their turn.
SLICE = 0.05


#: Long work, which yields wherever it may be left for something else, or for good.
Steps = Generator[object, None, None]


@dataclass(slots=True, eq=False)
class _Chore:
    """What is done every ``interval`` seconds, next at the moment ``due``."""

    call: Callable[[], object]
    interval: float
    due: float


class Upkeep:
    """The chores, and the long works, which take turns. ``clock`` is a monotonic one.

    ``_changed`` guards the chores, the queue of long work and the flag. The long work itself, and
    every call, belongs to the thread that calls ``turn``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing to do."""
        self._clock = clock
        self._changed = threading.Condition()
        self._chores: list[_Chore] = []
        self._long: deque[Steps] = deque()
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def every(self, seconds: float, call: Callable[[], object]) -> None:
        """Have ``call`` done every ``seconds``; what it raises is logged, and it comes again."""
        with self._changed:
            self._chores.append(_Chore(call, seconds, self._clock() + seconds))
            self._changed.notify()

    def drive(self, steps: Steps) -> None:
        """Go through ``steps`` between chores; at a stop it is closed where it stands."""
        with self._changed:
            self._long.append(steps)
            self._changed.notify()

    def start(self) -> None:
        """Start the thread. Raises ThreadRefusedError."""
        self._thread = start_thread(self._serve, "davkeep-upkeep", is_over=lambda: self._is_stopped)

    def stop(self, seconds: float) -> None:
        """End, after the step that is being made, and wait at most ``seconds`` for that."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)

    def turn(self) -> float | None:
        """Do what is due and a slice of the long work; return the seconds until there is more.

        None: there is nothing to do until something is added.
        """
        for chore in self._due():
            attempt(chore.call, "upkeep")
        if self._long:
            self._go_on(self._long.popleft())
        with self._changed:
            if self._long:
                return 0.0
            next_due = min((chore.due for chore in self._chores), default=None)
            return None if next_due is None else max(0.0, next_due - self._clock())

    def _due(self) -> list[_Chore]:
        with self._changed:
            now = self._clock()
            due = [chore for chore in self._chores if chore.due <= now]
            for chore in due:
                chore.due = now + chore.interval
            return due

    def _go_on(self, steps: Steps) -> None:
        until = self._clock() + SLICE

        def slice_of_it() -> bool:
            return any(self._clock() >= until or self._is_stopped for _ in steps)

        if attempt(slice_of_it, "upkeep") is True:
            self._long.append(steps)

    def _serve(self) -> None:
        """Be the thread."""
        while not self._wait(self.turn()):
            pass
        while self._long:
            attempt(self._long.popleft().close, "ending upkeep")

    def _wait(self, pause: float | None) -> bool:
        """Wait for ``pause`` seconds, or until something is new; return whether to end."""
        with self._changed:
            if not self._is_stopped and pause != 0.0:
                self._changed.wait(pause)
            return self._is_stopped
