"""The journal by itself."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from davkeep.store import journal as journal_module
from davkeep.store.database import Database, StoreError
from davkeep.store.journal import Journal
from davkeep.store.record import NEXT, IllegalStage, ImpossibleRecord, Record, Side, Stage, encoded
from davkeep.trees.changes import (
    Change,
    HideTree,
    MoveAcross,
    RemoveMembers,
    Rename,
    Respell,
    SwapIn,
    Unlink,
)
from davkeep.trees.traces import Inode


def _record(id: str, path: str, stage: Stage = Stage.CHANGING, created: float = 1.0) -> Record:
    side = Side(path)
    return Record(
        id, "ann", "", "DELETE", "/x", None, created, f".davkeep-i-{id}", side,
        stage=stage, change=HideTree(Inode("3", 0o755)),
    )  # fmt: skip


def _effective(journal: Journal, id: str, path: str) -> None:
    journal.write(_record(id, path), durable=False)
    journal.write(_record(id, path, Stage.EFFECTIVE), durable=False)


def _folder(name: bytes) -> bytes:
    return b"/share/" + name


def _paths(journal: Journal) -> list[bytes]:
    return journal.folders()


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


def test_folders_that_move_are_dropped_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collection that is made, uploaded into and moved away, again and again, leaves no more
    than others do.
    """
    monkeypatch.setattr(journal_module, "IDLE_FOLDERS", 4)
    journal = Journal(database)
    for number in range(20):
        journal.end_upload(journal.begin_upload(_folder(b"a")))
        journal.follow(b"/share/a", b"/share/gone%d" % number)
    assert len(_paths(journal)) <= 6


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


def test_every_transition_but_those_of_the_table_is_refused(database: Database) -> None:
    """A stage that cannot follow raises, and nothing is written."""
    for first in (None, *Stage):
        for following in Stage:
            journal = Journal(database)
            if first is not None:
                _set(journal, first)
            before = database.rows("SELECT stage FROM journal")
            if following in NEXT[first]:
                journal.write(_at(following), durable=False)
                assert journal.stage_of("1") is following
            else:
                with pytest.raises(IllegalStage):
                    journal.write(_at(following), durable=False)
                assert database.rows("SELECT stage FROM journal") == before
            journal.erase("1")


def _set(journal: Journal, stage: Stage) -> None:
    """Have one record at a stage, whatever led there."""
    with journal._database.transaction() as connection:
        connection.execute(
            "INSERT INTO journal (id, stage, record) VALUES (?, ?, ?)",
            ("1", stage.value, encoded(_at(stage))),
        )
    assert not journal.records().unreadable


def _at(stage: Stage) -> Record:
    record = _record("1", "/share/x", Stage.CHANGING)
    return replace(record, stage=stage, change=None if stage is Stage.STAGING else record.change)


IMPOSSIBLE = {
    "built and changed": {"stage": Stage.STAGING, "change": HideTree(Inode("3", 0))},
    "changed by nothing": {"stage": Stage.CHANGING, "change": None},
    "a swap of one name": {"change": SwapIn(Inode("3", 0))},
    "a removal of two names": {"destination": Side("/share/y")},
    "a file that returns": {"stage": Stage.RETURNING, "change": Unlink(Inode("3", 0))},
    "an outcome too early": {"status": 204},
    "a finding too early": {"finding": "NOTHING"},
}


@pytest.mark.parametrize("what", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_an_impossible_record_fails_at_birth(what: dict[str, Any]) -> None:
    """It is never written, and never found."""
    with pytest.raises(ImpossibleRecord):
        replace(_record("1", "/share/x"), **what)


CHANGES = [
    SwapIn(Inode("1", 0o755), Inode("2", 0o700), lacks_members=True),
    SwapIn(Inode("1", 0o755)),
    MoveAcross(Inode("1", 0), Inode("2", 0), source=Inode("3", 0), in_place=True),
    Rename(Inode("1", 0o644), None),
    Respell(Inode("1", 0o644)),
    HideTree(Inode("1", 0o644)),
    Unlink(Inode("1", 0o644)),
    RemoveMembers(Inode("1", 0o644)),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.kind)
def test_each_kind_of_change_comes_back(database: Database, change: Change) -> None:
    """With exactly its fields."""
    destination = Side("/share/y") if change.has_destination else None
    record = replace(_record("1", "/share/x"), change=change, destination=destination)
    journal = Journal(database)
    journal.write(record, durable=False)
    assert journal.records().records == [record]


#: A record of 0.1.0, which had no class for each kind of change.
FORMER = {
    "id": "1", "owner": "ann", "address": "", "method": "MOVE", "source_url": "/t",
    "destination_url": "/d", "created": 1.5, "staging": ".davkeep-i-1",
    "source": {"path": "/share/t", "root": "/share", "root_inode": "2"},
    "destination": {"path": "/share/d", "root": "/share", "root_inode": "2"},
    "depth_infinity": True, "stage": "changing", "action": "across",
    "new": {"number": "5", "mode": 493}, "old": None,
    "source_inode": {"number": "6", "mode": 448}, "in_place": False, "is_partial": False,
    "ended": [], "status": None, "failures": [], "finding": None,
}  # fmt: skip

FORMERS = [
    ({}, MoveAcross(Inode("5", 0o755), None, source=Inode("6", 0o700))),
    ({"action": "rename"}, Rename(Inode("5", 0o755))),
    ({"action": "itself"}, Respell(Inode("5", 0o755))),
    (
        {"action": "swap", "method": "COPY", "is_partial": True},
        SwapIn(Inode("5", 0o755), None, lacks_members=True),
    ),
    # A MOVE whose rename was refused stages a copy, and its record named that rename still.
    ({"stage": "staging", "action": "rename"}, None),
    ({"stage": "staging", "action": None}, None),
    (
        {"action": "remove", "method": "DELETE", "destination": None, "old": FORMER["new"]},
        HideTree(Inode("5", 0o755)),
    ),
    (
        {"action": "members", "destination": None, "old": FORMER["new"], "stage": "undone"},
        RemoveMembers(Inode("5", 0o755)),
    ),
    (
        {"action": "unlink", "destination": None, "old": FORMER["new"], "stage": "effective"},
        Unlink(Inode("5", 0o755)),
    ),
]


@pytest.mark.parametrize(("other", "change"), FORMERS)
def test_records_of_before_are_read(
    database: Database, other: dict[str, Any], change: Change | None
) -> None:
    """Those that 0.1.0 left, whatever it was at."""
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO journal (id, stage, record) VALUES (?, ?, ?)",
            ("1", "changing", json.dumps(FORMER | other)),
        )
    journal = Journal(database)
    ((record,), unreadable) = journal.records()
    assert unreadable == []
    assert record.change == change
    assert (record.owner, record.source.path) == ("ann", "/paths/share/t")


def test_a_record_that_cannot_be_read_stops_no_other(database: Database) -> None:
    """It is named, and kept as it is."""
    journal = Journal(database)
    journal.write(_record("1", "/share/x"), durable=False)
    broken = ["", "{", "[]", '{"stage": "changing"}', json.dumps(FORMER | {"action": "melt"})]
    with database.transaction() as connection:
        for number, text in enumerate(broken, start=2):
            connection.execute(
                "INSERT INTO journal (id, stage, record) VALUES (?, 'changing', ?)",
                (str(number), text),
            )
    records, unreadable = journal.records()
    assert [record.id for record in records] == ["1"]
    assert unreadable == ["2", "3", "4", "5", "6"]
    assert len(database.rows("SELECT id FROM journal")) == 6


def test_what_is_remembered_is_what_was_committed(database: Database, regretted: Any) -> None:
    """A transaction that fails leaves the stage as it was, in memory too."""
    journal = Journal(database)
    journal.write(_record("1", "/share/x"), durable=False)
    with regretted():
        journal.write(_record("1", "/share/x", Stage.EFFECTIVE), durable=False)
    assert journal.stage_of("1") is Stage.CHANGING
    with regretted():
        journal.erase("1")
    assert journal.stage_of("1") is Stage.CHANGING
    with database.transaction():
        with regretted():
            journal.erase("1")
        journal.write(_record("1", "/share/x", Stage.EFFECTIVE), durable=False)
    assert journal.stage_of("1") is Stage.EFFECTIVE


def test_a_folder_that_could_not_be_noted_is_noted_by_the_next_upload(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is not taken for written, and leaves nothing counted."""
    journal = Journal(database)

    def full(_: object) -> None:
        raise StoreError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "_commit", full)
        with pytest.raises(StoreError):
            journal.begin_upload(_folder(b"a"))
    assert _paths(journal) == []
    upload = journal.begin_upload(_folder(b"a"))
    assert _paths(journal) == [b"/share/a"]
    journal.end_upload(upload)
    journal.forget_idle()
    assert _paths(journal) == []
