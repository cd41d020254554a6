"""What became of a client that asked for something long."""

from dataclasses import dataclass
from enum import Enum

from harness.clients import Told
from harness.inotify import Event

#: What is said for a client that tells nothing at all.
HANGS = "hangs"


class Outcome(Enum):
    """What became of a pair of a client and a proxy."""

    KEPT = "kept"  #: it was told the true result, as long as the operation took
    GIVES_UP = "gives up"  #: it, or the proxy, had no more patience, and said so
    BROKEN = "broken"  #: it was told something wrong, or failed because of an interim response


@dataclass(frozen=True)
class Call:
    """One call of a client: what it told, and when, in seconds from the start of the first."""

    told: Told
    began: float
    ended: float


@dataclass(frozen=True)
class Result:
    """What one pair did, and what the disk and the kernel say of it."""

    calls: tuple[Call, ...]
    #: Seconds that the operation is to take at least.
    length: float
    #: Whether somebody's patience is shorter than that, so that giving up is an honest end.
    is_tried: bool
    #: What happened in the folder where the result appears.
    trace: tuple[Event, ...]
    #: What is not as it should be after the end; empty: everything is.
    problems: tuple[str, ...]

    @property
    def first(self) -> Call:
        """The call with the patience of the pair."""
        return self.calls[0]

    @property
    def outcome(self) -> Outcome:
        """What became of the first call."""
        told = self.first.told
        if told.succeeded:
            is_true = self.first.ended >= self.length and told.own_answer is not False
            return Outcome.KEPT if is_true else Outcome.BROKEN
        misled = told.said in ("102", HANGS) or told.own_answer is False
        return Outcome.GIVES_UP if self.is_tried and not misled else Outcome.BROKEN
