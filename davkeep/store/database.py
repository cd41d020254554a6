"""The database: one file, one process, one connection."""

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, TypeAlias

from davkeep.store.schema import STEPS

#: What can be bound to a statement.
Value: TypeAlias = bytes | str | float | int | None


class StateInUse(RuntimeError):
    """Another process works with the state folder. No HTTP status: the server does not start."""


class StoreError(OSError):
    """The database failed. Its ``errno`` decides the HTTP status as that of a file would: 507 for a
    full disk, 503 while another process holds it, 403 if it is read-only, else 500.
    """


class StateTooNew(RuntimeError):
    """A newer davkeep wrote the state. No HTTP status: the server does not start."""


class Database:
    """The SQLite database `davkeep.sqlite3` in `folder`, which is made if it is missing.

    Safe for any number of threads: they take turns at the one connection. What was committed
    survives the end of the process (WAL); if it was durable (synchronous FULL) also that of the
    machine, with all that was committed before it. `flushes` false: no commit is durable.

    Every use of it may raise StoreError. The constructor raises StateInUse while another Database
    has the folder, StateTooNew, OSError if the folder cannot be used, and sqlite3.DatabaseError if
    the file is no database.
    """

    def __init__(self, folder: str | os.PathLike[str], *, flushes: bool = True) -> None:
        self.folder = Path(folder)
        self._flushes = flushes
        #: For each table the number of changes when it was looked at, and whether it was empty.
        self._emptiness: dict[str, tuple[int, bool]] = {}
        #: What is to be done once the transaction under way is committed.
        self._committed: list[Callable[[], object]] = []
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        #: Guards the connection. It is held from the beginning of a transaction to its end, and by
        #: whoever asks something outside of one until the answer is complete.
        self._guard = threading.RLock()
        with ExitStack() as undo:
            self._lock_file = _lock(self.folder / "lock")
            undo.callback(os.close, self._lock_file)
            self._connection = _connect(self.folder / "davkeep.sqlite3")
            undo.callback(self._connection.close)
            #: Whether a commit is flushed, as SQLite knows it at this moment.
            self._is_durable = False
            self._advance()
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database and gives the folder free. A second call does nothing."""
        with self._guard:
            self._connection.close()
            if self._lock_file >= 0:
                os.close(self._lock_file)
                self._lock_file = -1

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Everything inside happens, or nothing of it does.

        Transactions of one thread nest: an inner one that fails undoes its own part, and what an
        inner one did is kept only if the outermost one ends well. Other threads wait meanwhile, so
        nothing slow belongs inside. Not `durable`: it waits for no disk, and a loss of power may
        take it back, though never without what was committed after it.
        """
        with self._guard, _errors():
            outermost = not self._connection.in_transaction
            if outermost:
                self._begin(durable=durable and self._flushes)
            else:
                self._connection.execute("SAVEPOINT inner")
            noted = len(self._committed)
            completed = False
            try:
                yield self._connection
                if outermost:
                    self._commit()
                else:
                    self._connection.execute("RELEASE inner")
                completed = True
            finally:
                if not completed:
                    del self._committed[noted:]
                    self._undo(outermost)
            if outermost:
                self._do_committed()

    def when_committed(self, call: Callable[[], object]) -> None:
        """Have `call` made, inside of a transaction, as soon as that is committed; never if it is
        not. For what is remembered beside the database: it must not say more than that does.
        """
        self._committed.append(call)

    def _do_committed(self) -> None:
        calls, self._committed = self._committed, []
        for call in calls:
            call()

    def _begin(self, *, durable: bool) -> None:
        if durable != self._is_durable:
            # SQLite takes it only outside of a transaction.
            level = "FULL" if durable else "NORMAL"
            self._connection.execute(f"PRAGMA synchronous = {level}")
            self._is_durable = durable
        self._connection.execute("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def _undo(self, outermost: bool) -> None:
        """Takes back the innermost transaction, unless SQLite did it (a full disk, for one)."""
        if not self._connection.in_transaction:
            return
        if outermost:
            self._connection.execute("ROLLBACK")
        else:
            self._connection.execute("ROLLBACK TO inner")
            self._connection.execute("RELEASE inner")

    def rows(self, question: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT answers, with what this thread's own transaction has changed."""
        with self._guard, _errors():
            return self._connection.execute(question, values).fetchall()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes anything inside. It is no transaction: beginning one may fail."""
        with self._guard:
            yield

    def is_empty(self, table: str) -> bool:
        """Whether a table has no row; asked again after any change, and quick until then."""
        known = self._emptiness.get(table)
        if known is not None and known[0] == self.changes:
            return known[1]
        with self._guard, _errors():
            changes = self.changes
            rows = self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()
            if not self._connection.in_transaction:
                # Inside of one it may still be taken back.
                self._emptiness[table] = (changes, not rows)
            return not rows

    @property
    def changes(self) -> int:
        """A number that is another one after every change.

        Who reads it and then asks something knows that the answer holds for as long as the number
        stays the same.
        """
        return self._connection.total_changes

    def _advance(self) -> None:
        """Takes the steps of the schema that this database has not taken yet."""
        with self.transaction() as connection:
            taken = connection.execute("PRAGMA user_version").fetchone()[0]
            if taken > len(STEPS):
                raise StateTooNew(
                    f"{self.folder} was written by a newer davkeep (schema {taken}, this one"
                    f" knows {len(STEPS)}): use that version, or another state folder."
                )
            for statement in (each for step in STEPS[taken:] for each in step):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(STEPS)}")


#: SQLite's primary result codes and what the same trouble is called of a file.
_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_BUSY: errno.EAGAIN,
    sqlite3.SQLITE_LOCKED: errno.EAGAIN,
}


@contextmanager
def _errors() -> Iterator[None]:
    """Turns trouble with the file into a StoreError; a wrong statement is a bug and stays one."""
    try:
        yield
    except sqlite3.OperationalError as error:
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
        raise StoreError(_ERRNO.get(primary, errno.EIO), "the state cannot be used") from error


def _lock(path: Path) -> int:
    """The descriptor of the locked file `path`; the lock ends when it is closed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateInUse(f"{path.parent} is in use by another davkeep.") from None
    return descriptor


def _connect(path: Path) -> sqlite3.Connection:
    """A connection without transactions of its own, to a file that only its owner can read."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with ExitStack() as undo:
        undo.callback(connection.close)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        undo.pop_all()
    return connection
