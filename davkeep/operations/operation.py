"""An operation: one long request, apart from the connection that asked for it."""

import threading
from collections.abc import Callable
from secrets import token_hex
from typing import NamedTuple

from davkeep.operations.attempt import call_all
from davkeep.operations.outcome import Outcome
from davkeep.operations.rate import NO_RATE, Rate, RecentRate, estimated_seconds
from davkeep.operations.state import State, follow
from davkeep.operations.throttle import Limits
from davkeep.trees.counting import Totals
from davkeep.trees.steps import Submit
from davkeep.words.progress import Progress

#: Random bytes of an identifier, so that it cannot be guessed. It is written in hexadecimal and
#: is therefore safe in file names and URLs.
ID_BYTES = 16

#: Called when something happened; it must return at once and take no lock that a caller holds.
Callback = Callable[[], None]


def _ignore(_: "Operation") -> None:
    """Stand in until somebody drives the operation."""


def _no_helpers() -> Submit | None:
    """Stand in until the lanes have it."""
    return None


class _Subscriber(NamedTuple):
    """Who is told; see ``Operation.subscribe``."""

    callback: Callback
    early: bool
    waits: bool


class Operation:
    """What is known of one COPY, MOVE, DELETE or commit of a PUT.

    ``owner`` is a user name, or "" for the anonymous user, who is told apart by ``address``.
    ``source`` and ``destination`` are URL paths, ``created`` is seconds of the epoch. ``progress``
    is shared with the work's Control and written by the thread that drives it; show ``seen()`` of
    it. ``recent`` gets its samples from that thread, and ``limits`` are those of its throttle.

    ``_lock`` guards the state, the outcomes, the subscribers, the flags below and the totals of
    ``progress`` against a count that comes too late. It is held for a few assignments only;
    nothing foreign is called under it. Thousands may wait, so there are slots.
    """

    __slots__ = (
        "_early_outcome",
        "_is_abandoned",
        "_is_answered",
        "_is_cancel_requested",
        "_is_irrevocable",
        "_lock",
        "_outcome",
        "_state",
        "_subscribers",
        "address",
        "created",
        "destination",
        "ended",
        "helpers",
        "id",
        "left_behind",
        "limits",
        "method",
        "on_cancel",
        "owner",
        "progress",
        "recent",
        "source",
    )

    def __init__(
        self,
        *,
        owner: str,
        method: str,
        source: str,
        created: float,
        destination: str | None = None,
        address: str = "",
        id: str | None = None,
    ) -> None:
        """Make a pending operation; ``id`` is given only for one that comes from the journal."""
        self.id = token_hex(ID_BYTES) if id is None else id
        self.owner = owner
        self.address = address
        self.method = method
        self.source = source
        self.destination = destination
        self.created = created
        self.progress = Progress()
        self.recent = RecentRate()
        self.limits = Limits()
        #: What copies members beside the driver, where that is of use; set by the lanes.
        self.helpers: Callable[[], Submit | None] = _no_helpers
        #: Seconds of the epoch at which it was over; set by the registry before its end is told.
        self.ended: float | None = None
        #: Whether something hidden is left that could not be removed, or not be brought back; set
        #: by the thread that drives it.
        self.left_behind = False
        #: Called with a cancelled operation, wakes who drives it; set by the lanes.
        self.on_cancel: Callable[[Operation], None] = _ignore
        self._lock = threading.Lock()
        self._state = State.PENDING
        self._outcome: Outcome | None = None
        self._early_outcome: Outcome | None = None
        self._subscribers: list[_Subscriber] = []
        self._is_cancel_requested = False
        self._is_abandoned = False
        self._is_irrevocable = False
        self._is_answered = False

    def __repr__(self) -> str:
        """Show what a log needs."""
        return f"<Operation {self.id} {self.method} {self.source} {self._state.value}>"

    # Questions

    @property
    def account(self) -> tuple[str, str]:
        """Who takes turns with whom: the owner, and for the anonymous one the address."""
        return (self.owner, "" if self.owner else self.address)

    @property
    def state(self) -> State:
        """Where the operation stands."""
        return self._state

    @property
    def outcome(self) -> Outcome | None:
        """The final outcome; None until the operation is over."""
        return self._outcome

    @property
    def standing(self) -> tuple[State, Outcome | None]:
        """State and final outcome as of one moment, which the two above are not together."""
        with self._lock:
            return self._state, self._outcome

    @property
    def early_outcome(self) -> Outcome | None:
        """What may be answered since the effective point, before the purge; None before it."""
        return self._early_outcome

    @property
    def answered(self) -> bool:
        """True when a client was answered before the end, so that nothing may take it back."""
        return self._is_answered

    @property
    def waiters(self) -> int:
        """How many subscribers wait for the outcome."""
        with self._lock:
            return sum(subscriber.waits for subscriber in self._subscribers)

    @property
    def is_cancel_due(self) -> bool:
        """True when the work has to be undone at its next checkpoint."""
        return self._is_cancel_requested and not self._is_irrevocable

    @property
    def is_being_cancelled(self) -> bool:
        """True from a cancel on until the work is undone, or has ended all the same."""
        return self.is_cancel_due and not self._state.is_over

    @property
    def is_abandoned(self) -> bool:
        """True when it is being undone because all its clients went: a repeat begins anew."""
        return self._is_abandoned

    @property
    def is_settled(self) -> bool:
        """True when the work may not be undone any more: irrevocable, answered or over."""
        return self._is_irrevocable or self._is_answered or self._state.is_over

    @property
    def is_cancellable(self) -> bool:
        """True as long as a cancel would be accepted."""
        return not self.is_settled

    @property
    def wants_total(self) -> bool:
        """True while it is worth while to count what the work has before it."""
        return not (self._is_cancel_requested or self.is_settled)

    def rate(self, now: float) -> Rate:
        """How fast it has been going of late; nothing unless it runs. ``now`` is the lanes'."""
        if self._state is not State.RUNNING:
            return NO_RATE
        return self.recent.at(now, self.progress.members_done, self.progress.bytes_done)

    def estimated_seconds(self, now: float) -> float | None:
        """The seconds that the rest will take; None unless it runs and its totals are known."""
        return estimated_seconds(self.progress.seen(), self.rate(now), self.limits)

    # Waiting

    def subscribe(self, callback: Callback, *, early: bool = False, waits: bool = True) -> None:
        """Have ``callback`` called exactly once, from any thread: when over, at once if it is.

        With ``early`` the effective point of a DELETE is enough; ``early_outcome`` is there then.
        ``waits`` false is for what has to be tidied up at the end, which is no waiter.
        """
        with self._lock:
            is_later = not self._is_ready(early)
            if is_later:
                self._subscribers.append(_Subscriber(callback, early, waits))
        if not is_later:
            call_all([callback], "a subscriber of %r", self)

    def unsubscribe(self, callback: Callback) -> None:
        """Forget ``callback``; it may be running at this moment all the same."""
        with self._lock:
            self._subscribers = [kept for kept in self._subscribers if kept.callback != callback]

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Block for at most ``timeout`` seconds; the outcome, or None if it is not over by then."""
        over = threading.Event()
        self.subscribe(over.set, waits=False)
        over.wait(timeout)
        self.unsubscribe(over.set)
        return self._outcome

    # Cancelling

    def cancel(self) -> bool:
        """Ask that the work be undone; False when it cannot be cancelled any more (409).

        True is no promise: work that ends, or takes effect, before its next checkpoint succeeds.
        """
        with self._lock:
            if self.is_settled:
                return False
            is_first = not self._is_cancel_requested
            self._is_cancel_requested = True
        if is_first:
            self.on_cancel(self)
        return True

    def abandon(self) -> bool:
        """Cancel if nobody waits any more; False when somebody does, or it cannot be cancelled."""
        with self._lock:
            if any(subscriber.waits for subscriber in self._subscribers):
                return False
            self._is_abandoned = not self.is_settled
        return self.cancel()

    def mark_answered(self) -> bool:
        """Ask leave to answer a client early; from True on, nothing takes the work back.

        False: it is over, or undoing came first; only the final outcome may be answered.
        """
        with self._lock:
            is_undone = self._is_cancel_requested and not self._is_irrevocable
            if is_undone or self._state.is_over or self._early_outcome is None:
                return False
            self._is_answered = True
            return True

    # For the thread that counts ahead of it

    def counted(self, totals: Totals) -> None:
        """What a COPY or MOVE has before it, unless the totals are settled by now."""
        with self._lock:
            if not self.is_settled:
                self.progress.members_total = totals.members
                self.progress.bytes_total = totals.bytes

    # For the thread that drives it

    def begin(self) -> None:
        """A thread drives the work for the first time."""
        with self._lock:
            self._state = follow(self._state, State.RUNNING)

    def begin_undo(self) -> bool:
        """The server stops: take the work back if that may still be; no answer can come between."""
        with self._lock:
            if self.is_settled:
                return False
            self._is_cancel_requested = True
            return True

    def reach_effective_point(
        self, early: Outcome | None = None, *, cancellable: bool = False
    ) -> None:
        """The name space shows the final state; called from the work's ``effective``.

        A COPY or MOVE cannot be cancelled from now on. A DELETE can (``cancellable``) until it is
        answered; ``early`` is what clients that cannot wait for the purge are answered.
        """
        with self._lock:
            self._is_irrevocable = not cancellable
            if not cancellable and (early is None or early.state is State.SUCCEEDED):
                self.progress.settle()
            self._early_outcome = early
            due = self._take_ready()
        call_all(due, "an early subscriber of %r", self)

    def recall(self) -> bool:
        """A DELETE met what cannot go, and has to take back what is left of the tree.

        From True on nobody is answered before the end; False: somebody was.
        """
        with self._lock:
            if self.is_settled:
                return False
            self._early_outcome = None
            return True

    def end(self, state: State, outcome: Outcome) -> None:
        """The work is over, undone or never began; tell all who wait."""
        with self._lock:
            self._state = follow(self._state, state)
            self._outcome = outcome
            if state is State.SUCCEEDED:
                self.progress.settle()
            due = self._take_ready()
        self.on_cancel, self.helpers = _ignore, _no_helpers
        call_all(due, "a subscriber of %r", self)

    def _is_ready(self, early: bool) -> bool:
        return self._state.is_over or (early and self._early_outcome is not None)

    def _take_ready(self) -> list[Callback]:
        is_over, is_early = self._is_ready(False), self._is_ready(True)
        due: list[_Subscriber] = []
        kept: list[_Subscriber] = []
        for each in self._subscribers:
            (due if is_over or (each.early and is_early) else kept).append(each)
        self._subscribers = kept
        return [each.callback for each in due]
