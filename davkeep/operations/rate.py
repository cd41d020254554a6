"""How fast an operation is going, and how long the rest will take. Time is an argument.

The rate is a mean in which what is older counts less; seconds in which the work waited for its
turn or for the throttle are in it, for the rest will have to wait as well.
"""

from math import exp, expm1
from typing import NamedTuple

from davkeep.operations.throttle import Limits
from davkeep.words.progress import Progress

#: Seconds after which a moment counts e times less. A changed rate is followed to 95 % within three
#: times as many, and the mean is about as steady as a plain one over ten seconds.
MEMORY = 5.0
#: Seconds between two samples at least, so that taking them costs nothing.
SAMPLE_EVERY = 0.25
#: Seconds without any progress after which nothing can be said of the rest.
SILENCE = 30.0
#: What treating a member costs besides its content, in bytes that could be copied meanwhile. In
#: memory a file of 4 KiB was measured at 15 us, a large one at 4 GiB/s; disks have a like relation.
MEMBER_COST = 64 * 1024


class Rate(NamedTuple):
    """What is done in a second."""

    members: float
    bytes: float


#: Nothing moves, or nothing is known.
NO_RATE = Rate(0.0, 0.0)


class _Sample(NamedTuple):
    """What was known at one moment. ``weight`` is 0 at first and grows towards 1."""

    at: float
    members: int
    bytes: int
    rate: Rate
    weight: float
    moved: float


class RecentRate:
    """The rate of one operation: the thread that drives it takes samples, any may ask.

    A sample is one tuple that is replaced as a whole, so no lock is needed. Time that passes before
    anything is done (a scan) is left out.
    """

    __slots__ = ("_sample",)

    def __init__(self) -> None:
        """Know nothing."""
        self._sample: _Sample | None = None

    def sample(self, now: float, members_done: int, bytes_done: int) -> None:
        """Note how far the work is; quick, and does nothing most of the time."""
        last = self._sample
        if last is None:
            self._sample = _Sample(now, members_done, bytes_done, NO_RATE, 0.0, now)
        elif now - last.at >= SAMPLE_EVERY:
            self._sample = _following(last, now, members_done, bytes_done)

    def at(self, now: float, members_done: int, bytes_done: int) -> Rate:
        """Return the rate at ``now``, changing nothing."""
        last = self._sample
        if last is None:
            return NO_RATE
        if now - last.at >= SAMPLE_EVERY:
            last = _following(last, now, members_done, bytes_done)
        return last.rate if now - last.moved < SILENCE else NO_RATE


def _following(last: _Sample, now: float, members: int, size: int) -> _Sample:
    """Return the sample at ``now``: each second before it weighs exp(-age / MEMORY)."""
    seconds = now - last.at
    new = Rate((members - last.members) / seconds, (size - last.bytes) / seconds)
    if new == NO_RATE and not last.weight:
        return last._replace(at=now, moved=now)
    old = last.weight * exp(-seconds / MEMORY)
    fresh = -expm1(-seconds / MEMORY)
    weight = old + fresh
    rate = Rate(
        (last.rate.members * old + new.members * fresh) / weight,
        (last.rate.bytes * old + new.bytes * fresh) / weight,
    )
    return _Sample(now, members, size, rate, weight, last.moved if new == NO_RATE else now)


def estimated_seconds(progress: Progress, rate: Rate, limits: Limits) -> float | None:
    """Return the seconds that what was counted will still take; None if that is unknown.

    It is unknown while a total is, and while nothing moves. Members and bytes are added up by what
    they cost, so a rate learned from small files serves for the large ones that follow, and the
    other way round; a throttle's limit is kept in any case. Flushing and purging are not in it.
    """
    if progress.members_total is None or progress.bytes_total is None:
        return None
    speed = rate.members * MEMBER_COST + rate.bytes
    if speed <= 0:
        return None
    members = max(0, progress.members_total - progress.members_done)
    size = max(0, progress.bytes_total - progress.bytes_done)
    return max(
        (members * MEMBER_COST + size) / speed,
        members / limits.members_per_second if limits.members_per_second else 0.0,
        size / limits.bytes_per_second if limits.bytes_per_second else 0.0,
    )
