"""Giving other keys to all that is stored below some, because shares are known by others."""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from davkeep.store.database import Database
from davkeep.store.reading import Answers
from davkeep.store.record import Record, Side, decoded, encoded
from davkeep.store.shares import move_prefixes
from davkeep.store.subtrees import IN_SUBTREE, Subtree, rekeyed, subtree

#: The tables whose rows say something of what has a key, and all that have keys.
STORED = ("properties", "locks", "uploads")
KEYED = (*STORED, "staging_folders")

_CHANGED = "CAST(? || substr(path, ?) AS BLOB)"

#: Begins the keys of what is between its old and its new ones, within a transaction.
_ASIDE = b"/aside"


class Change(NamedTuple):
    """What `old` and all below it was known by becomes `new`."""

    old: bytes
    new: bytes


def is_anything_stored(database: Database, key: bytes) -> bool:
    """Whether anything is stored about `key` or what is below it, the journal included."""
    tree = subtree(key)
    is_in_table = any(
        database.rows(f"SELECT 1 FROM {table} WHERE {IN_SUBTREE} LIMIT 1", tree) for table in STORED
    )
    # Last, for every record has to be read.
    return is_in_table or bool(concerned(database, tree))


def concerned(database: Answers, tree: Subtree) -> list[Record]:
    """The records of the journal that say something of what has these keys.

    Those that cannot be read are left to whoever can.
    """
    return [record for record in _records(database) if _concerns(record, tree)]


def rekey_all(database: Database, changes: Sequence[Change]) -> None:
    """Make all changes at once, in one transaction, so that shares may also change places.

    What is stored under a new key already is left: it is of now. Before anything is served, for
    nothing that is remembered beside the database is changed. Raises StoreError.
    """
    # What lies deeper was taken out of what lies above it.
    deepest = sorted(changes, key=lambda each: len(each.old), reverse=True)
    aside = [b"%s/%d" % (_ASIDE, number) for number in range(len(deepest))]
    with database.transaction() as connection:
        for change, between in zip(deepest, aside, strict=True):
            _rekey(database, connection, Change(change.old, between))
        for change, between in zip(deepest, aside, strict=True):
            _rekey(database, connection, Change(between, change.new))
            _drop(connection, Change(between, change.new))


def new_keys(key: bytes, changes: Iterable[Change]) -> bytes:
    """What a key becomes by changes that are made at once."""
    for change in sorted(changes, key=lambda each: len(each.old), reverse=True):
        tree = subtree(change.old)
        if tree.holds(key):
            return rekeyed(key, tree, change.new)
    return key


def _rekey(database: Database, connection: sqlite3.Connection, change: Change) -> None:
    tree = subtree(change.old)
    for table in KEYED:
        connection.execute(
            f"UPDATE OR IGNORE {table} SET path = {_CHANGED} WHERE {IN_SUBTREE}",
            (change.new, len(change.old) + 1, *tree),
        )
    move_prefixes(connection, change.old, change.new)
    for record in concerned(database, tree):
        connection.execute(
            "UPDATE journal SET record = ? WHERE id = ?",
            (encoded(_rekeyed(record, tree, change.new)), record.id),
        )


def _drop(connection: sqlite3.Connection, change: Change) -> None:
    """What is stored otherwise under the new keys is of now; an upload that has to give way to
    another one is over, and its file is removed by who removes those.
    """
    tree = subtree(change.old)
    rows = connection.execute(f"SELECT name, path FROM uploads WHERE {IN_SUBTREE}", tree).fetchall()
    for name, path in rows:
        over = os.path.join(os.path.dirname(rekeyed(path, tree, change.new)), os.fsencode(name))
        connection.execute("UPDATE uploads SET path = ? WHERE name = ?", (over, name))
    for table in ("properties", "staging_folders"):
        connection.execute(f"DELETE FROM {table} WHERE {IN_SUBTREE}", tree)


def _records(database: Answers) -> list[Record]:
    found = []
    for (text,) in database.rows("SELECT record FROM journal"):
        try:
            found.append(decoded(text))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return found


def _concerns(record: Record, tree: Subtree) -> bool:
    return any(tree.holds(side.key) for side in record.sides)


def _rekeyed(record: Record, tree: Subtree, new: bytes) -> Record:
    destination = record.destination
    return replace(
        record,
        source=Side.of(rekeyed(record.source.key, tree, new)),
        destination=None if destination is None else Side.of(rekeyed(destination.key, tree, new)),
        ended=tuple(replace(lock, path=rekeyed(lock.path, tree, new)) for lock in record.ended),
    )
