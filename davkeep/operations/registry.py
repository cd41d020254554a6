"""All operations: how they are admitted, joined, found and forgotten."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from davkeep.operations.attempt import attempt
from davkeep.operations.counting import StartCount
from davkeep.operations.debts import Debts
from davkeep.operations.lanes import Lanes
from davkeep.operations.operation import Operation
from davkeep.operations.outcome import broken
from davkeep.operations.repeats import RepeatKey
from davkeep.operations.reservations import Mode, Reservations
from davkeep.operations.results import Results
from davkeep.operations.state import State
from davkeep.operations.unclaimed import Stands, Unclaimed, always
from davkeep.operations.work import Conclude, IsBulk, Start, never_bulk
from davkeep.store.results import KeptResult
from davkeep.trees.share import Place
from davkeep.words.failure import Failure
from davkeep.words.later import Later

Clock = Callable[[], float]

#: What an operation reserves.
Wanted = Sequence[tuple[Place, Mode]]

#: Checks what an operation is about, while that is reserved; raises Failure or OSError.
Check = Callable[[Operation], None]


def _no_check(_: Operation) -> None:
    """Stand in where everything was checked before."""


def tell_nobody(_: Operation) -> None:
    """Stand in where nobody wants to be told."""


@dataclass(slots=True)
class _Request:
    """What an operation was asked for by: when another request is the same, and where it is.

    ``stands`` tells after its end whether a repeat may be told of it.
    """

    key: RepeatKey
    places: Sequence[Place]
    stands: Stands
    is_answered: bool = False


class Stopping(Exception):
    """The server is being stopped and admits nothing more: 503."""


class Registry:
    """The one table of operations.

    ``keep_results`` is the seconds that a finished one stays readable, ``clock`` gives seconds of
    the epoch, ``monotonic`` measures what expires. ``ended`` is called with each operation that is
    over, once, by any thread and never under a lock, before who asked for it is told its final
    outcome. It is not told of one whose checks failed, for that was promised to nobody.

    ``_lock`` guards the tables. It is held while a new operation reserves its trees, so that of
    two equal requests at the same moment the second joins the first. The reservations' own lock
    comes after it; no callback, ``start`` or ``conclude`` is called under either.
    """

    def __init__(
        self,
        lanes: Lanes,
        *,
        keep_results: float = 900.0,
        reservations: Reservations | None = None,
        debts: Debts | None = None,
        clock: Clock = time.time,
        monotonic: Clock = time.monotonic,
        ended: Callable[[Operation], None] = tell_nobody,
    ) -> None:
        """Begin with no operation."""
        self.lanes = lanes
        self.reservations = Reservations() if reservations is None else reservations
        self.debts = Debts() if debts is None else debts
        self._clock = clock
        self._monotonic = monotonic
        self._listeners = [ended]
        self._lock = threading.Lock()
        self._running: dict[str, Operation] = {}
        self._requests: dict[str, _Request] = {}
        self._by_key: dict[RepeatKey, Operation] = {}
        self._results = Results(keep_results)
        self._unclaimed = Unclaimed(self.reservations)
        self._is_stopping = False

    # Admission

    def equal(self, key: RepeatKey) -> Operation | None:
        """Return the operation whose end answers a repeat of its request, if there is one.

        It runs still, or it is over and its client was not there to be told. Raises OSError where
        it cannot be seen whether what it has come to still stands.
        """
        with self._lock:
            found = self._joined(key)
        return None if found is None or not self._still_answers(found) else found

    def admit(
        self,
        key: RepeatKey,
        wanted: Wanted,
        start: Start,
        conclude: Conclude,
        is_bulk: IsBulk = never_bulk,
        *,
        count: StartCount | None = None,
        check: Check = _no_check,
        stands: Stands = always,
    ) -> Operation:
        """Return the equal operation that runs, or a new one that has reserved ``wanted``.

        Call ``begin`` with it next, in either case. ``check`` is called with a new one when nobody
        else can change what it has reserved; what it raises ends the operation, and this call. It
        holds up nobody, but an equal request joins already and shares that failure. ``start``
        makes the work when a thread first drives it; ``conclude`` turns its Result, or the OSError
        or Failure that it raised, into the outcome; ``is_bulk`` says where too many wait whether
        it can wait as well, unbegun; ``count`` counts what a long one has before it; ``stands``
        looks after a success, and without a lock, whether a repeat may still be told of it.
        Conflict (423): a tree is taken. Stopping (503): nothing is admitted. OSError as ``equal``.
        """
        operation, is_new = self._join_or_reserve(key, wanted, stands)
        while not (is_new or self._still_answers(operation)):
            operation, is_new = self._join_or_reserve(key, wanted, stands)
        if not is_new:
            return operation
        self._check(operation, wanted, check, conclude)
        operation.subscribe(Later(self._over, operation), waits=False)
        self.lanes.add(operation, start, conclude, self._ended, is_bulk, count)
        return operation

    def _join_or_reserve(
        self, key: RepeatKey, wanted: Wanted, stands: Stands
    ) -> tuple[Operation, bool]:
        """The equal operation, or a new one that has reserved ``wanted``, and whether it is new."""
        with self._lock:
            joined = self._joined(key)
            if joined is not None:
                return joined, False
            if self._is_stopping:
                raise Stopping
            operation = self._new(key)
            self.reservations.reserve(operation, wanted, operation.account)
            self._running[operation.id] = operation
            places = [place for place, _ in wanted]
            self._requests[operation.id] = _Request(key, places, stands)
            if key.joins:
                self._by_key[key] = operation
        return operation, True

    def _still_answers(self, operation: Operation) -> bool:
        """Whether a repeat is told how ``operation`` ends, or has ended; if not, it is dropped."""
        with self._lock:
            stands, outcome = self._unclaimed.stands(operation), operation.outcome
        if outcome is None or stands(outcome):
            return True
        with self._lock:
            self._unclaimed.drop(operation)
        return False

    def _check(
        self, operation: Operation, wanted: Wanted, check: Check, conclude: Conclude
    ) -> None:
        """Pay what is due and run ``check``; if either raises, end the operation."""
        outcome = broken()
        is_fine = False
        try:
            if operation.method != "DELETE":
                self.debts.require([place for place, _ in wanted])
            check(operation)
            is_fine = True
        except (OSError, Failure) as error:
            outcome = conclude(error)
            raise
        finally:
            if not is_fine:
                # Nobody was told of it, so it is not remembered.
                self._free(operation)
                operation.end(State.FAILED, outcome)

    def begin(self, operation: Operation, seconds: float) -> None:
        """Drive ``operation`` in the calling thread for its first ``seconds``, then in its lane.

        Does nothing for one that was joined after it had begun.
        """
        self.lanes.drive_inline(operation, seconds)

    def answer_early(self, operation: Operation) -> bool:
        """Ask leave to answer with the early outcome; from True on it is as if it had ended.

        Nothing takes the work back then, what it had reserved is free, and an equal request is a
        new one. False: only the final outcome may be answered.
        """
        if not operation.mark_answered():
            return False
        self._let_go(operation)
        return True

    def delivered(self, operation: Operation) -> None:
        """A client has got its response, or the 202: after its end a repeat is a new request."""
        with self._lock:
            request = self._requests.get(operation.id)
            if request is not None:
                request.is_answered = True
            self._unclaimed.drop(operation)

    def when_over(self, tell: Callable[[Operation], None]) -> None:
        """Have ``tell`` called as ``ended`` is; called before anything is admitted."""
        self._listeners.append(tell)

    def remember(self, operation: Operation) -> None:
        """Keep an operation that is over and was not admitted here: recovery found it."""
        with self._lock:
            self._results.add(self._monotonic(), operation)
        self._tell(operation)

    # Questions

    def get(self, id: str) -> Operation | None:
        """Return the operation, running or kept; None is 404, or 410 if it ``expired``."""
        with self._lock:
            self._purge()
            return self._running.get(id) or self._results.get(id)

    def expired(self, id: str) -> tuple[str, str] | None:
        """Return whose ``id`` was, if it was readable once (410 for that account)."""
        with self._lock:
            self._purge()
            return self._results.expired(id)

    def visible(self, may_see: Callable[[tuple[str, str]], bool]) -> list[Operation]:
        """Return the operations of the accounts that somebody ``may_see``, oldest first."""
        with self._lock:
            self._purge()
            known = [*self._results.operations(), *self._running.values()]
        seen = [operation for operation in known if may_see(operation.account)]
        return sorted(seen, key=lambda operation: operation.created)

    def unfinished(self) -> list[Operation]:
        """Return those that are not over, the first to be admitted first."""
        with self._lock:
            return list(self._running.values())

    def counts(self) -> Mapping[State, int]:
        """Return how many operations are known in each state."""
        with self._lock:
            self._purge()
            known = [*self._results.operations(), *self._running.values()]
        return Counter(operation.state for operation in known)

    # The end, and the next beginning

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is admitted."""
        return self._is_stopping

    def leave(self) -> list[KeptResult]:
        """Return what the next process is to know of operations that are over."""
        with self._lock:
            return self._results.leave(self._monotonic(), self._clock())

    def resume(self, kept: Iterable[KeptResult]) -> None:
        """Know what a process before this one has left; called before anything is admitted.

        Nobody is told of it: that was done. ValueError, KeyError or TypeError for what is not what
        ``leave`` returns.
        """
        with self._lock:
            self._results.resume(kept, self._monotonic(), self._clock())

    def stop(self, seconds: float) -> int:
        """Admit nothing more, let end what can within ``seconds``, undo the rest.

        Returns how many operations are left to recovery.
        """
        with self._lock:
            self._is_stopping = True
        return self.lanes.stop(seconds)

    def _joined(self, key: RepeatKey) -> Operation | None:
        """The operation that a repeat joins; not one that ends because its clients went away."""
        if not key.joins:
            return None
        found = self._by_key.get(key)
        if found is not None:
            return None if found.is_abandoned else found
        self._purge()
        return self._unclaimed.find(key)

    def _purge(self) -> None:
        """Drop what has expired; called under the lock."""
        for operation in self._results.purge(self._monotonic()):
            self._unclaimed.drop(operation)

    def _new(self, key: RepeatKey) -> Operation:
        return Operation(
            owner=key.owner,
            address=key.address,
            method=key.method,
            source=key.source,
            destination=key.destination,
            created=self._clock(),
        )

    def _ended(self, operation: Operation) -> None:
        """Keep the result, and free what the operation held before anybody is told its outcome.

        Who gets the final response may then use the destination at once.
        """
        operation.ended = self._clock()
        with self._lock:
            self._results.add(self._monotonic(), operation)
            self._purge()
            request = self._requests[operation.id]
            if request.key.joins and not (operation.answered or request.is_answered):
                self._unclaimed.keep(request.key, operation, request.places, request.stands)
        self._free(operation)

    def _over(self, operation: Operation) -> None:
        """Its outcome is known: count what that takes, and tell who is to be told."""
        outcome = operation.outcome
        if outcome is not None and outcome.size:
            with self._lock:
                self._results.weigh(operation)
                self._purge()
        self._tell(operation)

    def _tell(self, operation: Operation) -> None:
        for tell in self._listeners:
            attempt(Later(tell, operation), "who is told of %r", operation)

    def _free(self, operation: Operation) -> None:
        self._let_go(operation)
        with self._lock:
            del self._running[operation.id]
            del self._requests[operation.id]

    def _let_go(self, operation: Operation) -> None:
        """Free what it has reserved, and let nobody join any more."""
        with self._lock:
            request = self._requests.get(operation.id)
            if request is not None and self._by_key.get(request.key) is operation:
                del self._by_key[request.key]
        self.reservations.release(operation)
