"""Deliveries: what webhooks are still to be told."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from davkeep.store.database import Database

#: Deliveries that are kept for one receiver at most: of usual bodies, less than 10 MB.
MOST = 10_000

#: Finds the receivers in a JSON array, however many they are.
_NOT_AMONG = "receiver NOT IN (SELECT value FROM json_each(?))"


class NewDelivery(NamedTuple):
    """Something to tell: to which URL, of which operation, what, and when (epoch seconds)."""

    receiver: str
    operation: str
    body: bytes
    due: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that is still to be told. `failed` attempts were made; `due` as in NewDelivery."""

    number: int
    receiver: str
    operation: str
    body: bytes
    failed: int
    due: float


class Deliveries:
    """All that is still to be told, and not more than `most` for one receiver."""

    def __init__(self, database: Database, most: int = MOST) -> None:
        self._database = database
        self._most = most

    def add(self, new: Iterable[NewDelivery]) -> int:
        """Keeps all of `new`, in one transaction.

        One that is there already, of the same operation for the same receiver, is left as it is.
        Answers how many of the oldest were dropped because there were too many.
        """
        rows = list(new)
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO deliveries (receiver, operation, body, failed, due)"
                " VALUES (?, ?, ?, 0, ?)",
                rows,
            )
            return sum(self._prune(receiver) for receiver in {row.receiver for row in rows})

    def _prune(self, receiver: str) -> int:
        with self._database.transaction() as connection:
            return connection.execute(
                "DELETE FROM deliveries WHERE receiver = ? AND number <= ("
                " SELECT number FROM deliveries WHERE receiver = ?"
                " ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (receiver, receiver, self._most),
            ).rowcount

    def next(self, receiver: str) -> Delivery | None:
        """The one for `receiver` that is due first, even if that is later; None if there is none.

        Of two that are due together it is the older one.
        """
        rows = self._database.rows(
            "SELECT number, receiver, operation, body, failed, due FROM deliveries"
            " WHERE receiver = ? ORDER BY due, number LIMIT 1",
            (receiver,),
        )
        return Delivery(*rows[0]) if rows else None

    def remove(self, number: int) -> None:
        """Forgets one, which was told or given up."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM deliveries WHERE number = ?", (number,))

    def postpone(self, number: int, failed: int, due: float) -> None:
        """Notes how many attempts have failed, and when the next is due."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET failed = ?, due = ? WHERE number = ?", (failed, due, number)
            )

    def keep_only(self, receivers: Collection[str]) -> int:
        """Drops what is for others, and answers how many; nothing is written if there is none."""
        kept = (json.dumps(list(receivers)),)
        if not self._database.rows(f"SELECT 1 FROM deliveries WHERE {_NOT_AMONG} LIMIT 1", kept):
            return 0
        with self._database.transaction() as connection:
            return connection.execute(f"DELETE FROM deliveries WHERE {_NOT_AMONG}", kept).rowcount
