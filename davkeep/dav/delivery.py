"""How an operation's outcome reaches its client: at once, after the connection was held, or by way
of a status monitor.
"""

from collections.abc import Callable, Iterable
from functools import partial

from davkeep.dav.accepted import Wish, accepted
from davkeep.dav.answers import Answer, Field, Pending, Reply, failure_answer, retry_fields
from davkeep.dav.early import EarlyMultistatus
from davkeep.dav.multistatus import failures_answer
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.keepalive import Exchange, Facts, NoAnswer, Plan, Waiting
from davkeep.operations import Conflict, Operation, Outcome, Stopping
from davkeep.operations.state import State
from davkeep.words.failure import Failure
from davkeep.words.later import Later


def _nothing() -> None:
    """Nothing is to be done."""


def deliver(
    site: Site, request: Request, operation: Operation, told: tuple[Field, ...] = ()
) -> Reply:
    """Drive the first moments of ``operation``, then answer it or hold the connection.

    ``told``: what a 202 says besides.
    """
    return Delivery(site, request.exchange, operation, Wish.of(request), told).reply(request)


class Delivery:
    """The answer of one request that asked for, or joined, ``operation``."""

    __slots__ = ("_exchange", "_operation", "_plan", "_site", "_told", "_until", "_waiter", "_wish")

    #: How its client is kept waiting, should it come to that.
    _plan: Plan

    def __init__(
        self,
        site: Site,
        exchange: Exchange,
        operation: Operation,
        wish: Wish | None,
        told: tuple[Field, ...],
    ) -> None:
        """``exchange``: of the request; ``wish``: what it says of a 202; ``told``: what that says
        besides.
        """
        self._site = site
        self._exchange = exchange
        self._operation = operation
        self._wish = wish
        self._told = told
        #: When 202 is answered, by the monotonic clock; None: never.
        self._until = None if wish is None else site.monotonic() + wish.seconds
        self._waiter = _Waiter(operation, cancels=_ends_with_client(site))

    def reply(self, request: Request) -> Reply:
        """The final response, 202 for one who prefers that, or what has to be waited for first."""
        grace = self._site.configuration.davkeep.operations.grace
        # Who waits from the first moment on is not overlooked when another client leaves.
        self._waiter.stay()
        self._site.registry.begin(
            self._operation, grace if self._wish is None else min(grace, self._wish.seconds)
        )
        if self._wish is not None and not self._wish.seconds:
            return self._accepted(self._wish)
        if self._operation.outcome is None:
            self._plan = self._site.plan(Facts.of(request.environ), self._wish is not None)
            self._waiter.is_early = self._plan.client.effective_point
        return self._answered() or Pending(self._waiting, self._resumed)

    def _answered(self) -> Answer | None:
        outcome = self._outcome()
        if outcome is not None:
            return answer_of(outcome)
        if self._wish and self._until is not None and self._site.monotonic() >= self._until:
            return self._accepted(self._wish)
        return None

    def _accepted(self, wish: Wish) -> Answer:
        """From now on its client is one that looks at the status monitor: that counts as waiting,
        and a repeat after the end is a new request.
        """
        self._waiter.stay()
        self._note_delivery()
        return accepted(self._operation, wish, self._site.registry.lanes.now(), self._told)

    def _note_delivery(self) -> None:
        delivered = Later(self._site.registry.delivered, self._operation)
        self._exchange.when_delivered(delivered)

    def _outcome(self) -> Outcome | None:
        """How it ended; None while that is not to be told. NoAnswer where it never will be."""
        operation = self._operation
        # Of what is answered last, so whatever that is.
        self._note_delivery()
        if operation.outcome is None and self._waiter.is_early:
            if self._site.registry.answer_early(operation):
                return operation.early_outcome
            # Something came in between: from now on only the end will do.
            self._waiter.is_early = operation.early_outcome is None
        if operation.state is State.INTERRUPTED:
            raise NoAnswer(f"{operation!r} was interrupted")
        return operation.outcome

    def _resumed(self) -> Reply:
        """Woken by the outcome, by the plan, because it is time to begin a multi-status, or because
        its client has waited as long as it would.
        """
        answer = self._answered()
        if answer is None and self._plan.may_begin:
            return EarlyMultistatus(self._operation, self._outcome, self._waiting_begun)
        return answer or Pending(self._waiting, self._resumed)

    def _waiting(self, resume: Callable[[], Iterable[bytes]]) -> Waiting:
        return self._wait(resume, beat=self._plan, deadline=self._until)

    def _waiting_begun(self, resume: Callable[[], Iterable[bytes]]) -> Waiting:
        """Until there is more to say than white space, or it is time for that."""
        pause = self._plan.next_step(0.0, 0, begun=True).at
        return self._wait(
            resume, deadline=None if pause is None else self._site.monotonic() + pause
        )

    def _wait(
        self,
        resume: Callable[[], Iterable[bytes]],
        *,
        beat: Plan | None = None,
        deadline: float | None = None,
    ) -> Waiting:
        return Waiting(
            subscribe=self._waiter.subscribe,
            resume=resume,
            beat=beat,
            deadline=deadline,
            disconnected=self._waiter.leave,
            ends_with_client=self._waiter.cancels,
            label=f"{self._operation.method} {self._operation.source}",
        )


def answer_of(outcome: Outcome) -> Answer:
    """The final response of an operation that ended so."""
    if outcome.failures:
        return failures_answer((each.href, each.status) for each in outcome.failures)
    if outcome.status < 300:
        return Answer(outcome.status, outcome.fields)
    return failure_answer(
        Failure(
            outcome.status,
            outcome.explanation,
            condition=outcome.condition,
            fields=outcome.fields,
        )
    )


def when_free(
    site: Site,
    request: Request,
    step: Callable[[], Reply],
    abandoned: Callable[[], None] | None = None,
) -> Reply:
    """Run ``step``; when a running operation is in its way, wait without a thread and run it again.

    After ``conflict_wait`` seconds: 423. While the server stops: 503. ``abandoned`` is called when
    ``step`` failed for good, or will not be run again because the client has gone.
    """
    try:
        return _when_free(site, request, step, abandoned)
    except (Failure, OSError):
        if abandoned is not None:
            abandoned()
        raise


def _when_free(
    site: Site, request: Request, step: Callable[[], Reply], abandoned: Callable[[], None] | None
) -> Reply:
    try:
        return step()
    except Stopping:
        raise Failure(503, fields=retry_fields(503)) from None
    except Conflict as conflict:
        now = site.monotonic()
        if request.conflict_deadline is None:
            wait = site.configuration.davkeep.operations.conflict_wait
            request.conflict_deadline = now + wait
        if now >= request.conflict_deadline:
            raise refusal(request, conflict) from None
        again = partial(when_free, site, request, step, abandoned)
        waiting = partial(
            _waiting_for_release, request, conflict, abandoned, _ends_with_client(site)
        )
        return Pending(waiting, again)


def _ends_with_client(site: Site) -> bool:
    """Whether nothing goes on, or begins, for a client that has left."""
    return site.configuration.davkeep.operations.on_disconnect == "cancel"


class _Waiter:
    """One connection that waits for an operation."""

    __slots__ = ("_callback", "_operation", "cancels", "is_early")

    def __init__(self, operation: Operation, *, cancels: bool) -> None:
        """``cancels``: what ``on_disconnect`` says."""
        #: Whether the effective point is enough.
        self.is_early = False
        self._operation = operation
        #: Whether the last one that leaves cancels the operation.
        self.cancels = cancels
        self._callback: Callable[[], None] | None = None

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Wait, from now on with this callback alone."""
        self._swap(callback, early=self.is_early)

    def stay(self) -> None:
        """Count as waiting for the end, with nobody to be woken by it."""
        # A callable of its own, which is told apart from those of others.
        self._swap(partial(_nothing), early=False)

    def _swap(self, callback: Callable[[], None], *, early: bool) -> None:
        """There is no moment without a waiter: one that leaves would take the work away."""
        former, self._callback = self._callback, callback
        self._operation.subscribe(callback, early=early)
        if former is not None:
            self._operation.unsubscribe(former)

    def leave(self) -> None:
        """The client has gone."""
        if self._callback is not None:
            self._operation.unsubscribe(self._callback)
        if self.cancels:
            self._operation.abandon()


class _Release:
    """One connection that waits for a reservation, no longer than it has to."""

    def __init__(self, conflict: Conflict) -> None:
        self._conflict = conflict
        self._callback: Callable[[], None] | None = None

    def subscribe(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._conflict.subscribe(callback)

    def forget(self) -> None:
        """Leave nothing with an operation that may run for hours."""
        if self._callback is not None:
            self._conflict.unsubscribe(self._callback)


def _waiting_for_release(
    request: Request,
    conflict: Conflict,
    abandoned: Callable[[], None] | None,
    cancels: bool,
    resume: Callable[[], Iterable[bytes]],
) -> Waiting:
    """Nothing was admitted yet, so nothing is sent meanwhile (rule 1 of the design).

    ``cancels``: what ``on_disconnect`` says; nothing is begun then for a client that has left.
    """
    released = _Release(conflict)

    def again() -> Iterable[bytes]:
        released.forget()
        return resume()

    return Waiting(
        subscribe=released.subscribe,
        resume=again,
        deadline=request.conflict_deadline,
        disconnected=released.forget,
        abandoned=abandoned,
        ends_with_client=cancels,
        label=f"{request.method} {request.url}, which is taken",
    )


def refusal(request: Request, conflict: Conflict) -> Failure:
    """423; only its owner is told which operation is in the way (the promises, Reservations)."""
    explanation = "Another operation is using this."
    holder = conflict.holder
    if isinstance(holder, Operation) and holder.account == request.account:
        explanation = f"{holder.method} {holder.source} is using this: operation {holder.id}."
    return Failure(423, explanation, fields=[("Retry-After", "2")])
