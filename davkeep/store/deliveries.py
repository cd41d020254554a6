"""Events, which webhooks are still to be told, and which receiver is still to be told which."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from typing import NamedTuple, TypeVar

from davkeep.store.database import Database, Value

#: Events that are kept for one receiver at most, and the bytes of their bodies.
MOST = 10_000
MOST_BYTES = 32 << 20

#: Events that one statement keeps at most.
MOST_TOGETHER = 128
#: How many of the oldest are looked at together for those that are too much.
_STEP = 200

Row = TypeVar("Row")

_KEEP = "INSERT OR IGNORE INTO events (operation, body, ended) VALUES "
#: What is new, to the receivers in a JSON array.
_OWE = """
    INSERT INTO owed SELECT number, value, length(body), 0 FROM events CROSS JOIN json_each(?)
        WHERE number > ?
"""
_COUNT = "SELECT count(*), coalesce(sum(length(body)), 0) FROM events WHERE number > ?"

_OTHERS = "receiver NOT IN (SELECT value FROM json_each(?))"


class Event(NamedTuple):
    """Something to tell: of which operation, what, when that ended (epoch seconds), to which URLs.

    Its body is stored once, however many receivers there are.
    """

    operation: str
    body: bytes
    ended: float
    receivers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that one receiver is still to be told of; `failed` attempts were made."""

    number: int
    operation: str
    body: bytes
    failed: int
    ended: float


class Tried(NamedTuple):
    """What came of attempts: `failed` of them so far; None: it is told no more, or given up."""

    receiver: str
    number: int
    failed: int | None


@dataclass(slots=True)
class _Stock:
    """How much one receiver is owed."""

    events: int = 0
    size: int = 0

    def add(self, events: int, size: int) -> None:
        """Count some more; or less, if negative."""
        self.events += events
        self.size += size


class Deliveries:
    """All that is still to be told: to one receiver not more than `most`, in not more bytes than
    `most_bytes`.

    How much there is for each is counted here as well, for asking the database would cost more with
    every event. One thread at a time may change something. Everything may raise StoreError.
    """

    def __init__(self, database: Database, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        """Nothing is read before it is needed."""
        self._database = database
        self._most = most
        self._most_bytes = most_bytes
        #: By receivers; None: it is to be counted anew.
        self._stocks: defaultdict[str, _Stock] | None = None

    def write(
        self, events: Iterable[Event], tried: Iterable[Tried] = (), *, durable: bool = True
    ) -> dict[str, int]:
        """Keep all of `events`, and note what was `tried`, in one transaction.

        An operation that is known already is left as it is. Returns, by receivers, how many of the
        oldest were dropped because there were too many. `durable` as for a transaction.
        """
        with self._counted(durable=durable) as (connection, stocks):
            _keep(connection, stocks, events)
            for each in tried:
                _note(connection, stocks, each)
            found = {url: self._prune(connection, url, stocks[url]) for url in stocks}
        return {url: count for url, count in found.items() if count}

    def flush(self) -> None:
        """Let what was written without being durable survive a loss of power from now on."""
        with self._database.transaction() as connection:
            # A commit waits for the disk if it has changed something.
            connection.execute(
                "UPDATE events SET ended = ended WHERE number = (SELECT max(number) FROM events)"
            )

    def due(self, receiver: str, skip: Collection[int] = (), most: int = 1) -> list[Delivery]:
        """Return the oldest for `receiver`, but for the numbers to `skip`; `most` of them."""
        rows = self._database.rows(
            "SELECT number, operation, body, failed, ended FROM owed JOIN events ON number = event"
            " WHERE receiver = ? AND event NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY event LIMIT ?",
            (receiver, json.dumps(list(skip)), most),
        )
        return [Delivery(*row) for row in rows]

    def newest(self) -> int:
        """Return the greatest number; 0 where there is no event."""
        ((number,),) = self._database.rows("SELECT coalesce(max(number), 0) FROM events")
        assert isinstance(number, int)
        return number

    def expire(self, receiver: str, number: int) -> int:
        """Give up what has a number up to this one; return how much it was."""
        with self._counted(durable=False) as (connection, stocks):
            return _drop(connection, stocks, "receiver = ? AND event <= ?", (receiver, number))

    def keep_only(self, receivers: Collection[str]) -> int:
        """Drop what is for others, and return how much; nothing is written if there is none."""
        kept = (json.dumps(list(receivers)),)
        if not self._database.rows(f"SELECT 1 FROM owed WHERE {_OTHERS} LIMIT 1", kept):
            return 0
        with self._counted() as (connection, stocks):
            return _drop(connection, stocks, _OTHERS, kept)

    @contextmanager
    def _counted(
        self, *, durable: bool = True
    ) -> Iterator[tuple[sqlite3.Connection, defaultdict[str, _Stock]]]:
        """A transaction, and the stocks; what is counted counts only if that is committed."""
        stocks, self._stocks = self._stocks, None
        with self._database.transaction(durable=durable) as connection:
            counted = _count(connection) if stocks is None else stocks
            yield connection, counted
        self._stocks = counted

    def _prune(self, connection: sqlite3.Connection, receiver: str, stock: _Stock) -> int:
        """Drop the oldest of what is too much for `receiver`; return how many they are."""
        before = stock.events
        while stock.events > self._most or stock.size > self._most_bytes:
            rows = connection.execute(
                "SELECT event, size FROM owed WHERE receiver = ? ORDER BY event LIMIT ?",
                (receiver, _STEP),
            ).fetchall()
            if not rows:
                break
            for number, size in rows:
                if stock.events <= self._most and stock.size <= self._most_bytes:
                    break
                _forget(connection, receiver, number)
                stock.add(-1, -size)
        return before - stock.events


def _count(connection: sqlite3.Connection) -> defaultdict[str, _Stock]:
    stocks: defaultdict[str, _Stock] = defaultdict(_Stock)
    for receiver, *stock in connection.execute(
        "SELECT receiver, count(*), sum(size) FROM owed GROUP BY receiver"
    ):
        stocks[receiver] = _Stock(*stock)
    return stocks


def _keep(
    connection: sqlite3.Connection, stocks: defaultdict[str, _Stock], events: Iterable[Event]
) -> None:
    """Keep each for all of its receivers, unless its operation is known."""
    for receivers, run in groupby(events, key=lambda event: event.receivers):
        (before,) = connection.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
        for rows in _in_powers_of_two([event[:3] for event in run]):
            values = ", ".join(["(?, ?, ?)"] * len(rows))
            connection.execute(_KEEP + values, list(chain.from_iterable(rows)))
        connection.execute(_OWE, (json.dumps(receivers), before))
        count, size = connection.execute(_COUNT, (before,)).fetchone()
        for receiver in receivers:
            stocks[receiver].add(count, size)


def _in_powers_of_two(rows: list[Row]) -> Iterator[list[Row]]:
    """Cut into pieces of as few sizes as possible, for each of which a statement is compiled.

    A row for each statement would make the thread ask for the interpreter, and so perhaps wait for
    others, once for each row; and whoever needs the database waits for that.
    """
    while rows:
        size = min(1 << (len(rows).bit_length() - 1), MOST_TOGETHER)
        yield rows[:size]
        rows = rows[size:]


def _note(connection: sqlite3.Connection, stocks: defaultdict[str, _Stock], tried: Tried) -> None:
    if tried.failed is not None:
        connection.execute(
            "UPDATE owed SET failed = ? WHERE event = ? AND receiver = ?",
            (tried.failed, tried.number, tried.receiver),
        )
        return
    for size in _forget(connection, tried.receiver, tried.number):
        stocks[tried.receiver].add(-1, -size)


def _forget(connection: sqlite3.Connection, receiver: str, number: int) -> list[int]:
    """Owe it to `receiver` no more, and drop it if it is owed to nobody; its size, if it was."""
    rows = connection.execute(
        "DELETE FROM owed WHERE event = ? AND receiver = ? RETURNING size", (number, receiver)
    ).fetchall()
    connection.execute(
        "DELETE FROM events WHERE number = ? AND NOT EXISTS (SELECT 1 FROM owed WHERE event = ?)",
        (number, number),
    )
    return [size for (size,) in rows]


def _drop(
    connection: sqlite3.Connection,
    stocks: defaultdict[str, _Stock],
    which: str,
    values: Sequence[Value],
) -> int:
    """Owe no more whatever `which` says, a condition with `values`; return how much it was."""
    count = connection.execute(f"DELETE FROM owed WHERE {which}", values).rowcount
    connection.execute("DELETE FROM events WHERE number NOT IN (SELECT event FROM owed)")
    stocks.clear()
    stocks.update(_count(connection))
    return count
