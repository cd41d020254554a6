"""The journal by itself."""

from pathlib import Path

import pytest

from davkeep.store import journal as journal_module
from davkeep.store.database import Database
from davkeep.store.journal import Folder, Journal, Record, Side, Stage
from davkeep.trees.changes import HideTree, Inode


def _record(id: str, path: str, stage: Stage = Stage.CHANGING, created: float = 1.0) -> Record:
    side = Side(path, "/share", "2")
    return Record(
        id, "ann", "", "DELETE", "/x", None, created, f".davkeep-i-{id}", side,
        stage=stage, change=HideTree(Inode("3", 0o755)),
    )  # fmt: skip


def _effective(journal: Journal, id: str, path: str) -> None:
    journal.write(_record(id, path), durable=False)
    journal.write(_record(id, path, Stage.EFFECTIVE), durable=False)


def _folder(name: bytes) -> Folder:
    return Folder(b"/share/" + name, b"/share", "2")


def _paths(journal: Journal) -> list[bytes]:
    return [folder.path for folder in journal.folders()]


def test_records_outlive_the_process(database: Database, folder: Path) -> None:
    """The oldest operation comes first, and what was erased does not come."""
    journal = Journal(database)
    for number in (3, 1, 2):
        journal.write(_record(str(number), "/share/x", created=number), durable=False)
    journal.erase("2")
    database.close()
    with Database(folder) as again:
        assert [record.id for record in Journal(again).records().records] == ["1", "3"]


def test_a_record_takes_the_place_of_the_one_before(database: Database) -> None:
    """There is one record for each operation."""
    journal = Journal(database)
    journal.write(_record("1", "/share/x", Stage.CHANGING), durable=True)
    journal.write(_record("1", "/share/x", Stage.EFFECTIVE), durable=False)
    assert [record.stage for record in journal.records().records] == [Stage.EFFECTIVE]


def test_what_is_below_follows_and_its_neighbours_do_not(database: Database) -> None:
    """A path that only begins like the old one is another; so is the moved tree's own."""
    journal = Journal(database)
    for id, path in (("1", "/share/a/x"), ("2", "/share/ab/x"), ("3", "/share/a")):
        _effective(journal, id, path)
    journal.write(_record("4", "/share/a/y", Stage.CHANGING), durable=False)
    journal.follow(b"/share/a", b"/share/b")
    paths = {record.id: record.source.path for record in journal.records().records}
    assert paths == {"1": "/share/b/x", "2": "/share/ab/x", "3": "/share/a", "4": "/share/a/y"}


def test_a_folder_is_noted_once(database: Database) -> None:
    """The second upload into a folder writes nothing."""
    journal = Journal(database)
    journal.begin_upload(_folder(b"a"))
    with database.transaction() as connection:
        connection.execute("DELETE FROM staging_folders")
    journal.end_upload(journal.begin_upload(_folder(b"a")))
    assert _paths(journal) == []


def test_folders_go_along_with_their_tree(database: Database, folder: Path) -> None:
    """Also those of an earlier process; and what is staged there is not idle for that."""
    journal = Journal(database)
    journal.begin_upload(_folder(b"a/old"))
    database.close()
    with Database(folder) as again:
        journal = Journal(again)
        upload = journal.begin_upload(_folder(b"a/new"))
        journal.follow(b"/share/a", b"/share/b")
        assert {b"/share/b/old", b"/share/b/new"} <= set(_paths(journal))
        journal.forget_idle()
        assert b"/share/b/new" in _paths(journal)
        journal.end_upload(upload)
        journal.forget_idle()
        assert b"/share/b/new" not in _paths(journal)
        assert b"/share/b/old" in _paths(journal)


def test_idle_folders_are_dropped(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those in which something is staged, however long ago that began."""
    monkeypatch.setattr(journal_module, "IDLE_FOLDERS", 4)
    journal = Journal(database)
    journal.begin_upload(_folder(b"busy"))
    for number in range(6):
        journal.end_upload(journal.begin_upload(_folder(b"%d" % number)))
    assert _paths(journal) == [b"/share/2", b"/share/3", b"/share/4", b"/share/5", b"/share/busy"]
    journal.forget_idle()
    assert _paths(journal) == [b"/share/busy"]


def test_only_folders_of_an_earlier_process_are_forgotten(database: Database, folder: Path) -> None:
    """What this process has noted again since is kept."""
    journal = Journal(database)
    journal.begin_upload(_folder(b"a"))
    journal.begin_upload(_folder(b"b"))
    database.close()
    with Database(folder) as again:
        journal = Journal(again)
        found = journal.folders()
        journal.begin_upload(_folder(b"b"))
        journal.forget_folders(found)
        assert _paths(journal) == [b"/share/b"]


@pytest.mark.parametrize(
    ("flushes", "durable", "level"), [(True, True, 2), (True, False, 1), (False, True, 1)]
)
def test_what_a_commit_waits_for(tmp_path: Path, flushes: bool, durable: bool, level: int) -> None:
    """FULL (2) brings a commit to the disk; NORMAL (1), and a database that never does, do not."""
    with Database(tmp_path / "levels", flushes=flushes) as database:
        for _ in range(2):
            with database.transaction(durable=durable):
                assert database.rows("PRAGMA synchronous") == [(level,)]
