"""A connection that is parked: what the lot needs of it, and how far its wait is."""

import logging
import socket
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from davkeep.keepalive.exchange import Waiting
from davkeep.keepalive.pieces import Pieces

_log = logging.getLogger("davkeep.keepalive")


class Arrival(Enum):
    """What has come from a client beyond the request that waits."""

    NOTHING = "nothing"
    BYTES = "bytes"
    """The next request, or its beginning."""
    END = "end"
    """The client will send nothing more; it may read still (a half-close)."""


class Parkable(Protocol):
    """What the lot needs of a connection."""

    socket: socket.socket

    @property
    def peer(self) -> str:
        """The client's address, for the log."""

    def arrival(self) -> Arrival:
        """See what has come, without waiting, and lose none of it."""

    def reset(self) -> None:
        """Close it without writing anything, so that the client sees an error rather than an
        end.
        """


@dataclass(eq=False, slots=True)
class Interims:
    """The interim responses of one request; it outlives each single wait of that request."""

    #: Reading of the clock when the request was complete, in seconds.
    completed: float
    #: How many were sent.
    sent: int = 0
    #: Reading of the clock when the last one was sent.
    last: float = 0.0
    #: What is left of one that did not fit; it is finished before anything else is written.
    unsent: bytes = b""
    #: How many `100 Continue` were sent before, which count towards some caps.
    continues: int = 0

    def count(self, now: float, peer: str, label: str) -> None:
        """One more is out; called by whoever wrote its last byte."""
        self.sent += 1
        self.last = now
        self.unsent = b""
        _log.info("102 Processing to %s, %s, number %d", peer, label, self.sent)


class Stage(Enum):
    """How far one wait is. It ends exactly once, whatever happens at the same moment."""

    # By identity: that of Enum hashes the name, in Python, at each look into a table.
    __hash__ = object.__hash__

    COMING = "coming"
    """On its way to the lot's thread."""
    PARKED = "parked"
    """The lot's thread keeps the connection and has subscribed to the end of the wait."""
    RETURNED = "returned"
    """Over: a thread of the pool resumes the request."""
    LOST = "lost"
    """Over: the client has gone, and whoever made the wait is told."""
    STOPPED = "stopped"
    """Over: the lot has closed. Nobody is told that a client went, for none did."""

    @property
    def is_over(self) -> bool:
        """True when no other stage can follow."""
        return not NEXT[self]


#: Which stages may follow which. What is not here is a bug.
NEXT: dict[Stage, frozenset[Stage]] = {
    Stage.COMING: frozenset({Stage.PARKED, Stage.LOST, Stage.STOPPED}),
    Stage.PARKED: frozenset({Stage.RETURNED, Stage.LOST, Stage.STOPPED}),
    Stage.RETURNED: frozenset(),
    Stage.LOST: frozenset(),
    Stage.STOPPED: frozenset(),
}


class IllegalStage(RuntimeError):
    """A stage was to follow that cannot follow: a wait would end twice."""


@dataclass(eq=False, slots=True)
class Parked:
    """One connection during one wait."""

    connection: Parkable
    waiting: Waiting
    interims: Interims
    #: What is written into a response that was begun; None: nothing.
    pieces: Pieces | None = None
    #: Reading of the clock at which the lot looks at it next, in seconds; None: only an event
    #: brings it back.
    due: float | None = None
    #: Whether it is handed back then, so that a multi-status is begun.
    begins: bool = False
    #: Whether only the rest of a piece is still to be written before it is handed back.
    is_last: bool = False
    stage: Stage = Stage.COMING

    @property
    def name(self) -> str:
        """For the log."""
        return self.waiting.label or "a request"

    def enter(self, stage: Stage) -> None:
        """Go on to ``stage``; raises IllegalStage if that cannot follow."""
        if stage not in NEXT[self.stage]:
            raise IllegalStage(f"{self.name}: {self.stage.value} cannot become {stage.value}")
        self.stage = stage
        if stage.is_over:
            self.due = None
