"""How long finished operations are remembered. Time is an argument, in monotonic seconds."""

from collections import OrderedDict
from collections.abc import Iterable

from davkeep.operations.lasting import read, written
from davkeep.operations.operation import Operation
from davkeep.store.results import KeptResult

#: Seconds that an expired operation answers 410 (the promises, Ends that are not success).
EXPIRED_SECONDS = 24 * 3600.0
#: How many expired identifiers are remembered at most (likewise).
EXPIRED_MOST = 10_000

#: How many finished operations are kept at most, whatever ``keep_results`` says: about 25 MB.
KEPT_MOST = 10_000


class Results:
    """Finished operations, and the identifiers of those that have expired.

    Not locked: its owner guards it.
    """

    def __init__(self, keep: float) -> None:
        """Keep each result for ``keep`` seconds."""
        self._keep = keep
        self._finished: OrderedDict[str, tuple[float, Operation]] = OrderedDict()
        self._expired: OrderedDict[str, tuple[float, tuple[str, str]]] = OrderedDict()

    def add(self, now: float, operation: Operation) -> None:
        """Begin to keep ``operation``, which is over, in the place of one with its identifier."""
        self._finished.pop(operation.id, None)
        self._finished[operation.id] = (now + self._keep, operation)

    def get(self, id: str) -> Operation | None:
        """Return a finished operation that has not expired."""
        kept = self._finished.get(id)
        return kept[1] if kept else None

    def expired(self, id: str) -> tuple[str, str] | None:
        """Return the account whose operation ``id`` was, if it has expired (410, not 404)."""
        found = self._expired.get(id)
        return None if found is None else found[1]

    def operations(self) -> list[Operation]:
        """Return those that are kept, the first to end first."""
        return [operation for _, operation in self._finished.values()]

    def purge(self, now: float) -> list[Operation]:
        """Drop what has expired by ``now``, and return it.

        Both tables are in the order of their ends.
        """
        dropped = []
        while self._finished and (
            len(self._finished) > KEPT_MOST or next(iter(self._finished.values()))[0] <= now
        ):
            id, (ended, operation) = self._finished.popitem(last=False)
            dropped.append(operation)
            self._expired[id] = (min(ended, now) + EXPIRED_SECONDS, operation.account)
        while self._expired and (
            len(self._expired) > EXPIRED_MOST or next(iter(self._expired.values()))[0] <= now
        ):
            self._expired.popitem(last=False)
        return dropped

    # Over an orderly stop

    def leave(self, now: float, epoch: float) -> list[KeptResult]:
        """Return all that is known at ``now``, which is second ``epoch`` of the epoch."""
        self.purge(now)
        finished = [
            KeptResult(id, epoch + until - now, *operation.account, text)
            for id, (until, operation) in self._finished.items()
            # Not what ends in this moment: recovery will know of it.
            if (text := written(operation)) is not None
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
                self._finished[result.id] = (now + min(left, self._keep), read(result.operation))
        in_order = sorted(self._expired.items(), key=lambda item: item[1][0])
        self._expired = OrderedDict(in_order)
        self.purge(now)
