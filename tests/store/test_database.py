import errno
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import pytest

from davkeep.store.database import Database, StateBroken, StateInUse, StateTooNew, StoreError
from davkeep.store.properties import DeadProperties

INSERT = "INSERT INTO properties (path, name, value) VALUES (?, ?, ?)"

#: Seconds that a test waits for another thread or process before it fails.
PATIENCE = 30

Regretted: TypeAlias = Callable[[], AbstractContextManager[None]]


def insert(database: Database, *names: str) -> None:
    with database.transaction() as connection:
        connection.executemany(INSERT, [(b"/a", name, b"") for name in names])


def names(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT name FROM properties ORDER BY name")]


def test_folder_and_files_are_private(folder: Path, database: Database) -> None:
    """Nobody else can read lock tokens: the folder and all files in it are the owner's alone.

    There is no file of shared memory, through which a full disk could kill the process.
    """
    insert(database, "a")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()} == {
        "lock": 0,
        "davkeep.sqlite3": 0,
        "davkeep.sqlite3-wal": 0,
    }


def test_durability_is_asked_for(database: Database) -> None:
    """The database writes ahead and flushes with every commit."""
    assert database.rows("PRAGMA journal_mode") == [("wal",)]
    assert database.rows("PRAGMA synchronous") == [(2,)]


def test_a_second_one_is_refused(folder: Path, database: Database) -> None:
    """While one has the folder no other can open it, and the first goes on undisturbed."""
    with pytest.raises(StateInUse, match="in use by another davkeep"):
        Database(folder)
    insert(database, "a")
    assert names(database) == ["a"]


def test_another_process_is_refused(folder: Path, database: Database) -> None:
    """The folder is locked against other processes."""
    program = (
        "import sys; from davkeep.store.database import *\n"
        "try: Database(sys.argv[1])\n"
        "except StateInUse: sys.exit(7)"
    )
    ended = subprocess.run([sys.executable, "-c", program, folder], timeout=PATIENCE, check=False)
    assert ended.returncode == 7


def test_the_folder_is_free_after_closing(folder: Path) -> None:
    """Closing gives the folder to the next one, and closing twice harms nobody."""
    first = Database(folder)
    first.close()
    with Database(folder) as second:
        first.close()
        insert(second, "a")
        with pytest.raises(StateInUse):
            Database(folder)


def test_what_was_committed_stays(folder: Path) -> None:
    """What was committed is there after reopening, also where the process died without closing."""
    program = (
        "import os, sys; from davkeep.store.database import *\n"
        "database = Database(sys.argv[1])\n"
        "with database.transaction() as connection:\n"
        "    connection.execute(\"INSERT INTO properties VALUES (x'2f', 'kept', x'')\")\n"
        "with database.transaction() as connection:\n"
        "    connection.execute(\"INSERT INTO properties VALUES (x'2f', 'lost', x'')\")\n"
        "    os._exit(9)"
    )
    ended = subprocess.run([sys.executable, "-c", program, folder], timeout=PATIENCE, check=False)
    assert ended.returncode == 9
    for _ in range(2):
        with Database(folder) as database:
            assert names(database) == ["kept"]


def test_a_newer_schema_is_refused_and_not_touched(folder: Path) -> None:
    """State that a newer version wrote is left as it is, with a sentence that says what to do."""
    Database(folder).close()
    with sqlite3.connect(folder / "davkeep.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for _ in range(2):
        with pytest.raises(StateTooNew, match=r"newer davkeep.*schema 99.*another state folder"):
            Database(folder)
    with sqlite3.connect(folder / "davkeep.sqlite3") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)
    connection.close()


def test_a_file_that_is_no_database(folder: Path) -> None:
    """A damaged file is an error at start, and leaves the folder free."""
    folder.mkdir()
    (folder / "davkeep.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(StateBroken, match=r"is damaged: .*Restore a backup, or move the folder"):
        Database(folder)
    (folder / "davkeep.sqlite3").unlink()
    Database(folder).close()


def test_a_failed_transaction_changes_nothing(database: Database) -> None:
    """An error inside takes back everything and comes out; the next transaction is not affected."""

    def fail() -> None:
        with database.transaction():
            insert(database, "a", "b")
            raise KeyError

    insert(database, "before")
    with pytest.raises(KeyError):
        fail()
    assert names(database) == ["before"]
    insert(database, "after")
    assert names(database) == ["after", "before"]


def test_changes_are_counted(database: Database) -> None:
    """The number is another one after every change, and the same after a question."""
    properties, seen = DeadProperties(database), [database.changes]
    for change in (
        lambda: properties.change(b"/a", {"{x:}p": b""}),
        lambda: properties.change(b"/a", {"{x:}p": b"1"}),
        lambda: properties.move(b"/a", b"/b"),
        lambda: properties.remove(b"/b"),
    ):
        change()
        assert database.changes not in seen
        seen.append(database.changes)
        properties.get(b"/b")
        assert database.changes == seen[-1]


def test_a_failed_inner_transaction_takes_back_its_own_part(
    database: Database, regretted: Regretted
) -> None:
    """Who survives an inner failure keeps what was done around it, and only that."""
    with database.transaction():
        insert(database, "a")
        with regretted():
            insert(database, "b")
            with database.transaction():
                insert(database, "c")
            assert names(database) == ["a", "b", "c"]
        insert(database, "d")
    assert names(database) == ["a", "d"]


def test_an_inner_transaction_ends_with_the_outer_one(
    database: Database, regretted: Regretted
) -> None:
    """What an inner transaction did is gone if the outermost one fails afterwards."""
    with regretted():
        with database.transaction():
            insert(database, "a")
        assert names(database) == ["a"]
    assert names(database) == []


def test_a_transaction_that_sqlite_ended(database: Database) -> None:
    """Where SQLite itself rolled back, the first error is the one that comes out."""

    def fail() -> None:
        with database.transaction() as connection:
            insert(database, "a")
            connection.execute("ROLLBACK")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names(database) == []
    insert(database, "b")
    assert names(database) == ["b"]


def test_other_threads_see_all_or_nothing(database: Database) -> None:
    """A thread that reads during a transaction waits, and then sees all of it."""
    halfway, seen = threading.Event(), []

    def read() -> None:
        assert halfway.wait(PATIENCE)
        seen.append(names(database))

    reader = threading.Thread(target=read)
    reader.start()
    with database.transaction():
        insert(database, "a")
        halfway.set()
        insert(database, "b")
    reader.join(PATIENCE)
    assert seen == [["a", "b"]]


def test_transactions_of_threads_do_not_mix(database: Database) -> None:
    """Threads that write at once, half of them failing, leave exactly what the others wrote."""
    start = threading.Barrier(8, timeout=PATIENCE)

    def write(number: int) -> None:
        start.wait()
        for turn in range(20):
            try:
                with database.transaction():
                    insert(database, f"{number}-{turn}")
                    if number % 2:
                        raise KeyError
            except KeyError:
                continue

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert set(names(database)) == {f"{n}-{turn}" for n in (0, 2, 4, 6) for turn in range(20)}


def test_a_full_database_is_an_error_of_the_disk(database: Database) -> None:
    """What the store meets is told with an errno, so that it becomes a status as for a file."""
    with database.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    database.rows(f"PRAGMA max_page_count = {pages}")
    properties = DeadProperties(database)
    with pytest.raises(StoreError) as caught:
        properties.change(b"/a", {"x": b"<x/>" * 100_000})
    assert caught.value.errno == errno.ENOSPC
    assert properties.get(b"/a") == {}
