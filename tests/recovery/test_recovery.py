"""What a start makes of what a crash left, where killing a server at random does not come by."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from davkeep.app import make_site, recover
from davkeep.operations import Operation, Page, State
from davkeep.operations.stored import ShareAbsentError
from davkeep.settings.load import load
from davkeep.store.record import Stage
from davkeep.trees import remains, traces
from davkeep.trees.changes import KINDS, HideTree, MoveAcross, Rename, Standing, SwapIn
from davkeep.trees.copy import copy
from davkeep.trees.place import place_at
from davkeep.trees.remove import remove
from davkeep.trees.steps import Control
from davkeep.trees.traces import Inode, Names
from harness.dav import make
from harness.disks import folder_in_memory
from harness.restarting import Restarting
from harness.waiting import until

TREE = {"a": {"f": b"1", "s": {"g": b"2"}}, "b": {"old": b"3"}}


def _stop_before(control: Any, call: str) -> None:
    """Let the engine be killed when it tells its witness so."""

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    setattr(control.witness, call, killed)


def _renamed(ground: Any, old: str, new: str) -> None:
    (ground.folder / old).rename(ground.folder / new)


def _changing(ground: Any, method: str, kind: str, *names: str, **more: Any) -> Any:
    """Write the record that stands when names are about to change; return the control."""
    page, control = ground.page(method, *names)
    known = {
        name: Inode.of(what) if isinstance(what, os.stat_result) else what
        for name, what in more.items()
    }
    page.changing(KINDS[kind](**known))
    return control


def _status(ground: Any, name: str) -> os.stat_result:
    return (ground.folder / name).lstat()


def test_an_operation_keeps_its_id_and_owner(tmp_path: Path, ground: Any) -> None:
    """The registry of the next process shows it, with what stands, to its owner alone."""
    make(ground.folder, TREE)
    ground.identify()
    page, control = ground.page("COPY", "a", "c")
    page.staging()
    (ground.folder / control.staging_name).mkdir()
    ground.opened.close()
    (ground.state / "instance").write_text("abcd")
    config = tmp_path / "davkeep.yaml"
    block = {"state": str(ground.state)}
    mapping = {"/": str(ground.folder)}
    config.write_text(yaml.safe_dump({"provider_mapping": mapping, "davkeep": block}))
    with ExitStack() as opened:
        site = make_site(load(str(config)), opened)
        recover(site, opened).start(site.upkeep)
        (found,) = site.registry.visible(lambda account: account[0] == "ann")
        assert site.registry.visible(lambda account: account[0] == "bob") == []
        assert found.id in control.staging_name
        assert (found.method, found.source, found.destination) == ("COPY", "/a", "/c")
        assert found.state is State.INTERRUPTED
        assert found.outcome is not None
        assert "Nothing that a reader sees was changed" in found.outcome.explanation


def test_an_absent_share_keeps_its_records(ground: Any, caplog: Any) -> None:
    """An empty mount point changes nothing; once the share is back, the removal is completed."""
    make(ground.folder, TREE)
    ground.mark("a", "b")
    control = _changing(ground, "DELETE", "remove", "a", old=_status(ground, "a"))
    _renamed(ground, "a", control.staging_name)
    elsewhere = ground.folder.with_name("unmounted")
    ground.folder.rename(elsewhere)
    ground.folder.mkdir()
    (found,) = ground.recover()
    assert found.state is State.INTERRUPTED
    assert "The share is not there" in caplog.text
    assert ground.marks() == {"a": "a", "b": "b"}
    ground.folder.rmdir()
    elsewhere.rename(ground.folder)
    (found,) = ground.recover()
    assert found.state is State.SUCCEEDED
    assert ground.hidden() == []
    assert ground.marks() == {"b": "b"}
    assert ground.recover() == []


@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_cancelled_removal_is_brought_back(ground: Any, is_renamed: bool) -> None:
    """Killed while it brings back what is left, before or after the rename: it is all there."""
    make(ground.folder, TREE)
    ground.mark("a", "a/f", "a/s/g")
    lock = ground.lock("a/f")
    control = _changing(ground, "DELETE", "remove", "a", old=_status(ground, "a"))
    _renamed(ground, "a", control.staging_name)
    page = control.witness
    page.removal(ground.path(control.staging_name), None)
    assert ground.stored.locks.find(lock.token) is None
    shutil.rmtree(ground.folder / control.staging_name / "s")
    page.returning()
    if is_renamed:
        _renamed(ground, control.staging_name, "a")
    (found,) = ground.recover()
    assert found.state is State.INTERRUPTED
    assert ground.marks() == {"a": "a", "a/f": "a/f"}
    assert ground.stored.locks.find(lock.token) == lock
    assert sorted(os.listdir(ground.folder)) == ["a", "b"]
    assert ground.recover() == []


def test_a_cancelled_removal_whose_name_was_taken(ground: Any) -> None:
    """What somebody else has made there stays, with nothing of the old one's properties."""
    make(ground.folder, TREE)
    ground.mark("a", "a/f")
    control = _changing(ground, "DELETE", "remove", "a", old=_status(ground, "a"))
    _renamed(ground, "a", control.staging_name)
    control.witness.removal(ground.path(control.staging_name), None)
    control.witness.returning()
    make(ground.folder, {"a": {"new": b"n"}})
    ground.recover()
    assert os.listdir(ground.folder / "a") == ["new"]
    assert ground.hidden() == []
    assert ground.marks() == {}


def test_a_name_made_anew_keeps_what_is_stored_about_it(ground: Any) -> None:
    """A DELETE that was answered early is purged; its name may be somebody else's by then."""
    make(ground.folder, TREE)
    ground.mark("a", "a/f")
    control = _changing(ground, "DELETE", "remove", "a", old=_status(ground, "a"))
    _renamed(ground, "a", control.staging_name)
    control.witness.removal(ground.path(control.staging_name), None)
    make(ground.folder, {"a": {"new": b"n"}})
    ground.mark("a/new")
    lock = ground.lock("a/new")
    (found,) = ground.recover()
    assert found.state is State.SUCCEEDED
    assert ground.hidden() == []
    assert ground.marks() == {"a/new": "a/new"}
    assert ground.stored.locks.find(lock.token) == lock


def test_a_removal_member_by_member(ground: Any) -> None:
    """What is gone loses what is stored about it; what is there keeps it."""
    make(ground.folder, TREE)
    ground.mark("a", "a/f", "a/s/g")
    _changing(ground, "DELETE", "members", "a", old=_status(ground, "a"))
    (ground.folder / "a/f").unlink()
    (found,) = ground.recover()
    assert found.state is State.INTERRUPTED
    assert ground.marks() == {"a": "a", "a/s/g": "a/s/g"}
    assert ground.recover() == []


def test_what_cannot_be_told_is_left_alone(ground: Any) -> None:
    """Both names hold what the record does not know: nothing is touched, then or later."""
    make(ground.folder, TREE | {"c": {}})
    ground.mark("a", "b")
    control = _changing(
        ground, "COPY", "swap", "a", "b", new=_status(ground, "c"), old=_status(ground, "b")
    )
    # Out of the share rather than gone, so that their numbers are not used again.
    for name in ("b", "c"):
        (ground.folder / name).rename(ground.folder.with_name(name))
    make(ground.folder, {control.staging_name: {"x": b"x"}, "b": {}})
    before = ground.look()
    for _ in range(2):
        (found,) = ground.recover()
        assert found.state is State.INTERRUPTED
        assert "cannot be told" in str(found.outcome)
        assert ground.look() == before
        assert ground.marks() == {"a": "a", "b": "b"}


def test_a_source_that_was_replaced_stays(ground: Any) -> None:
    """A MOVE across file systems had swapped; what is at its source's name now is another's."""
    make(ground.folder, TREE | {"copied": {"f": b"1"}})
    source = _status(ground, "a")
    _changing(ground, "MOVE", "across", "a", "copied", new=_status(ground, "copied"), source=source)
    (ground.folder / "a").rename(ground.folder.with_name("a"))
    make(ground.folder, {"a": {"mine": b"m"}})
    (found,) = ground.recover()
    assert found.state is State.INTERRUPTED
    assert "the source was replaced" in str(found.outcome)
    assert os.listdir(ground.folder / "a") == ["mine"]


def test_a_source_that_cannot_be_hidden(ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the source's file system renames no directory (overlayfs), it goes where it stands."""

    def refused(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    make(ground.folder, TREE | {"copied": {"f": b"1"}})
    ground.mark("a", "a/f", "b")
    source = _status(ground, "a")
    _changing(ground, "MOVE", "across", "a", "copied", new=_status(ground, "copied"), source=source)
    monkeypatch.setattr(remains, "rename_noreplace", refused)
    (found,) = ground.recover()
    assert found.state is State.SUCCEEDED
    assert sorted(os.listdir(ground.folder)) == ["b", "copied"]
    assert ground.marks() == {"copied": "a", "copied/f": "a/f", "b": "b"}


def test_uploads_are_found_by_their_names(ground: Any, caplog: Any) -> None:
    """Staged files of this instance go, those of another stay, and so does what is no upload."""
    mine, other = ".davkeep-abcd-put-1", ".davkeep-ef01-put-1"
    make(ground.folder, {"d": {mine: b"1", other: b"2", ".davkeep-abcd-put-2": {"x": b"3"}}})
    ground.journal.begin_upload(ground.path("d"))
    assert ground.recover() == []
    assert ground.hidden() == [".davkeep-abcd-put-2", other]
    assert "a collection is hidden as .davkeep-abcd-put-2" in caplog.text
    assert ground.journal.folders() == []


def test_a_lock_on_nothing_ends(ground: Any) -> None:
    """LOCK of a new URL was killed between its lock and its file; other locks stay."""
    make(ground.folder, TREE)
    kept = ground.lock("a/f")
    orphan = ground.lock("a/new")
    ground.journal.begin_upload(ground.path("a"))
    ground.recover()
    assert ground.stored.locks.find(orphan.token) is None
    assert ground.stored.locks.find(kept.token) == kept


def test_folders_of_an_absent_share_are_kept(ground: Any) -> None:
    """Uploads to it are looked for when it is back."""
    make(ground.folder, {"d": {".davkeep-abcd-put-1": b"1"}})
    ground.journal.begin_upload(ground.path("d"))
    elsewhere = ground.folder.with_name("unmounted")
    ground.folder.rename(elsewhere)
    ground.folder.mkdir()
    ground.recover()
    ground.folder.rmdir()
    elsewhere.rename(ground.folder)
    assert ground.hidden()
    ground.recover()
    assert not ground.hidden()


def test_a_tree_that_moves_takes_along_what_is_hidden_in_it(ground: Any) -> None:
    """A purge goes on in a collection that is moved meanwhile; killed then, recovery finds it."""
    make(ground.folder, {"top": {"a": {"f": b"1"}, "d": {}}})
    control = _changing(ground, "DELETE", "remove", "top/a", old=_status(ground, "top/a"))
    hidden = f"top/{control.staging_name}"
    _renamed(ground, "top/a", hidden)
    control.witness.removal(ground.path(hidden), None)
    make(ground.folder / "top/d", {".davkeep-abcd-put-1": b"1"})
    ground.journal.begin_upload(ground.path("top/d"))
    mover = _changing(ground, "MOVE", "rename", "top", "moved", new=_status(ground, "top"))
    _renamed(ground, "top", "moved")
    mover.witness.transfer(None, is_move=True)
    assert len(ground.hidden()) == 2
    ground.recover()
    assert ground.hidden() == []
    assert ground.journal.records().records == []


def test_a_refused_removal_of_what_is_hidden_is_tried_again(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record stays as long as something hidden does."""
    make(ground.folder, TREE)
    control = _changing(ground, "DELETE", "remove", "a", old=_status(ground, "a"))
    _renamed(ground, "a", control.staging_name)

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr("davkeep.trees.emptying.os.unlink", refused)
        (found,) = ground.recover()
    assert found.state is State.SUCCEEDED
    assert ground.hidden()
    ground.recover()
    assert not ground.hidden()


def test_a_refused_step_is_left_to_the_next_start(
    ground: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """EIO while one operation is settled keeps its record, and the others are settled."""
    make(ground.folder, TREE)
    ground.mark("a", "b")
    for name in ("a", "b"):
        control = _changing(ground, "DELETE", "remove", name, old=_status(ground, name))
        _renamed(ground, name, control.staging_name)
    real = HideTree.look

    def broken(change: Any, names: Any) -> Any:
        if names.source[1] == "a":
            raise OSError(5, "Input/output error")
        return real(change, names)

    with monkeypatch.context() as patched:
        patched.setattr(HideTree, "look", broken)
        states = {each.source: each.state for each in ground.recover()}
    assert states == {"/a": State.INTERRUPTED, "/b": State.SUCCEEDED}
    assert "cannot be settled" in caplog.text
    assert ground.marks() == {"a": "a"}
    (found,) = ground.recover()
    assert found.state is State.SUCCEEDED
    assert ground.marks() == {}
    assert ground.hidden() == []


def test_the_outcome_of_a_copy_with_failed_members(ground: Any) -> None:
    """A 207 that nobody was told of is kept; its members have no properties."""
    make(ground.folder, TREE | {"new": {"f": b"1"}})
    ground.mark("a/f", "a/s/g")
    _changing(ground, "COPY", "swap", "a", "new", new=_status(ground, "new"), lacks_members=True)
    (found,) = ground.recover()
    assert found.state is State.INTERRUPTED
    assert "members that failed" in str(found.outcome)
    assert ground.marks() == {"a/f": "a/f", "a/s/g": "a/s/g", "new/f": "a/f"}


def test_the_engine_tells_before_it_changes_anything(ground: Any) -> None:
    """A witness that raises keeps COPY and DELETE from changing a name."""
    make(ground.folder, TREE)
    before = ground.look()
    for work, names in ((copy, ("a", "b")), (remove, ("a",))):
        _, control = ground.page("COPY" if work is copy else "DELETE", *names)
        _stop_before(control, "changing")
        entries = [ground.entry(name) for name in names]
        options = {"overwrite": True} if work is copy else {}
        with pytest.raises(BaseException, match=r"^$"):
            for _ in work(*entries, control, **options):
                pass
        assert ground.look() == before


def test_what_is_neither_old_nor_new_is_unknown(ground: Any) -> None:
    """Taken names alone decide nothing; a free one that was free before does."""
    fd = os.open(ground.folder, os.O_RDONLY)
    new, old = Inode("0", 0o755), Inode("00", 0o755)
    names = Names("staged", (fd, "a"), (fd, "b"))
    try:
        assert SwapIn(new).look(names) is Standing.BEFORE
        assert SwapIn(new, old).look(names) is Standing.UNKNOWN
        assert Rename(new).look(names) is Standing.UNKNOWN
        make(ground.folder, {"b": {}, "staged": {}})
        for change in (
            SwapIn(new),
            SwapIn(new, old),
            Rename(new),
            MoveAcross(new, old, source=new),
        ):
            assert change.look(names) is Standing.UNKNOWN
        make(ground.folder, {"a": {}})
        assert Rename(new).look(names) is Standing.UNKNOWN
        assert HideTree(old).look(names) is Standing.UNKNOWN
        # One number on two file systems says nothing of a rename.
        here, there = (Inode.of(_status(ground, name)) for name in "ab")
        assert Rename(here, Inode(here.number, 0)).look(names) is Standing.UNKNOWN
        twice = Names("staged", (fd, "b"), (fd, "b"))
        assert Rename(there, there).look(twice) is Standing.BEFORE
        _renamed(ground, "staged", "staged.old")
        assert Rename(new, old).look(names) is Standing.UNKNOWN
    finally:
        os.close(fd)


@pytest.mark.parametrize(("now", "expected"), [(0o755, 0o555), (0o700, 0o700), (0o555, 0o555)])
def test_a_mode_that_was_lent_is_taken_back(ground: Any, now: int, expected: int) -> None:
    """Only u+w of a directory, which it gets for the moment of a rename."""
    make(ground.folder, {"d": {}})
    (ground.folder / "d").chmod(now)
    fd = os.open(ground.folder, os.O_RDONLY)
    remains.restore_mode((fd, "d"), str(_status(ground, "d").st_ino), 0o555)
    os.close(fd)
    assert _status(ground, "d").st_mode & 0o777 == expected


def test_a_case_of_one_inode(ground: Any) -> None:
    """A MOVE of one hard link onto another: the source's name is gone, its properties moved."""
    make(ground.folder, {"x": b"1"})
    os.link(ground.folder / "x", ground.folder / "y")
    ground.mark("x", "y")
    _changing(ground, "MOVE", "itself", "x", "y", inode=_status(ground, "x"))
    (ground.folder / "x").unlink()
    (found,) = ground.recover()
    assert found.state is State.SUCCEEDED
    assert ground.marks() == {"y": "x"}


def test_no_link_is_followed_to_a_recorded_path(ground: Any, tmp_path: Path) -> None:
    """A directory that became a link to another place is not what the record knows."""
    make(ground.folder, {"d": {"a": {"f": b"1"}}})
    make(tmp_path / "outside", {})
    control = _changing(ground, "DELETE", "remove", "d/a", old=_status(ground, "d/a"))
    make(tmp_path / "outside", {control.staging_name: {"precious": b"p"}})
    shutil.rmtree(ground.folder / "d")
    (ground.folder / "d").symlink_to(tmp_path / "outside")
    (found,) = ground.recover()
    assert found.state is State.INTERRUPTED
    assert (tmp_path / "outside" / control.staging_name / "precious").exists()


def test_a_record_comes_back_as_it_was_written(ground: Any) -> None:
    """Whatever bytes the names in it hold, with the locks that ended."""
    name = os.fsdecode(b"\xff\n\xc3\xa9")
    make(ground.folder, {name: {"f": b"1"}})
    lock = ground.lock(f"{name}/f")
    control = _changing(ground, "DELETE", "remove", name, old=_status(ground, name))
    control.witness.removal(ground.path(control.staging_name), None)
    ((record,), _) = ground.journal.records()
    assert record.stage is Stage.EFFECTIVE
    assert os.fsencode(record.source.path) == ground.path(name)
    assert record.ended == (lock,)


@pytest.fixture
def across(ground: Any) -> Iterator[Any]:
    """A MOVE of a tree to another disk that was cut off; what each disk then shows is the test's.

    Gives the control and the destination's folder.
    """
    with folder_in_memory() as memory:
        make(ground.folder, TREE)
        ground.mark("a", "a/f")
        source = ground.entry("a")
        share = ground.serve(memory)
        destination = ground.opened.enter_context(share.entry(["t"], follow_last=False))
        operation = Operation(
            owner="ann", method="MOVE", source="/a", destination="/there/t", created=1.0
        )
        control = Control(f".davkeep-{ground.instance}-{operation.id}")
        page = Page(ground.books, operation, control.staging_name, source, destination)
        staged = memory / control.staging_name
        shutil.copytree(ground.folder / "a", staged)
        inodes = [Inode.of(path.stat()) for path in (staged, ground.folder / "a")]
        page.changing(MoveAcross(inodes[0], None, source=inodes[1]))
        yield control, memory


def test_a_source_that_is_the_only_copy_comes_back(ground: Any, across: Any) -> None:
    """The destination's disk lost the rename, the source's kept its own: nothing is lost."""
    control, memory = across
    shutil.rmtree(memory / control.staging_name)
    _renamed(ground, "a", control.staging_name + ".gone")
    (found,) = ground.recover()
    assert found.state is State.INTERRUPTED
    assert (ground.folder / "a/s/g").read_bytes() == b"2"
    assert ground.marks() == {"a": "a", "a/f": "a/f"}
    assert ground.hidden() == []
    assert os.listdir(memory) == []


def test_a_source_comes_back_also_where_the_destination_is_unknown(
    ground: Any, across: Any
) -> None:
    """Somebody else has taken the destination's name; that stays, and so does what is staged."""
    control, memory = across
    _renamed(ground, "a", control.staging_name + ".gone")
    make(memory, {"t": {"mine": b"m"}})
    for _ in range(2):
        (found,) = ground.recover()
        assert "cannot be told" in str(found.outcome)
        assert (ground.folder / "a/s/g").read_bytes() == b"2"
        assert ground.marks() == {"a": "a", "a/f": "a/f"}
        assert sorted(os.listdir(memory)) == sorted([control.staging_name, "t"])
        assert os.listdir(memory / "t") == ["mine"]


def test_the_source_goes_only_after_the_destination_is_on_its_disk(
    ground: Any, across: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery keeps to that order as well: a destination that cannot be flushed hides nothing."""
    control, memory = across
    (memory / control.staging_name).rename(memory / "t")

    def refused(fd: int) -> None:
        assert os.readlink(f"/proc/self/fd/{fd}") == str(memory)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(traces, "flush_directory", refused)
        (found,) = ground.recover()
        assert found.state is State.INTERRUPTED
        assert (ground.folder / "a/s/g").exists()
    (found,) = ground.recover()
    assert found.state is State.SUCCEEDED
    assert not (ground.folder / "a").exists()
    assert (memory / "t/s/g").read_bytes() == b"2"
    assert set(ground.marks().values()) == {"a", "a/f"}


def test_a_share_that_comes_back_is_settled_before_anything_is_admitted(ground: Any) -> None:
    """Without a restart: what is wanted on its trees is refused until the record is dealt with."""
    make(ground.folder, TREE)
    ground.mark("a", "b")
    control = _changing(ground, "DELETE", "remove", "a", old=_status(ground, "a"))
    _renamed(ground, "a", control.staging_name)
    elsewhere = ground.folder.with_name("unmounted")
    ground.folder.rename(elsewhere)
    ground.folder.mkdir()
    ground.recover()
    place = place_at(os.fsdecode(ground.path("a")))
    with pytest.raises(ShareAbsentError):
        ground.books.debts.require([place])
    ground.folder.rmdir()
    elsewhere.rename(ground.folder)
    ground.books.debts.require([place_at(os.fsdecode(ground.path("b")))])
    assert len(ground.books.debts) == 1
    ground.books.debts.require([place_at(os.fsdecode(ground.path("a")))])
    assert len(ground.books.debts) == 0
    assert ground.marks().keys() >= {"b"}
    for _ in ground.books.unfinished.begin_purging():
        pass
    assert ground.hidden() == []
    assert ground.marks() == {"b": "b"}


def test_a_record_that_cannot_be_read_keeps_what_is_hidden_under_its_name(
    ground: Any, caplog: Any
) -> None:
    """Other operations are recovered, and nothing of this one is touched."""
    make(ground.folder, TREE)
    ground.mark("a", "b")
    controls = []
    for name in ("a", "b"):
        controls.append(_changing(ground, "DELETE", "remove", name, old=_status(ground, name)))
        _renamed(ground, name, controls[-1].staging_name)
    broken = controls[0].staging_name.rpartition("-")[2]
    with ground.database.transaction() as connection:
        connection.execute("UPDATE journal SET record = '{' WHERE id = ?", (broken,))
    (found,) = ground.recover()
    assert found.source == "/b"
    assert broken in caplog.text
    assert ground.hidden() == [controls[0].staging_name]
    assert ground.marks() == {"a": "a"}


def test_what_could_not_be_removed_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staging left for want of descriptors goes without a restart, and its record with it."""
    (tmp_path / "here").mkdir()
    make(tmp_path / "here", TREE)
    server = Restarting(tmp_path, {"/": tmp_path / "here"})
    server.start()
    try:

        def refused(*_: Any, **__: Any) -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patched:
            patched.setattr("davkeep.trees.emptying.os.scandir", refused)
            assert server.ask("COPY", "/a", to="/b") in (204, 503)
        until(lambda: not list((tmp_path / "here").glob(".davkeep-*")), "nothing is hidden")
        until(lambda: server.journal() == [], "no record is left")
    finally:
        server.stop()
