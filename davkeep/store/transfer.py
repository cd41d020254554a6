"""Bringing what one state stores about a share into another state."""

import sqlite3
from collections.abc import Iterable, Sequence

from davkeep.store.database import Database
from davkeep.store.departed import DepartedFile, noted_in
from davkeep.store.forgetting import forget_below
from davkeep.store.instance import instance_of, note_other
from davkeep.store.rekey import KEYED, concerned
from davkeep.store.subtrees import IN_SUBTREE, subtree


def transfer(source: Database, target: Database, departed: DepartedFile, key: bytes) -> bool:
    """Move what is stored about `key` and what is below it; False if that is nothing.

    Rows of the target win. They are there before they go from the source, so that wherever it is
    cut off, it can be done again. `departed` is that of the target. Raises StoreError, and OSError.
    """
    tree = subtree(key)
    departed.take([side for side in noted_in(source.folder) if tree.holds(side.key)])
    rows = {
        table: source.rows(f"SELECT * FROM {table} WHERE {IN_SUBTREE}", tree) for table in KEYED
    }
    records = concerned(source, tree)
    rows["journal"] = source.rows(
        f"SELECT * FROM journal WHERE id IN ({_marks(records)})", [each.id for each in records]
    )
    if not any(rows.values()):
        return False
    note_other(target, instance_of(source))
    with target.transaction() as connection:
        for table, found in rows.items():
            _put(connection, table, found)
    forget_below(source, tree, records)
    return True


def _put(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Both are of the newest schema, so their columns are the same."""
    if rows:
        connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({_marks(rows[0])})", rows)


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
