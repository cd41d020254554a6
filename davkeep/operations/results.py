"""How long finished operations are remembered. Time is an argument, in monotonic seconds."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from davkeep.operations.lasting import read, written
from davkeep.operations.operation import Operation
from davkeep.store.results import KeptResult

#: Seconds that an expired operation answers 410 (the promises, Ends that are not success).
EXPIRED_SECONDS = 24 * 3600.0
#: How many expired identifiers are remembered at most (likewise).
EXPIRED_MOST = 10_000

#: How many finished operations are kept at most, whatever ``keep_results`` says: about 25 MB.
KEPT_MOST = 10_000

#: Bytes that all of them may take together, whatever they name. A 207 that names 20,000 members of
#: one folder takes about 0.1 MB (measured), so that is some 600 of them.
KEPT_BYTES = 64 * 1024 * 1024

#: Bytes of any operation, whatever it is about (measured).
_EACH = 2500

Account = tuple[str, str]


class _Kept(NamedTuple):
    """A result, until when it is kept, and the bytes that are counted for it."""

    until: float
    operation: Operation
    size: int


class Results:
    """Finished operations, and the identifiers of those that have expired.

    Not locked: its owner guards it.
    """

    def __init__(self, keep: float) -> None:
        """Keep each result for ``keep`` seconds."""
        self._keep = keep
        self._finished: OrderedDict[str, _Kept] = OrderedDict()
        self._expired: OrderedDict[str, tuple[float, Account]] = OrderedDict()
        #: Bytes that are counted for the results of each account.
        self._sizes: Counter[Account] = Counter()
        self._size = 0

    def add(self, now: float, operation: Operation) -> None:
        """Begin to keep ``operation``, which is over, in the place of one with its identifier."""
        if operation.id in self._finished:
            self._take(operation.id)
        self._keep_until(now + self._keep, operation.id, operation)

    def weigh(self, operation: Operation) -> None:
        """Count again what a result takes, for its outcome was not known when it was added."""
        kept = self._finished.get(operation.id)
        if kept is not None:
            self._count(operation, -kept.size)
            self._finished[operation.id] = kept._replace(size=_size_of(operation))
            self._count(operation, _size_of(operation))

    @property
    def size(self) -> int:
        """The bytes that are counted for all results."""
        return self._size

    def get(self, id: str) -> Operation | None:
        """Return a finished operation that has not expired."""
        kept = self._finished.get(id)
        return kept.operation if kept else None

    def expired(self, id: str) -> Account | None:
        """Return the account whose operation ``id`` was, if it has expired (410, not 404)."""
        found = self._expired.get(id)
        return None if found is None else found[1]

    def operations(self) -> list[Operation]:
        """Return those that are kept, the first to end first."""
        return [kept.operation for kept in self._finished.values()]

    def purge(self, now: float) -> list[Operation]:
        """Drop what has expired by ``now``, and what is too much; return it.

        Both tables are in the order of their ends. Where results take too many bytes those go first
        whose account has the most of them, so that nobody loses theirs by what others do.
        """
        dropped = []
        while self._finished and (
            len(self._finished) > KEPT_MOST or next(iter(self._finished.values())).until <= now
        ):
            dropped.append(self._expire(next(iter(self._finished)), now))
        while self._size > KEPT_BYTES and self._finished:
            dropped.append(self._expire(self._first_of_the_largest(), now))
        while self._expired and (
            len(self._expired) > EXPIRED_MOST or next(iter(self._expired.values()))[0] <= now
        ):
            self._expired.popitem(last=False)
        return dropped

    def _first_of_the_largest(self) -> str:
        """Of the account that has the most bytes, the identifier of the first result."""
        ((account, _),) = self._sizes.most_common(1)
        kept = self._finished.items()
        return next(id for id, each in kept if each.operation.account == account)

    def _expire(self, id: str, now: float) -> Operation:
        kept = self._take(id)
        self._expired[id] = (min(kept.until, now) + EXPIRED_SECONDS, kept.operation.account)
        return kept.operation

    def _keep_until(self, until: float, id: str, operation: Operation) -> None:
        self._finished[id] = _Kept(until, operation, _size_of(operation))
        self._count(operation, _size_of(operation))

    def _take(self, id: str) -> _Kept:
        kept = self._finished.pop(id)
        self._count(kept.operation, -kept.size)
        return kept

    def _count(self, operation: Operation, size: int) -> None:
        account = operation.account
        self._size += size
        self._sizes[account] += size
        if not self._sizes[account]:
            del self._sizes[account]

    # Over an orderly stop

    def leave(self, now: float, epoch: float) -> list[KeptResult]:
        """Return all that is known at ``now``, which is second ``epoch`` of the epoch."""
        self.purge(now)
        finished = [
            KeptResult(id, epoch + kept.until - now, *kept.operation.account, text)
            for id, kept in self._finished.items()
            # Not what ends in this moment: recovery will know of it.
            if (text := written(kept.operation)) is not None
        ]
        expired = [
            KeptResult(id, epoch + until - now, *account, None)
            for id, (until, account) in self._expired.items()
        ]
        return expired + finished

    def resume(self, kept: Iterable[KeptResult], now: float, epoch: float) -> None:
        """Go on with what a process before this one has left; nothing else is known yet.

        What has had its time meanwhile has expired. Nothing is kept for longer than it was to be,
        also where the clock was set back.
        """
        for result in sorted(kept, key=lambda result: result.until):
            left = result.until - epoch
            if result.operation is None or left <= 0:
                left += EXPIRED_SECONDS if result.operation is not None else 0
                until = now + min(left, EXPIRED_SECONDS)
                self._expired[result.id] = (until, (result.owner, result.address))
            else:
                until = now + min(left, self._keep)
                self._keep_until(until, result.id, read(result.operation))
        in_order = sorted(self._expired.items(), key=lambda item: item[1][0])
        self._expired = OrderedDict(in_order)
        self.purge(now)


def _size_of(operation: Operation) -> int:
    """About how many bytes of memory a result takes."""
    outcome = operation.outcome
    paths = len(operation.source) + len(operation.destination or "")
    return _EACH + paths + (0 if outcome is None else outcome.size)
