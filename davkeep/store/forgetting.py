"""Removing all that is stored below a key."""

from collections.abc import Iterable

from davkeep.store.database import Database
from davkeep.store.record import Record
from davkeep.store.rekey import KEYED
from davkeep.store.subtrees import IN_SUBTREE, Subtree


def forget_below(database: Database, tree: Subtree, records: Iterable[Record] = ()) -> None:
    """Remove it from every table, and these records from the journal, in one transaction.

    Raises StoreError.
    """
    with database.transaction() as connection:
        for table in KEYED:
            connection.execute(f"DELETE FROM {table} WHERE {IN_SUBTREE}", tree)
        connection.executemany("DELETE FROM journal WHERE id = ?", [(each.id,) for each in records])
