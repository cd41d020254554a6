"""What an orderly stop leaves of operations that are over, for the next start."""

from collections.abc import Iterable
from typing import NamedTuple

from davkeep.store.database import Database


class KeptResult(NamedTuple):
    """An operation that is over, or was: by whom, and until when (epoch seconds) it is known.

    `operation` is what it was, as JSON; None: it is only known that there was one.
    """

    id: str
    until: float
    owner: str
    address: str
    operation: str | None


class KeptResults:
    """The results that the last orderly stop has left. Everything may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, results: Iterable[KeptResult]) -> None:
        """Keeps these and no others; nothing is written where there are none, and were none."""
        rows = list(results)
        if not rows and self._database.is_empty("results"):
            return
        # The end of the process brings everything to the disk.
        with self._database.transaction(durable=False) as connection:
            connection.execute("DELETE FROM results")
            connection.executemany("INSERT INTO results VALUES (?, ?, ?, ?, ?)", rows)

    def all(self) -> list[KeptResult]:
        """All of them, the first to be forgotten first."""
        columns = ", ".join(KeptResult._fields)
        rows = self._database.rows(f"SELECT {columns} FROM results ORDER BY until, id")
        return [KeptResult(*row) for row in rows]
