"""The database: one file, one process, one connection."""

import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeAlias

from davkeep.store import meta, opening
from davkeep.store.backup import back_up, copy_into
from davkeep.store.errors import (
    StateBroken,
    StateInUse,
    StateRefused,
    StateTooNew,
    StoreError,
    as_store_error,
    is_damage,
)
from davkeep.store.files import DATABASE, EARLIER, Presence, flush_folder, lock_folder, make_folder
from davkeep.store.schema import STEPS

__all__ = [
    "Database",
    "StateBroken",
    "StateInUse",
    "StateRefused",
    "StateTooNew",
    "StoreError",
    "Value",
]

_log = logging.getLogger("davkeep.store")

#: What can be bound to a statement.
Value: TypeAlias = bytes | str | float | int | None


class Database:
    """The SQLite database `davkeep.sqlite3` in `folder`, which is made if it is missing.

    Safe for any number of threads: they take turns at the one connection. What was committed
    survives the end of the process (WAL); if it was durable (synchronous FULL) also that of the
    machine, with all that was committed before it. `flushes` false: no commit is durable.

    No other program can open it meanwhile. On a disk where nothing can be written it is read; it
    is written to as soon as that is possible. A state that is current is opened without a write.

    Every use of it may raise StoreError. The constructor raises StateInUse while another Database
    has the folder, StateTooNew, StateBroken, and OSError if the folder cannot be used.
    """

    def __init__(self, folder: str | os.PathLike[str], *, flushes: bool = True) -> None:
        self.folder = Path(folder)
        self.flushes = flushes
        #: For each table the number of changes when it was looked at, and whether it was empty.
        self._emptiness: dict[str, tuple[int, bool]] = {}
        #: What is to be done once the transaction under way is committed.
        self._committed: list[Callable[[], object]] = []
        #: Whether the files are not where they were any more; see `look`.
        self._is_gone = False
        #: Whether damage was met, so that the next start has to look at everything.
        self._is_suspect = False
        #: Changes that connections before this one have made, and those of this one when the
        #: transaction began.
        self._earlier_changes = self._changes_at_begin = 0
        #: Copies that are being made of what the connection sees.
        self._copies = 0
        self._errors = _Errors(self)
        make_folder(self.folder, flushes=flushes)
        #: Guards the connection. It is held from the beginning of a transaction to its end, and by
        #: whoever asks something outside of one until the answer is complete.
        self._guard = threading.RLock()
        #: Guards the presence, and what is known of it; no other lock is taken under it.
        self._looking = threading.Lock()
        with ExitStack() as undo:
            self._lock_file = lock_folder(self.folder)
            undo.callback(os.close, self._lock_file)
            opening.look_for_damage(self.folder)
            self._connection, self._refusal = opening.connect(self.folder, flushes=flushes)
            undo.callback(self._connection.close)
            #: Whether a commit is flushed, as SQLite knows it at this moment.
            self._is_durable = flushes
            self._begin_life()
            self._presence = Presence(self.folder)
            undo.pop_all()

    def _begin_life(self) -> None:
        """Look whether the content can be relied on, and bring it to the newest schema."""
        with opening.refusing(self.folder):
            found = meta.examine(self._connection, str(self.folder / DATABASE))
        #: Whether it is noted that the last process has ended in order.
        self._is_marked = found.is_marked
        self._boot = meta.boot_id()
        #: Whether a backup was put in its place: what came after that is known to nobody.
        self.is_copy = found.is_copy
        is_other_life = not found.is_marked and (not self._boot or found.boot != self._boot)
        #: Whether the machine went down with the last process, as far as is known, or the database
        #: is a copy: what is hidden in the shares may have lost its records then.
        self.has_lost_records = bool(found.taken) and (is_other_life or self.is_copy)
        self._advance(found.taken)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database and gives the folder free. A second call does nothing."""
        with self._guard:
            if self._lock_file < 0:
                return
            try:
                self._mark()
            finally:
                self._connection.close()
                with self._looking:
                    self._presence.close()
                os.close(self._lock_file)
                self._lock_file = -1

    def _mark(self) -> None:
        """Note that this is an end in order, so that the next start need not look at everything.

        It has to where damage was met.
        """
        is_wanted = not self._is_suspect
        if self._is_marked == is_wanted or self._is_gone or self._refusal:
            return
        with suppress(StoreError), self.transaction() as connection:
            if is_wanted:
                meta.put(connection, meta.CLOSED, "1")
                if not self.has_lost_records:
                    meta.put(connection, meta.BOOT, self._boot)
            else:
                meta.remove(connection, meta.CLOSED)

    def note_whole(self) -> None:
        """All that had lost its records is found: the next start need not look again."""
        with self.transaction(durable=False) as connection:
            meta.put(connection, meta.BOOT, self._boot)
            meta.remove(connection, meta.COPIED)
        self.has_lost_records = False

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Everything inside happens, or nothing of it does.

        Transactions of one thread nest: an inner one that fails undoes its own part, and what an
        inner one did is kept only if the outermost one ends well. Other threads wait meanwhile, so
        nothing slow belongs inside. Not `durable`: it waits for no disk, and a loss of power may
        take it back, though never without what was committed after it.
        """
        with self._guard, self._errors:
            outermost = not self._connection.in_transaction
            if outermost:
                self._begin(durable=durable and self.flushes)
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
        if self._refusal:
            self._reopen()
        if durable != self._is_durable:
            # SQLite takes it only outside of a transaction.
            level = "FULL" if durable else "NORMAL"
            self._connection.execute(f"PRAGMA synchronous = {level}")
            self._is_durable = durable
        self._changes_at_begin = self._connection.total_changes
        # What can only be read has no other way to begin.
        self._connection.execute("BEGIN" if self._refusal else "BEGIN IMMEDIATE")

    def _commit(self) -> None:
        changed = self._connection.total_changes != self._changes_at_begin
        if changed and self._is_marked:
            meta.remove(self._connection, meta.CLOSED)
            meta.put(self._connection, meta.BOOT, self._boot)
        self._connection.execute("COMMIT")
        if changed:
            self._is_marked = False

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
        with self._guard, self._errors:
            return self._connection.execute(question, values).fetchall()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes anything inside. It is no transaction: beginning one may fail."""
        with self._guard:
            yield

    def is_known_empty(self, table: str) -> bool:
        """Whether a table had no row when that was asked last, and nothing has changed since."""
        return self._emptiness.get(table) == (self.changes, True)

    def note_emptiness(self, changes: int, is_empty: Mapping[str, bool]) -> None:
        """Remember which tables had no row when the number of changes was `changes`."""
        if not self._connection.in_transaction:
            # Inside of one it may still be taken back.
            self._emptiness |= {table: (changes, empty) for table, empty in is_empty.items()}

    def is_empty(self, table: str) -> bool:
        """Whether a table has no row; asked again after any change, and quick until then."""
        self._require_presence()
        known = self._emptiness.get(table)
        if known is not None and known[0] == self.changes:
            return known[1]
        with self._guard, self._errors:
            changes = self.changes
            rows = self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()
            self.note_emptiness(changes, {table: not rows})
            return not rows

    @property
    def changes(self) -> int:
        """A number that is another one after every change.

        Who reads it and then asks something knows that the answer holds for as long as the number
        stays the same.
        """
        return self._earlier_changes + self._connection.total_changes

    # The files

    def look(self) -> bool:
        """Look whether the state folder and the database are where they were at the start.

        While they are not, every use of it raises StoreError (503): what were written then, nobody
        would find again.
        """
        with self._looking:
            is_gone = not self._presence.is_kept()
            if is_gone != self._is_gone:
                self._is_gone = is_gone
                if is_gone:
                    _log.error("%s was removed or replaced: the state cannot be used", self.folder)
                else:
                    _log.warning("%s is there again", self.folder)
            return not is_gone

    def back_up(self, file: Path, pause: Callable[[], None]) -> None:
        """Copies everything into `file`, for others to open; see `backup.back_up`."""
        with self._guard:
            self._require_presence()
            self._copies += 1
        try:
            back_up(self._connection, self._guard, self.folder, file, pause)
        finally:
            with self._guard:
                self._copies -= 1

    def _require_presence(self) -> None:
        if self._is_gone:
            raise StoreError(errno.ENOMEDIUM, "the state folder is not there at present")

    def _translate(self, error: sqlite3.DatabaseError) -> None:
        """Raise what trouble with the file is to a caller; a wrong statement is left as it is."""
        self._is_suspect = self._is_suspect or is_damage(error)
        trouble = as_store_error(error, self.folder, self._refusal)
        if trouble is not None:
            raise trouble from error

    def _reopen(self) -> None:
        """Look whether what could only be read can be written to by now."""
        if self._copies or opening.refusal(self.folder) is not None:
            return
        self._earlier_changes += self._connection.total_changes
        self._connection.close()
        try:
            opened = opening.connect(self.folder, flushes=self.flushes)
        except (StateRefused, OSError) as error:
            _log.error("the state can be written to, and yet not used: %s", error)
            opened = opening.connect_to_read(self.folder, errno.EAGAIN)
        self._connection, self._refusal = opened
        self._is_durable = self.flushes

    def _advance(self, taken: int) -> None:
        """Takes the steps of the schema that come after the first `taken`."""
        if taken > len(STEPS):
            raise StateTooNew(
                f"{self.folder} was written by a newer davkeep (schema {taken}, this one"
                f" knows {len(STEPS)}): use that version, or another state folder."
            )
        if taken == len(STEPS):
            return
        if taken and not self._refusal:
            self._keep_as_it_is(taken)
        with self.transaction() as connection:
            for statement in (each for step in STEPS[taken:] for each in step):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(STEPS)}")
            if not taken:
                meta.put(connection, meta.BOOT, self._boot)
        if not taken and self.flushes:
            flush_folder(self.folder)

    def _keep_as_it_is(self, taken: int) -> None:
        """Copy a database of an earlier schema, for who has to go back to that version."""
        copy = self.folder / EARLIER.format(taken)
        try:
            copy_into(self._connection, self._guard, copy, lambda: None)
        except sqlite3.DatabaseError as error:
            self._translate(error)
            raise
        _log.warning("the state is brought to a newer form; as it was it is kept in %s", copy)


class _Errors:
    """Around every use of a database: refuses it while its files are gone; translates errors."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database._require_presence()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.DatabaseError):
            self._database._translate(error)
