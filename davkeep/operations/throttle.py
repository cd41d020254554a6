"""How fast bulk work of one operation may go."""

from dataclasses import dataclass, field
from math import inf


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one operation may do in a second; None is no limit.

    A member is a file, a link or a collection. Zero or less raises ValueError.
    """

    members_per_second: float | None = None
    bytes_per_second: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits at which nothing would ever move."""
        for limit in (self.members_per_second, self.bytes_per_second):
            if limit is not None and limit <= 0:
                raise ValueError(f"a limit of {limit} a second")


@dataclass(slots=True)
class Pace:
    """One limit: each unit begins no earlier than 1/limit after the one before was allowed.

    There is no burst, and slow units give no credit to later ones; only one that waited, and was
    woken late, counts as begun at its moment, or one interval ago at most, lest a limit be kept
    too well. What happened before the first ``resume`` (a scan) costs nothing.
    """

    limit: float
    _seen: int = 0
    _allowed: float | None = None
    _earliest: float = -inf
    _waits: bool = True
    _has_paused: bool = False

    def pause_after(self, now: float, done: int) -> float:
        """Return the seconds until the unit after ``done`` units may begin."""
        if done > self._seen and self._allowed is not None:
            self._earliest = self._allowed + (done - self._seen) / self.limit
            self._waits = True
        self._seen = done
        pause = max(0.0, self._earliest - now)
        self._has_paused |= pause > 0
        return pause

    def resume(self, now: float) -> None:
        """Note that the work goes on; a unit begins if one was waiting for its moment."""
        if self._waits:
            is_late = self._has_paused
            self._allowed = max(self._earliest, now - 1 / self.limit) if is_late else now
            self._waits = self._has_paused = False

    def rest(self) -> None:
        """Note that the work does something else; the next unit begins when it is resumed."""
        self._waits = True


@dataclass(slots=True)
class Throttle:
    """Both limits of one operation. Time is an argument, in seconds of one monotonic clock."""

    limits: Limits
    _members: Pace | None = field(init=False)
    _bytes: Pace | None = field(init=False)

    def __post_init__(self) -> None:
        """Set a pace for each limit there is."""
        members, size = self.limits.members_per_second, self.limits.bytes_per_second
        self._members = Pace(members) if members is not None else None
        self._bytes = Pace(size) if size is not None else None

    @property
    def is_set(self) -> bool:
        """Whether there is a limit."""
        return self._members is not None or self._bytes is not None

    def pause_after(self, now: float, members_done: int, bytes_done: int) -> float:
        """Return the seconds to wait before the work may go on."""
        members = self._members.pause_after(now, members_done) if self._members else 0.0
        size = self._bytes.pause_after(now, bytes_done) if self._bytes else 0.0
        return max(members, size)

    def resume(self, now: float) -> None:
        """Note that the work goes on at ``now``."""
        for pace in self._paces():
            pace.resume(now)

    def rest(self) -> None:
        """Note that the work has left its bulk part."""
        for pace in self._paces():
            pace.rest()

    def _paces(self) -> list[Pace]:
        return [pace for pace in (self._members, self._bytes) if pace is not None]
