"""Opening the database: alone, without a file of shared memory, and if need be to read it only."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from davkeep.store.errors import (
    StateBroken,
    StateInUse,
    as_store_error,
    is_damage,
    primary_code,
)
from davkeep.store.files import AHEAD, DATABASE, INSTANCE, size_of

#: Seconds that a start waits for another program to let go of the database.
PATIENCE = 1.0

#: Why files can only be read, as opposed to why they cannot be used at all.
_REFUSALS = frozenset((errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT))

#: What every connection is told before it looks at the file. The lock that it takes then is kept:
#: no other program can make a request wait, and what SQLite keeps of the file written ahead is in
#: memory rather than in a mapped file, through which a full disk could kill the process (SIGBUS).
#: Nothing else is mapped, or written to other files, either.
_SETTINGS = ("locking_mode = EXCLUSIVE", "temp_store = MEMORY", "mmap_size = 0")


class Opened(NamedTuple):
    """A connection without transactions of its own, and the errno for which it can only read."""

    connection: sqlite3.Connection
    refusal: int | None


def look_for_damage(folder: Path) -> None:
    """Raise StateBroken where an earlier life has left traces, but no database."""
    if size_of(folder / DATABASE):
        return
    if os.path.lexists(folder / INSTANCE) or size_of(folder / AHEAD):
        what = "is missing" if size_of(folder / DATABASE) is None else "is empty"
        raise StateBroken(f"{folder}: {DATABASE} {what}, and there was one before.")


def connect(folder: Path, *, flushes: bool) -> Opened:
    """Open the database in `folder`, which is made if it is missing.

    Where nothing can be written (a read-only disk, a full one) it can still be read. Raises
    StateInUse while another program has it, StateBroken for what is no database, OSError.
    """
    refused = refusal(folder)
    if refused is None:
        with refusing(folder):
            return Opened(_for_writing(folder, flushes=flushes), None)
    if not size_of(folder / DATABASE):
        raise refused
    return connect_to_read(folder, refused.errno)


def connect_to_read(folder: Path, refusal: int | None) -> Opened:
    """Open what is there, of which nothing can be changed; `refusal` says why. Raises likewise."""
    with refusing(folder):
        return Opened(_for_reading(folder), refusal)


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Turn what SQLite finds wrong at the start into what whoever starts is told."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _as_refusal(folder, error) from error


def _as_refusal(folder: Path, error: sqlite3.DatabaseError) -> Exception:
    if primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StateInUse(f"{folder / DATABASE} is open in another program: end that first.")
    trouble = None if is_damage(error) else as_store_error(error, folder)
    return trouble or StateBroken(f"{folder / DATABASE} is damaged: {error}.")


def refusal(folder: Path) -> OSError | None:
    """Why the files can only be read; None where they can be written, and are there now.

    Not to be asked while a connection has them open: closing a file ends this process's locks on
    it. Raises OSError for what keeps them from being used at all.
    """
    try:
        for name in (DATABASE, AHEAD):
            os.close(os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        return error
    return None


def _for_writing(folder: Path, *, flushes: bool) -> sqlite3.Connection:
    with ExitStack() as undo:
        connection = sqlite3.connect(
            folder / DATABASE, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        undo.callback(connection.close)
        _set(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if flushes else 'NORMAL'}")
        connection.execute("PRAGMA journal_mode = WAL")
        # The lock is taken with the first look at the file.
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        undo.pop_all()
    return connection


def _for_reading(folder: Path) -> sqlite3.Connection:
    """The lock of the folder has to do: a file that can only be read cannot be locked.

    SQLite reads what was written ahead if it need not lock anything. Where nothing was, it would
    make that file, unless it is told that nobody changes anything.
    """
    how = "vfs=unix-none" if size_of(folder / AHEAD) else "immutable=1"
    uri = f"file:{quote(os.fsencode(folder / DATABASE))}?mode=ro&{how}"
    with ExitStack() as undo:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        undo.callback(connection.close)
        _set(connection)
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        undo.pop_all()
    return connection


def _set(connection: sqlite3.Connection) -> None:
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}").fetchall()
