"""The name of an instance: always the same one, whatever was lost at whichever moment."""

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from davkeep.store import files
from davkeep.store.database import Database, StateRefused
from davkeep.store.instance import instance_of

NAME = re.compile(r"[0-9a-f]{8}")


def _named(folder: Path) -> str:
    with Database(folder) as database:
        return instance_of(database)


def _empty_database(folder: Path) -> None:
    (folder / "davkeep.sqlite3").touch()
    (folder / "davkeep.sqlite3-wal").touch()


def _only_a_header(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "davkeep.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = WAL")


def _no_name(folder: Path) -> None:
    Database(folder).close()


def _no_file(folder: Path) -> None:
    _named(folder)
    (folder / "instance").unlink()


def _half_a_file(folder: Path) -> None:
    _no_file(folder)
    (folder / "instance.new").write_bytes(b"\0\0")


@pytest.mark.parametrize(
    "left",
    [
        lambda folder: None,
        lambda folder: (folder / "lock").touch(),
        lambda folder: (folder / "davkeep.sqlite3").touch(),
        _empty_database,
        _only_a_header,
        _no_name,
        _no_file,
        _half_a_file,
    ],
)
def test_a_first_start_that_was_cut_off(folder: Path, left: Callable[[Path], object]) -> None:
    """Whatever of it is on the disk, the next start goes on, and the name is the same from then."""
    folder.mkdir()
    left(folder)
    name = _named(folder)
    assert NAME.fullmatch(name)
    assert (folder / "instance").read_text() == name
    assert _named(folder) == name
    assert not (folder / "instance.new").exists()


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was made, flushed, renamed and committed, in this order."""
    events: list[str] = []
    fsync, mkdir, replace = os.fsync, os.mkdir, os.replace
    commit = Database._commit

    def flushed(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        events.append(f"flush {path.name}")
        fsync(descriptor)

    def made(path: str, mode: int = 0o777) -> None:
        mkdir(path, mode)
        events.append(f"make {Path(path).name}")

    def renamed(old: Path, new: Path) -> None:
        replace(old, new)
        events.append(f"rename {old.name} {new.name}")

    def committed(self: Database) -> None:
        commit(self)
        events.append("commit, flushed" if self._is_durable else "commit")

    monkeypatch.setattr(files.os, "fsync", flushed)
    monkeypatch.setattr(files.os, "mkdir", made)
    monkeypatch.setattr(files.os, "replace", renamed)
    monkeypatch.setattr(Database, "_commit", committed)
    return events


def test_everything_of_the_first_start_lasts(tmp_path: Path, done: list[str]) -> None:
    """Each folder, the database's entry and the name are flushed, the name after the database."""
    with Database(tmp_path / "above" / "state") as database:
        instance_of(database)
        assert done == [
            "make above",
            f"flush {tmp_path.name}",
            "make state",
            "flush above",
            "commit, flushed",
            "flush state",
            "commit, flushed",
            "flush instance.new",
            "rename instance.new instance",
            "flush state",
        ]


def test_without_fsync_nothing_is_flushed(tmp_path: Path, done: list[str]) -> None:
    """The same start with `fsync: false`, to its end."""
    with Database(tmp_path / "above" / "state", flushes=False) as database:
        instance_of(database)
    assert not [event for event in done if "flush" in event]


def test_a_later_start_writes_nothing(folder: Path, done: list[str]) -> None:
    """Over a state that is current not a byte is changed, and nothing is noted at its end."""
    _named(folder)
    del done[:]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    with Database(folder) as database:
        instance_of(database)
        assert database.changes == 0
        assert (folder / "davkeep.sqlite3-wal").stat().st_size == 0
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert done == []


def test_the_database_decides(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that says another name than the database was not written by it: it is mended."""
    name = _named(folder)
    (folder / "instance").write_text("deadbeef")
    assert _named(folder) == name
    assert (folder / "instance").read_text() == name
    assert f"does not hold the name {name} of this instance: it is mended" in caplog.text


def test_a_file_that_holds_no_name(folder: Path) -> None:
    """Where nothing else knows it, it is refused and left as it is."""
    Database(folder).close()
    (folder / "instance").write_text("")
    with Database(folder) as database, pytest.raises(StateRefused, match="else remove it"):
        instance_of(database)
    assert (folder / "instance").read_text() == ""
