"""A state that is full for a while: nothing is acted on later, and what is deleted is gone."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from davkeep.operations import Page
from davkeep.store.journal import Journal
from harness.dav import LOCK, make, multistatus, setting
from harness.disks import folder_in_memory
from harness.restarting import Restarting
from harness.trees import members
from harness.waiting import until

TREE = {"one": b"1", "sub": {"two": b"2"}}
LOCKINFO = LOCK.format(scope="exclusive").encode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Restarting]:
    """Two shares on two file systems; it is the test's to start."""
    with folder_in_memory() as memory:
        for folder in (tmp_path / "here", memory / "there"):
            folder.mkdir()
        shares = {"/": tmp_path / "here", "/there": memory / "there"}
        server = Restarting(tmp_path, shares)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _here(tmp_path: Path) -> Path:
    return tmp_path / "here"


def _colours(server: Restarting, path: str) -> list[str]:
    """The colour of a member and of everything below it, where there is one."""
    answer = server.wire.ask("PROPFIND", path, {"Depth": "infinity"})
    found = []
    for each in multistatus(answer).values():
        status, element = each.properties.get("{urn:x}color", (404, None))
        if status == 200 and element is not None:
            found.append(str(element.text))
    return sorted(found)


def _paint(server: Restarting, *paths: str) -> None:
    for path in paths:
        assert server.ask("PROPPATCH", path, setting(color=path)) == 207


def test_a_move_across_that_was_refused_is_not_done_later(
    server: Restarting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """507 at the effective point; then MKCOL of the destination, stop, start: the source stays."""
    make(_here(tmp_path) / "t", TREE)
    with monkeypatch.context() as patched:
        server.fill_before(patched, Page, "transfer")
        assert server.ask("MOVE", "/t", to="/there/t") == 507
    assert (_here(tmp_path) / "t/sub/two").read_bytes() == b"2"
    assert server.journal() == ["changing"]
    assert server.ask("MKCOL", "/there/t") == 507
    server.make_room()
    assert server.ask("MKCOL", "/there/t") == 201
    assert server.journal() == []
    server.restart()
    assert (_here(tmp_path) / "t/sub/two").read_bytes() == b"2"
    assert server.ask("PROPFIND", "/there/t", Depth="0") == 207


def test_a_move_that_was_refused_and_done_again_keeps_what_was_stored_since(
    server: Restarting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """507; room; the same MOVE 201; PROPPATCH, LOCK; stop; start: properties and lock stand."""
    make(_here(tmp_path) / "t", TREE)
    _paint(server, "/t", "/t/one")
    with monkeypatch.context() as patched:
        server.fill_before(patched, Page, "transfer")
        assert server.ask("MOVE", "/t", to="/d") == 507
    server.make_room()
    assert server.ask("MOVE", "/t", to="/d") == 201
    _paint(server, "/d/sub/two")
    assert server.ask("LOCK", "/d/one", LOCKINFO) == 200
    server.restart()
    assert _colours(server, "/d") == ["/d/sub/two", "/t", "/t/one"]
    assert server.ask("PUT", "/d/one", b"x") == 423


def test_what_is_due_is_written_by_itself(
    server: Restarting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as there is room, without any request."""
    make(_here(tmp_path) / "t", TREE)
    with monkeypatch.context() as patched:
        server.fill_before(patched, Page, "transfer")
        assert server.ask("COPY", "/t", to="/d") == 507
    assert server.journal() != []
    server.make_room()
    until(lambda: server.journal() == [], "the record is erased")


def test_an_end_that_cannot_be_erased_keeps_others_away_but_a_delete(
    server: Restarting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COPY over something is done; its record is due. Elsewhere everything goes on."""
    make(_here(tmp_path), {"t": TREE, "d": {"old": b"o"}, "other": TREE})
    with monkeypatch.context() as patched:
        server.fill_before(patched, Journal, "erase")
        assert server.ask("COPY", "/t", to="/d") == 204
    assert server.journal() == ["effective"]
    assert server.ask("MKCOL", "/d/new") == 507
    assert server.ask("MKCOL", "/other/new") == 201
    assert server.ask("GET", "/d/one") == 200
    assert server.ask("DELETE", "/d") == 204
    assert not (_here(tmp_path) / "d").exists()
    server.make_room()
    assert server.ask("MKCOL", "/d") == 201
    assert server.journal() == []
    server.restart()
    assert server.ask("PROPFIND", "/d", Depth="0") == 207


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_delete_makes_room_whatever_is_full(
    server: Restarting, tmp_path: Path, is_killed: bool
) -> None:
    """A tree with properties and locks goes; what is made there anew has neither, also when the
    process was killed before it could write that.
    """
    make(_here(tmp_path), {"t": TREE, "file": b"f"})
    _paint(server, "/t", "/t/sub/two", "/file")
    locked = server.wire.ask("LOCK", "/t/one", {}, LOCKINFO)
    token = locked.fields["Lock-Token"]
    server.fill()
    submitted = f"<{server.running.url}t/one> ({token})"
    assert server.ask("DELETE", "/t", If=submitted) == 204
    assert server.ask("DELETE", "/file") == 204
    assert members(_here(tmp_path)) == []
    # Nothing of it is in the way of anybody, and nothing new comes there yet.
    assert server.ask("MKCOL", "/t") == 507
    assert server.ask("PUT", "/file", b"new") == 507
    if is_killed:
        kept = tmp_path / "kept"
        shutil.copytree(server.state, kept)
        server.make_room()
        server.stop()
        shutil.rmtree(server.state)
        kept.rename(server.state)
        server.start()
    server.make_room()
    assert server.ask("MKCOL", "/t") == 201
    assert server.ask("PUT", "/t/one", b"new") == 201
    assert server.ask("MKCOL", "/t/sub") == 201
    assert server.ask("PUT", "/t/sub/two", b"new") == 201
    assert server.ask("PUT", "/file", b"new") == 201
    assert _colours(server, "/") == []
    server.restart()
    assert _colours(server, "/") == []


def test_a_delete_of_a_part_keeps_what_is_stored_about_the_rest(
    server: Restarting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be removed is named, and keeps properties and lock, whatever is full."""
    make(_here(tmp_path) / "t", TREE)
    _paint(server, "/t/one", "/t/sub/two")
    from davkeep.trees import emptying

    unlink = emptying.os.unlink

    def refused(name: str, *, dir_fd: int | None = None) -> None:
        if name == "two":
            raise PermissionError(1, "Operation not permitted")
        unlink(name, dir_fd=dir_fd)

    server.fill()
    with monkeypatch.context() as patched:
        patched.setattr(emptying.os, "unlink", refused)
        answer = server.wire.ask("DELETE", "/t")
    assert answer.status == 207
    assert list(multistatus(answer)) == ["/t/sub/two"]
    server.make_room()
    assert server.ask("PUT", "/t/one", b"new") == 201
    assert _colours(server, "/t") == ["/t/sub/two"]


def test_a_stale_lock_of_a_deleted_member_is_in_nobodys_way(
    server: Restarting, tmp_path: Path
) -> None:
    """Its row is still there; the collection above can be locked and deleted all the same."""
    make(_here(tmp_path) / "t", TREE)
    token = server.wire.ask("LOCK", "/t/one", {}, LOCKINFO).fields["Lock-Token"]
    server.fill()
    assert server.ask("DELETE", "/t/one", If=f"({token})") == 204
    assert server.ask("DELETE", "/t") == 204
    assert not (_here(tmp_path) / "t").exists()


def test_a_cancelled_delete_whose_return_cannot_be_noted(
    server: Restarting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tree comes back; so do its properties and locks, as soon as there is room."""
    make(_here(tmp_path) / "t", TREE)
    _paint(server, "/t", "/t/one")
    from davkeep.trees import remove

    def cancelled(*_: Any) -> Iterator[Any]:
        server.fill()
        yield from ()
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(remove, "purge_scanned", cancelled)
        assert server.ask("DELETE", "/t") == 500
    assert (_here(tmp_path) / "t/sub/two").exists()
    assert server.ask("MKCOL", "/t/new") == 507
    server.make_room()
    assert server.ask("MKCOL", "/t/new") == 201
    assert _colours(server, "/t") == ["/t", "/t/one"]
    server.restart()
    assert _colours(server, "/t") == ["/t", "/t/one"]
