"""Threads for one kind of work, of which the system may refuse some."""

import logging
import threading
import time
from collections.abc import Callable

from davkeep.words.threads import ThreadRefusedError, start_thread

_log = logging.getLogger("davkeep.threads")


class Crew:
    """So many threads at most; only those that run are counted. Not locked: its owner guards it."""

    def __init__(self, name: str, size: int, is_over: Callable[[], bool]) -> None:
        """Begin with nobody.

        ``name`` is that of the threads, without their numbers; ``is_over`` as of `start_thread`.
        """
        self._name = name
        self._is_over = is_over
        self._size = size
        #: Those that run, the first started first.
        self.threads: list[threading.Thread] = []
        #: Whether the system refused one that is still missing; told once.
        self._is_short = False

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.threads)

    def begin(self, run: Callable[[], object]) -> None:
        """Start the first one, if there is none. Raises ThreadRefusedError."""
        if not self.threads:
            self._start(run, 1)

    def grow(self, run: Callable[[], object], wanted: int = 1) -> None:
        """Start up to ``wanted`` more, as far as the size allows.

        Where the system refuses one, those that there are go on, and the next call tries again.
        """
        for number in range(len(self) + 1, min(len(self) + wanted, self._size) + 1):
            try:
                self._start(run, number)
            except ThreadRefusedError as error:
                if not self._is_short:
                    _log.warning("%s, so there are %d", error.strerror, len(self))
                self._is_short = True
                return
            self._is_short = False

    def _start(self, run: Callable[[], object], number: int) -> None:
        name = f"{self._name}-{number}"
        self.threads.append(start_thread(run, name, is_over=self._is_over))

    def join(self, until: float) -> None:
        """Wait for their end, but not for the calling thread's, up to a moment (monotonic)."""
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
