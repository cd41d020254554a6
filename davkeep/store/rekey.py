"""Giving other keys to all that is stored below one, because its share is known by another."""

from dataclasses import replace

from davkeep.store.database import Database
from davkeep.store.reading import Answers
from davkeep.store.record import Record, Side, decoded, encoded
from davkeep.store.subtrees import IN_SUBTREE, Subtree, rekeyed, subtree

#: The tables whose rows have a key.
KEYED = ("properties", "locks", "uploads", "staging_folders")

_CHANGED = "CAST(? || substr(path, ?) AS BLOB)"


def is_anything_below(database: Database, key: bytes) -> bool:
    """Whether anything is stored about `key` or what is below it, the journal included."""
    tree = subtree(key)
    return bool(concerned(database, tree)) or any(
        database.rows(f"SELECT 1 FROM {table} WHERE {IN_SUBTREE} LIMIT 1", tree) for table in KEYED
    )


def concerned(database: Answers, tree: Subtree) -> list[Record]:
    """The records of the journal that say something of what has these keys.

    Those that cannot be read are left to whoever can.
    """
    return [record for record in _records(database) if _concerns(record, tree)]


def rekey(database: Database, old: bytes, new: bytes) -> None:
    """What `old` and all below it was known by becomes `new`, in one transaction.

    What is stored there already is left: it is of now. Before anything is served, for nothing that
    is remembered beside the database is changed. Raises StoreError.
    """
    tree = subtree(old)
    with database.transaction() as connection:
        for table in KEYED:
            connection.execute(
                f"UPDATE OR IGNORE {table} SET path = {_CHANGED} WHERE {IN_SUBTREE}",
                (new, len(old) + 1, *tree),
            )
        connection.execute(
            "UPDATE shares SET prefix = CAST(? || substr(prefix, ?) AS BLOB)"
            " WHERE prefix = ? OR (prefix > ? AND prefix < ?)",
            (new, len(old) + 1, *tree),
        )
        for record in concerned(database, tree):
            connection.execute(
                "UPDATE journal SET record = ? WHERE id = ?",
                (encoded(_rekeyed(record, tree, new)), record.id),
            )


def _records(database: Answers) -> list[Record]:
    found = []
    for (text,) in database.rows("SELECT record FROM journal"):
        try:
            found.append(decoded(text))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return found


def _concerns(record: Record, tree: Subtree) -> bool:
    sides = [record.source, *([] if record.destination is None else [record.destination])]
    return any(tree.holds(side.key) for side in sides)


def _rekeyed(record: Record, tree: Subtree, new: bytes) -> Record:
    destination = record.destination
    return replace(
        record,
        source=Side.of(rekeyed(record.source.key, tree, new)),
        destination=None if destination is None else Side.of(rekeyed(destination.key, tree, new)),
        ended=tuple(replace(lock, path=rekeyed(lock.path, tree, new)) for lock in record.ended),
    )
