"""A database with which no server works, opened to be read: nothing of its folder is changed."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from davkeep.store.database import Value
from davkeep.store.errors import StateRefused, StateTooNew, as_store_error
from davkeep.store.files import DATABASE, lock_folder, size_of
from davkeep.store.opening import connect_to_read
from davkeep.store.schema import STEPS


class Answers(Protocol):
    """What can be asked: a `Database`, or one that is only read."""

    def rows(self, question: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT answers. Raises StoreError."""


class ClosedDatabase:
    """One that is read over a connection of its own."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder

    def rows(self, question: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT answers. Raises StoreError."""
        try:
            return self._connection.execute(question, values).fetchall()
        except sqlite3.DatabaseError as error:
            trouble = as_store_error(error, self._folder)
            raise trouble or error from error


@contextmanager
def reading(folder: Path) -> Iterator[ClosedDatabase]:
    """The database in `folder`, while the block runs; no server begins to work with it meanwhile.

    What a crash has left beside it is read along, and left. Raises StateRefused, also for a schema
    that is not today's, and OSError.
    """
    with ExitStack() as opened:
        opened.callback(os.close, lock_folder(folder))
        if not size_of(folder / DATABASE):
            raise StateRefused(f"{folder} holds no database")
        found = opened.enter_context(closing(connect_to_read(folder, None).connection))
        database = ClosedDatabase(found, folder)
        _require_current(folder, database)
        yield database


def _require_current(folder: Path, database: ClosedDatabase) -> None:
    ((taken,),) = database.rows("PRAGMA user_version")
    if taken > len(STEPS):
        raise StateTooNew(f"{folder} was written by a newer davkeep (schema {taken})")
    if taken < len(STEPS):
        raise StateRefused(
            f"{folder} was written by an earlier davkeep (schema {taken}, this one's is"
            f" {len(STEPS)}): serve it once, then ask again"
        )
