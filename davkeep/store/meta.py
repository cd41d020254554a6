"""What the database says of itself: rows of the table `meta`, and whether it can be relied on."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from davkeep.store.errors import StateBroken

#: The keys. `CLOSED` is there from an end in order until the first change after it; `INSTANCE` has
#: the name of `store.instance`; `BOOT` tells in which life of the machine it was last known that
#: no loss of power had left anything behind; `COPIED` is in a backup, and in what was made from
#: one until all that is hidden in the shares is known again; `OTHERS` has the names of instances
#: of which something was taken over, with a space between two.
CLOSED, INSTANCE, BOOT, COPIED = "closed", "instance", "boot", "copied"
OTHERS = "others"

#: The kernel's name of the machine's life, another one after each start (random(4)).
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Examined(NamedTuple):
    """How many steps of the schema were taken, whether the last process ended in order, in which
    life of the machine, and whether all of it was restored from a backup.
    """

    taken: int
    is_marked: bool
    boot: str | None
    is_copy: bool


def boot_id() -> str:
    """The name of the machine's life; empty where there is none."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def get(connection: sqlite3.Connection, key: str) -> str | None:
    """The value of a key; None if there is none."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def put(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Give a key a value; inside a transaction."""
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def remove(connection: sqlite3.Connection, key: str) -> None:
    """Forget a key; inside a transaction."""
    connection.execute("DELETE FROM meta WHERE key = ?", (key,))


def is_in(connection: sqlite3.Connection) -> bool:
    """Whether a database says anything of itself: those of the first schemas do not."""
    return "meta" in _tables(connection)


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return [str(name) for (name,) in rows]


def examine(connection: sqlite3.Connection, name: str) -> Examined:
    """Look whether the database can be used; `name` is what it is called in a sentence.

    Quickly after an end in order: each table can be begun to be read. Else every page is looked at.
    Raises StateBroken, or what SQLite raises.
    """
    taken = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = _tables(connection)
    has_meta = "meta" in tables
    is_marked = has_meta and get(connection, CLOSED) is not None
    if is_marked:
        _look_quickly(connection, tables)
    elif taken:
        _look_thoroughly(connection, name)
    boot = get(connection, BOOT) if has_meta else None
    return Examined(taken, is_marked, boot, has_meta and get(connection, COPIED) is not None)


def _look_quickly(connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    for table in tables:
        connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchall()


def _look_thoroughly(connection: sqlite3.Connection, name: str) -> None:
    found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        told = " ".join(" ".join(found).split())
        raise StateBroken(f"{name} is damaged: {told}.")
