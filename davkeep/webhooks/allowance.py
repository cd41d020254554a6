"""The part of a processor that webhooks may take."""

import threading
import time
from collections.abc import Callable

#: The part of one processor that all senders together take at most.
SHARE = 0.2
#: Seconds of it that may be taken at once after a rest.
BURST = 0.02
#: Seconds that one rests at most, so that what one has used does not hold up all others for long.
MOST_REST = 0.5


class Allowance:
    """One for all senders: each says what it has used, and rests until that is earned.

    `clock` is a monotonic one. `_lock` guards the moment up to which everything is used.
    """

    def __init__(
        self, share: float = SHARE, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing used."""
        self._share = share
        self._clock = clock
        self._lock = threading.Lock()
        self._used_up_to = float("-inf")

    def use(self, seconds: float) -> float:
        """Count so many seconds of a processor; return those for which to rest."""
        with self._lock:
            now = self._clock()
            earned = max(self._used_up_to, now - BURST / self._share)
            self._used_up_to = min(earned + seconds / self._share, now + MOST_REST)
            return max(self._used_up_to - now, 0.0)


class Processor:
    """Measures what the calling thread takes of a processor."""

    def __init__(self) -> None:
        """Begin now."""
        self._seen = time.thread_time()

    def used(self) -> float:
        """Return the seconds since the last call."""
        before, self._seen = self._seen, time.thread_time()
        return self._seen - before
