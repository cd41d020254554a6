"""Whether a database can be relied on: looked at quickly, or thoroughly after a crash."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from davkeep.store import meta, opening
from davkeep.store.database import Database, StateBroken, StateInUse, StoreError
from davkeep.store.errors import as_store_error
from davkeep.store.properties import DeadProperties


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How each start has looked."""
    seen: list[str] = []

    def spied(name: str) -> None:
        look = getattr(meta, name)

        def looking(*arguments: object) -> None:
            seen.append(name)
            look(*arguments)

        monkeypatch.setattr(meta, name, looking)

    spied("_look_quickly")
    spied("_look_thoroughly")
    return seen


def _set(database: Database, name: str = "a") -> None:
    DeadProperties(database).change(b"/a", {name: b"1"})


def _killed(folder: Path, live: Callable[[Database], object]) -> Path:
    """What a process that was killed after `live` has left, in a folder of its own."""
    with Database(folder) as database:
        live(database)
        copy = folder.with_name(f"{folder.name} copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
    return copy


def test_a_new_one_is_not_looked_at(folder: Path, looks: list[str]) -> None:
    """There is nothing in it."""
    Database(folder).close()
    assert looks == []


def test_after_an_end_in_order(folder: Path, looks: list[str]) -> None:
    """Quickly, also after a life without a change, and one that was killed before any."""
    Database(folder).close()
    for _ in range(2):
        with Database(folder) as database:
            database.rows("SELECT * FROM properties")
    Database(_killed(folder, lambda database: database.rows("SELECT 1"))).close()
    assert set(looks) == {"_look_quickly"}


@pytest.mark.parametrize("durable", [True, False])
def test_after_a_crash(folder: Path, looks: list[str], durable: bool) -> None:
    """Thoroughly after any change, whether it was to last or not."""
    Database(folder).close()

    def live(database: Database) -> None:
        with database.transaction(durable=durable):
            _set(database)

    copy = _killed(folder, live)
    del looks[:]
    Database(copy).close()
    Database(copy).close()
    assert looks == ["_look_thoroughly", "_look_quickly"]


def test_what_was_taken_back_is_no_change(folder: Path, looks: list[str]) -> None:
    """A transaction that failed leaves the note of the end before, and the next takes it back."""
    Database(folder).close()

    def fail(database: Database) -> None:
        with suppress(KeyError), database.transaction():
            _set(database)
            raise KeyError

    def fail_and_live(database: Database) -> None:
        fail(database)
        _set(database)

    failed, lived = _killed(folder, fail), None
    Database(failed).close()
    assert looks[-1] == "_look_quickly"
    lived = _killed(folder, fail_and_live)
    Database(lived).close()
    assert looks[-1] == "_look_thoroughly"


def _spoil(file: Path) -> None:
    """Make nothing of the last pages."""
    with file.open("r+b") as content:
        content.seek(-10 * 4096, os.SEEK_END)
        content.write(b"\xff" * 10 * 4096)


def test_damage_that_was_met_is_not_forgotten(folder: Path, looks: list[str]) -> None:
    """It is a StoreError (500), and no end in order is noted after it: the next start refuses."""
    with Database(folder) as database:
        for number in range(100):
            DeadProperties(database).change(b"/%d" % number, {"p": bytes(3000)})
    _spoil(folder / "davkeep.sqlite3")
    with Database(folder) as database:
        with pytest.raises(StoreError) as caught:
            database.rows("SELECT * FROM properties")
        assert caught.value.errno == errno.EIO
    with pytest.raises(StateBroken, match="is damaged"):
        Database(folder)


def test_a_wrong_statement_stays_a_bug(database: Database) -> None:
    """It is not taken for trouble with the disk."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        database.rows("SELECT * FROM nowhere")
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
        connection.execute("INSERT INTO properties VALUES (NULL, NULL, NULL)")


def test_another_program_is_kept_out(folder: Path, database: Database) -> None:
    """From the opening on, not only from the first change."""
    with closing(sqlite3.connect(folder / "davkeep.sqlite3", timeout=0)) as other:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("SELECT * FROM properties")
        _set(database)


def test_another_program_that_reads(folder: Path) -> None:
    """A start over a database that another program has open is refused, and leaves it free."""
    Database(folder).close()
    with closing(sqlite3.connect(folder / "davkeep.sqlite3")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM properties").fetchall()
        with pytest.raises(StateInUse, match="is open in another program"):
            Database(folder)
    Database(folder).close()


def test_files_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is can be read; a change has the errno of the disk, until it can be written."""
    copy = _killed(folder, _set)
    really = os.open

    def refusing(path: str, flags: int, *arguments: int) -> int:
        if flags & os.O_RDWR and Path(path).name.startswith("davkeep.sqlite3"):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return really(path, flags, *arguments)

    monkeypatch.setattr(os, "open", refusing)
    with Database(copy) as database:
        properties = DeadProperties(database)
        assert properties.get(b"/a") == {"a": b"1"}
        for _ in range(2):
            with pytest.raises(StoreError) as caught:
                _set(database, "b")
            assert caught.value.errno == errno.EDQUOT
        seen = database.changes
        monkeypatch.undo()
        _set(database, "b")
        assert properties.get(b"/a") == {"a": b"1", "b": b"1"}
        assert database.changes != seen
    with Database(copy) as database:
        assert DeadProperties(database).get(b"/a") == {"a": b"1", "b": b"1"}


def test_files_that_another_program_has_by_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could only be read is read on while another program keeps it from being written."""
    Database(folder).close()
    monkeypatch.setattr(opening, "refusal", lambda _: OSError(errno.EROFS, "Read-only"))
    with Database(folder) as database:
        monkeypatch.undo()
        monkeypatch.setattr(opening, "PATIENCE", 0.0)
        with closing(sqlite3.connect(folder / "davkeep.sqlite3")) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM properties").fetchall()
            with pytest.raises(StoreError) as caught:
                _set(database)
            assert caught.value.errno == errno.EAGAIN
            assert DeadProperties(database).under(b"/a", "infinity") == {}
        _set(database)
        assert DeadProperties(database).get(b"/a") == {"a": b"1"}
        assert database.rows("PRAGMA synchronous") == [(2,)]


def test_a_spent_quota_is_no_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite calls an I/O error is asked of the disk itself: 507 rather than 500."""
    (failed := sqlite3.OperationalError("disk I/O error")).sqlite_errorcode = sqlite3.SQLITE_IOERR
    folder.mkdir()

    def spent(*_: object) -> int:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    plain = as_store_error(failed, folder)
    monkeypatch.setattr(os, "write", spent)
    quota = as_store_error(failed, folder)
    assert plain is not None
    assert quota is not None
    assert (plain.errno, quota.errno) == (errno.EIO, errno.EDQUOT)
    assert not list(folder.iterdir())
