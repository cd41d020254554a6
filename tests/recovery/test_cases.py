"""Single records, whatever the names show: nothing is lost, and none of them holds up another."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from davkeep.operations import Operation, Page
from davkeep.operations.debts import Debt, Debts
from davkeep.operations.departures import Departures
from davkeep.operations.recovery.sweep import Sweep
from davkeep.operations.upkeep import Upkeep
from davkeep.store.database import StoreError
from davkeep.store.departed import DepartedFile
from davkeep.store.journal import Journal
from davkeep.store.record import Record, Side, Stage
from davkeep.trees import across, renaming
from davkeep.trees.changes import Change, HideTree, MoveAcross, Rename, SwapIn
from davkeep.trees.move import move
from davkeep.trees.place import place_at
from davkeep.trees.renames import ExchangeUnsupportedError
from davkeep.trees.steps import Control, Steps
from davkeep.trees.traces import Inode
from harness.dav import make
from harness.disks import folder_in_memory

MINE = ".davkeep-abcd-"
#: What no entry is.
NONE = Inode("5", 0o755)


def _side(ground: Any, name: str) -> Side:
    return Side.of(ground.path(name))


def _record(ground: Any, id: str, change: Change | None, *names: str, **more: Any) -> Record:
    """Write a record whose names are about to change, or of something staged, and return it."""
    sides = [_side(ground, name) for name in names]
    method = "DELETE" if len(names) == 1 else "MOVE"
    if change is None or change.only_reads_source:
        method = "COPY"
    record = Record(
        id=id, owner="ann", address="", method=method, source_url=f"/{names[0]}",
        destination_url=f"/{names[1]}" if len(names) > 1 else None, created=1.0,
        staging=MINE + id, source=sides[0], destination=sides[1] if len(sides) > 1 else None,
        stage=Stage.STAGING if change is None else Stage.CHANGING, change=change,
    )  # fmt: skip
    record = replace(record, **more)
    ground.journal.write(record, durable=False)
    return record


def _effective(ground: Any, id: str, name: str, **more: Any) -> Record:
    """The same of a DELETE that has taken effect."""
    record = replace(_record(ground, id, HideTree(NONE), name, **more), stage=Stage.EFFECTIVE)
    ground.journal.write(record, durable=False)
    return record


def _inode(ground: Any, name: str) -> Inode:
    return Inode.of((ground.folder / name).lstat())


def _swept(ground: Any) -> None:
    for _ in Sweep(ground.journal, ground.stored, ["abcd"], str.isdigit).steps(
        [str(ground.folder)]
    ):
        pass


def _work_through(steps: Steps) -> None:
    for _ in steps:
        pass


def _refuse() -> None:
    raise StoreError(errno.ENOSPC, "full")


def test_an_unknown_end_that_is_paid_for_keeps_what_is_hidden(ground: Any) -> None:
    """Somebody has taken the name of what was set aside: the record stays with that."""
    make(ground.folder, {"src": {}, "dst": {"precious": b"p"}, MINE + "1": {"x": b"x"}})
    change = SwapIn(_inode(ground, MINE + "1"), _inode(ground, "dst"))
    (ground.folder / "dst").rename(ground.folder / f"{MINE}1.old")
    make(ground.folder, {"dst": {"foreign": b"f"}})
    record = _record(ground, "1", change, "src", "dst")
    ground.books.unfinished.leave(record)
    ground.books.debts.pay()
    assert len(ground.books.debts) == 0
    assert ground.journal.stage_of("1") is Stage.UNKNOWN
    _swept(ground)
    assert (ground.folder / f"{MINE}1.old/precious").exists()


def test_a_source_whose_name_was_taken_is_kept(ground: Any) -> None:
    """It is hidden, the destination shows nothing, and it cannot come back: that is said."""
    make(
        ground.folder,
        {f"{MINE}1.gone": {"precious": b"p"}, "src": {"foreign": b"f"}, MINE + "1": {}},
    )
    change = MoveAcross(_inode(ground, MINE + "1"), source=_inode(ground, f"{MINE}1.gone"))
    _record(ground, "1", change, "src", "dst")
    (found,) = ground.recover()
    assert "cannot be told" in str(found.outcome)
    _swept(ground)
    assert (ground.folder / f"{MINE}1.gone/precious").exists()


@pytest.mark.parametrize("kind", ["swap", "rename"])
def test_a_second_link_of_what_was_to_be_set_aside_goes(ground: Any, kind: str) -> None:
    """A file was linked to its hidden name and had not lost its own one."""
    make(ground.folder, {"dst": b"old", "src": {"x": b"1"}, MINE + "1": {"x": b"1"}})
    built, source, old = (_inode(ground, name) for name in (MINE + "1", "src", "dst"))
    change = SwapIn(built, old) if kind == "swap" else Rename(source, old)
    if kind == "rename":
        shutil.rmtree(ground.folder / (MINE + "1"))
    os.link(ground.folder / "dst", ground.folder / f"{MINE}1.old")
    _record(ground, "1", change, "src", "dst")
    ground.recover()
    assert ground.hidden() == []
    assert (ground.folder / "dst").read_bytes() == b"old"


def test_a_source_that_cannot_come_back_leaves_the_destination(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MOVE across: the store fails, and so does the way back. The MOVE is completed later."""
    make(ground.folder, {"src": {"precious": b"p"}})
    ground.mark("src")
    real, calls = across.rename_noreplace, []

    def once(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) > 1:
            raise OSError(errno.EIO, "Input/output error")
        real(*arguments)

    with folder_in_memory() as far:
        operation = Operation(
            owner="ann", method="MOVE", source="/src", created=1.0, destination="/there/dst"
        )
        control = Control(MINE + operation.id, effective=_refuse)
        with (
            ground.serve(far).entry(["dst"], follow_last=False) as destination,
            ground.entry("src") as source,
        ):
            page = Page(ground.books, operation, control.staging_name, source, destination)
            control.witness = page
            with monkeypatch.context() as patched:
                patched.setattr(across, "rename_noreplace", once)
                with pytest.raises(OSError, match="Input/output"):
                    _work_through(move(source, destination, control, overwrite=True))
            page.close(keep=control.is_untidy)
        assert (far / "dst/precious").exists()
        ground.books.debts.pay()
        for _ in ground.books.unfinished.begin_purging() or ():
            pass
        assert ground.hidden() == []
        assert set(ground.marks().values()) == {"src"}
        assert not (ground.folder / "src").exists()
        assert (far / "dst/precious").exists()


def test_a_file_that_replaced_a_file_for_good_is_moved_with_what_is_stored(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where names cannot be exchanged there is no way back: the MOVE is completed later."""
    make(ground.folder, {"a": b"new", "b": b"old"})
    ground.mark("a")

    def unknown(*_: Any) -> None:
        raise ExchangeUnsupportedError(errno.EINVAL, "Invalid argument")

    page, control = ground.page("MOVE", "a", "b")
    control.effective = _refuse
    with ground.entry("a") as source, ground.entry("b") as destination:
        monkeypatch.setattr(renaming, "rename_exchange", unknown)
        with pytest.raises(StoreError):
            _work_through(move(source, destination, control, overwrite=True))
        page.close(keep=control.is_untidy)
    ground.books.debts.pay()
    assert ground.marks() == {"b": "a"}
    assert ground.journal.records().records == []


def test_a_debt_that_cannot_be_looked_at_holds_up_nobody(ground: Any) -> None:
    """Its disk does not answer; other trees are not concerned, and the others are paid."""

    def dead() -> list[Any]:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    def broken() -> None:
        raise ValueError("a bug")

    paid: list[str] = []
    debts = Debts()
    debts.owe(Debt("dead", dead, lambda: paid.append("dead")))
    debts.owe(Debt("broken", list, broken))
    debts.owe(Debt("fine", lambda: [place_at("/usr")], lambda: paid.append("fine")))
    debts.require([place_at("/etc")])
    assert paid == []
    debts.pay()
    assert paid == ["fine"]
    assert len(debts) == 2


def test_what_somebody_uses_is_not_paid_for_meanwhile(ground: Any) -> None:
    """A DELETE may be at work there, which waits for no debt."""
    from davkeep.operations import Mode, Reservations

    reservations, paid = Reservations(), []
    place = place_at("/usr")
    debts = Debts(reservations)
    debts.owe(Debt("one", lambda: [place], lambda: paid.append(1)))
    reservations.reserve("a DELETE", [(place, Mode.EXCLUSIVE)], ("ann", ""))
    debts.pay()
    assert paid == []
    reservations.release("a DELETE")
    debts.pay()
    assert paid == [1]
    assert len(reservations) == 0


def test_the_source_of_a_copy_may_be_away(ground: Any) -> None:
    """What was staged for it goes, and the destination can be used."""
    make(ground.folder, {"dst": {}, MINE + "1": {"x": b"1"}})
    away = Side("/nonexistent/src")
    _record(ground, "1", None, "src", "new", source=away)
    ground.recover()
    ground.books.debts.require([place_at(str(ground.folder))])
    assert ground.hidden() == []


def test_one_that_cannot_be_purged_keeps_no_other(
    ground: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While nothing can be erased, and while a share is away; no traceback tells of it."""
    make(ground.folder, {MINE + "1": {"x": b"1"}, MINE + "2": {"x": b"2"}})
    for id in "12":
        _effective(ground, id, "a" + id)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "erase", lambda *_, **__: _refuse())
        ground.recover()
        assert ground.hidden() == []
        assert len(ground.books.unfinished) == 2
    _effective(ground, "3", "a3", source=Side("/nonexistent/a"))
    ground.books.unfinished.leave(ground.journal.records().records[-1])
    upkeep = Upkeep()
    ground.books._purge(upkeep)
    while upkeep.turn() == 0:
        pass
    assert len(ground.books.unfinished) == 1
    assert ground.journal.stage_of("1") is ground.journal.stage_of("2") is None
    assert "Traceback" not in caplog.text


def test_notes_of_an_earlier_process_are_kept_until_all_are_settled(
    ground: Any, tmp_path: Path
) -> None:
    """The one whose share is away outlives the one that is forgotten."""
    away = tmp_path / "away"
    away.mkdir()
    here, there = _side(ground, "a"), Side(f"{away}/b")
    file = DepartedFile(tmp_path)
    file.add(here)
    file.add(there)
    file.close()
    away.rename(tmp_path / "elsewhere")
    file = DepartedFile(tmp_path)
    Departures(ground.stored, Debts(), file).recover()
    file.close()
    assert there in DepartedFile(tmp_path).found


def test_a_collection_that_was_never_ours_stays(ground: Any) -> None:
    """It bears the name of an upload; a sweep leaves it, as recovery does."""
    make(ground.folder, {MINE + "put-1": {"foreign": b"f"}})
    _swept(ground)
    assert ground.hidden() == [MINE + "put-1"]


def test_what_could_not_be_searched_is_searched_again(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For want of descriptors: the next start does it."""
    make(ground.folder, {"d": {MINE + "1": b"1"}})
    ground.database.has_lost_records = True

    def short(path: Any, *arguments: Any, **named: Any) -> int:
        if path == "d":
            raise OSError(errno.EMFILE, "Too many open files")
        return os.open(path, *arguments, **named)

    class System:
        open = staticmethod(short)
        scandir = staticmethod(os.scandir)

    with monkeypatch.context() as patched:
        patched.setattr("davkeep.trees.orphans.os", System)
        _swept(ground)
    assert ground.database.has_lost_records
    _swept(ground)
    assert not ground.database.has_lost_records
    assert ground.hidden() == []


def test_what_stays_is_tried_again_after_longer_pauses(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An immutable file does not keep the upkeep busy; what nobody may touch is let go."""
    make(ground.folder, {MINE + "1": {"x": b"1"}})
    ground.books.unfinished.leave(_effective(ground, "1", "a1"))

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    rounds = []
    with monkeypatch.context() as patched:
        patched.setattr("davkeep.trees.emptying.os.unlink", refused)
        for number in range(20):
            steps = ground.books.unfinished.begin_purging()
            rounds += [number] if steps is not None else []
            for _ in steps or ():
                pass
    assert rounds == [0, 2, 6, 14]
    assert len(ground.books.unfinished) == 1
    for _ in range(20):
        for _ in ground.books.unfinished.begin_purging() or ():
            pass
    assert len(ground.books.unfinished) == 0
    assert ground.hidden() == []
