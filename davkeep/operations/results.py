"""How long finished operations are remembered. Time is an argument, in monotonic seconds."""

from collections import OrderedDict

from davkeep.operations.operation import Operation

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
        """Begin to keep ``operation``, which is over."""
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
