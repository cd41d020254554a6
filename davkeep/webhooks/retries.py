"""When a delivery is tried again, and when not. Chance and time are arguments."""

from collections import deque
from enum import Enum, auto

from davkeep.words.configuration.webhooks import LONGEST_PAUSE

#: How many times as long as the one before a pause is. From one second, eight pauses lead to 4.5
#: hours, so that twelve attempts outlast a receiver's bad day.
FACTOR = 4.0
#: The part of a pause by which it may be shorter or longer, so that receivers that failed together
#: are not asked together.
JITTER = 0.25
#: Requests to one receiver that wait for their answers at the same time. One that takes 0.1 s for
#: each is told of up to 160 events a second so.
MOST_UNDER_WAY = 16
#: Seconds for which fewer are tried where one of so many got no answer, which costs that one its
#: time; and where a connection beside others was refused, which costs nothing.
LATE_SECONDS = 600.0
REFUSED_SECONDS = 5.0
#: Into how many parts the age of events is told apart.
MARKS = 50
#: Seconds that an event outlasts a receiver that fails, however few attempts are configured.
SHORTEST_LIFE = 3600.0


class Verdict(Enum):
    """What a receiver's answer means."""

    DELIVERED = auto()
    AGAIN = auto()
    GIVE_UP = auto()


def verdict(status: int | None) -> Verdict:
    """Judge a final status; None: there was no answer.

    2xx is delivered. 410 says that the receiver has gone for good (RFC 9110 15.5.11). Everything
    else is tried again: a redirection because none is followed, and a 4xx because a receiver that
    is being replaced, or the proxy before it, answers 404, 401 or 403 for a while.
    """
    if status is not None and 200 <= status <= 299:
        return Verdict.DELIVERED
    return Verdict.GIVE_UP if status == 410 else Verdict.AGAIN


def pause_after(failed: int, first: float, chance: float, wished: float = 0.0) -> float:
    """Return the seconds between attempt number ``failed``, which failed, and the next.

    ``first`` is the pause after the first one, ``chance`` a number from 0 to 1, and ``wished`` what
    the receiver's Retry-After asks for at least. No pause is longer than LONGEST_PAUSE.
    """
    pause = min(first * FACTOR ** (failed - 1), LONGEST_PAUSE)
    jittered = pause * (1 - JITTER + 2 * JITTER * chance)
    return min(max(jittered, wished), LONGEST_PAUSE)


def lifetime(attempts: int, first: float, timeout: float) -> float:
    """Return the seconds that so many attempts take at most, after which an event is given up.

    It is tried less often than that where the receiver failed at others meanwhile.
    """
    pauses = sum(pause_after(failed, first, 1.0) for failed in range(1, attempts))
    return max(pauses + attempts * timeout, SHORTEST_LIFE)


class Ages:
    """Which events have waited for longer than `lifetime` seconds, by a monotonic clock.

    Events are numbered as they come. So it is enough to know now and then which was the newest: all
    up to it have waited from then on at least. What was there before this began counts from then.
    """

    def __init__(self, lifetime: float) -> None:
        """Begin with no event known."""
        self._lifetime = lifetime
        #: Moments, and the greatest number at each, the oldest first.
        self._marks: deque[tuple[float, int]] = deque()

    def note(self, now: float, newest: int) -> None:
        """`newest` is the greatest number now."""
        last, number = self._marks[-1] if self._marks else (float("-inf"), 0)
        if newest > number and now - last >= self._lifetime / MARKS:
            self._marks.append((now, newest))

    def over(self, now: float) -> int:
        """Return the number up to which all have waited for too long; 0: none."""
        number = 0
        while self._marks and self._marks[0][0] <= now - self._lifetime:
            _, number = self._marks.popleft()
        return number


class Course:
    """How it goes with one receiver, and so how many requests may be under way to it, and when.

    It begins with one, and each success doubles that, up to MOST_UNDER_WAY. After a failure it is
    one again, after a pause. Failures of requests that were under way together count as one.
    Moments are readings of a monotonic clock, in seconds.
    """

    def __init__(self, first: float) -> None:
        """`first` is the pause after the first failure, in seconds."""
        self._first = first
        self._failures = 0
        #: What the window is at most, and until when that is fewer than usual.
        self._most = MOST_UNDER_WAY
        self._narrow_until = 0.0
        #: How many may be under way.
        self.window = 1
        #: When the next may begin.
        self.not_before = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt that says something failed."""
        return self._failures > 0

    def succeeded(self, began: float) -> None:
        """A request that began at that moment was answered with success."""
        if began >= self.not_before:
            self._failures = 0
            if began >= self._narrow_until:
                self._most = MOST_UNDER_WAY
            self.window = min(2 * self.window, self._most)

    def failed(self, began: float, now: float, chance: float, wished: float = 0.0) -> float:
        """One failed; return the pause in seconds, by the arguments of `pause_after`."""
        if began >= self.not_before:
            self._failures += 1
            pause = pause_after(self._failures, self._first, chance, wished)
            self.window, self.not_before = 1, now + pause
        return max(self.not_before - now, 0.0)

    def narrow(self, count: int, now: float, seconds: float) -> None:
        """Have no more than `count` under way for so long, for more do not get an answer."""
        self._narrow_until = max(self._narrow_until, now + seconds)
        self._most = max(min(count, self._most), 1)
        self.window = min(self.window, self._most)

    def widen(self) -> None:
        """Have as many as usual again, as it goes well: there was no reason for fewer."""
        self._narrow_until, self._most = 0.0, MOST_UNDER_WAY
