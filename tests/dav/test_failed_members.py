"""Trees in which some members cannot be copied or removed (the promises, COPY and MOVE, DELETE)."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.dav import Place, failed, make, snapshot
from harness.trees import members

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, another user")

#: A name that has to be encoded, and how.
ODD, ODD_HREF = "q? 50%é", "q%3F%2050%25%C3%A9"

TREE = {
    "good": b"good",
    "closed": b"closed",
    "sub": {ODD: b"odd", "fine": b"fine", "shut": {"inside": b"inside"}},
}


@pytest.fixture
def mount() -> Iterator[Callable[..., Path]]:
    """``mount(folder, size="1m")`` puts a small file system on a new folder."""
    with ExitStack() as mounted:

        def new(folder: Path, options: str = "size=1m") -> Path:
            folder.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
            mounted.callback(subprocess.run, ["umount", "-l", folder], check=True)
            return folder

        yield new


@contextmanager
def immutable(*paths: Path) -> Iterator[None]:
    """Make files such that even root cannot remove them."""
    subprocess.run(["chattr", "+i", *paths], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *paths], check=True)


def make_unreadable(theirs: Place, give: Callable[..., Any]) -> None:
    """A tree whose ``closed``, odd name and ``shut`` its owner cannot read."""
    make(theirs.folder / "tree", TREE)
    give(theirs.folder)
    (theirs.folder / "tree/closed").chmod(0)
    (theirs.folder / "tree/sub" / ODD).chmod(0)
    (theirs.folder / "tree/sub/shut").chmod(0)


def unreadable(theirs: Place, root: str = "tree") -> dict[str, int]:
    """What the 207 of such a tree names."""
    names = ("closed", f"sub/{ODD_HREF}", "sub/shut")
    return {f"{theirs.url}{root}/{name}": 403 for name in names}


def test_copy_to_a_new_destination_names_what_failed_and_keeps_the_rest(
    theirs: Place, give: Callable[..., Any]
) -> None:
    """207 with the source's hrefs of exactly the unreadable members."""
    make_unreadable(theirs, give)
    assert failed(theirs.transfer("COPY", "tree", "new")) == unreadable(theirs)
    names = {str(path.relative_to(theirs.folder / "new")) for path in _below(theirs.folder / "new")}
    assert names == {"good", "sub", "sub/fine"}
    assert not theirs.server.staging()


def test_copy_over_an_existing_destination_swaps_nothing(
    theirs: Place, give: Callable[..., Any]
) -> None:
    """207 names the members, and source and destination stay as they were."""
    make(theirs.folder / "old", {"kept": b"kept"})
    make_unreadable(theirs, give)
    before = snapshot(theirs.folder)
    assert failed(theirs.transfer("COPY", "tree", "old")) == unreadable(theirs)
    after = snapshot(theirs.folder)
    above = os.fsencode(theirs.folder)
    # Staging came and went beside it, which is all that may be seen.
    assert after.pop(above)[0] == before.pop(above)[0]
    assert after == before
    assert not theirs.server.staging()


def test_copy_is_201_for_a_new_destination_and_204_over_an_existing_one(here: Place) -> None:
    """Files and collections, each over each."""
    make(here.folder, {"file": b"1", "tree": {"a": b"2"}})
    assert here.transfer("COPY", "file", "f").status == 201
    assert here.transfer("COPY", "file", "f").status == 204
    assert here.transfer("COPY", "tree", "t").status == 201
    assert here.transfer("COPY", "tree", "t").status == 204
    assert here.transfer("COPY", "tree", "f").status == 204
    assert here.transfer("COPY", "file", "t").status == 204
    assert (here.folder / "f/a").read_bytes() == b"2"
    assert (here.folder / "t").read_bytes() == b"1"


def test_a_file_that_cannot_be_read_is_a_plain_403(theirs: Place, give: Callable[..., Any]) -> None:
    """The request's own resource is never told in a 207."""
    make(theirs.folder, {"closed": b"x", "old": b"old"})
    give(theirs.folder)
    (theirs.folder / "closed").chmod(0)
    assert theirs.ask("GET", "closed").status == 403
    assert theirs.transfer("COPY", "closed", "new").status == 403
    assert theirs.transfer("COPY", "closed", "old").status == 403
    assert not (theirs.folder / "new").exists()
    assert (theirs.folder / "old").read_bytes() == b"old"
    assert not theirs.server.staging()


def test_properties_of_members_that_were_not_copied_do_not_wait_for_others(
    theirs: Place, give: Callable[..., Any]
) -> None:
    """A file that takes the name of a failed member later has no property of it."""
    make_unreadable(theirs, give)
    theirs.set("tree/closed", color="red")
    theirs.set("tree/good", color="blue")
    failed(theirs.transfer("COPY", "tree", "new"))
    assert theirs.dead("new/good") == {"color": "blue"}
    (theirs.folder / "new/closed").write_bytes(b"from elsewhere")
    assert theirs.dead("new/closed") == {}


def test_move_within_a_file_system_needs_no_reading(
    theirs: Place, give: Callable[..., Any]
) -> None:
    """One rename moves what cannot be read."""
    make_unreadable(theirs, give)
    make(theirs.folder / "old", {"gone": b""})
    give(theirs.folder / "old")
    assert theirs.transfer("MOVE", "tree", "new").status == 201
    assert theirs.transfer("MOVE", "new", "old").status == 204
    assert (theirs.folder / "old/good").read_bytes() == b"good"
    assert not (theirs.folder / "tree").exists()


@pytest.mark.parametrize("exists", [False, True])
def test_move_across_file_systems_with_failed_members_changes_nothing(
    theirs: Place, give: Callable[..., Any], mount: Callable[..., Path], exists: bool
) -> None:
    """207 names the source's members; source and destination stay whole."""
    other = mount(theirs.folder / "other", f"uid={os.stat(theirs.folder).st_uid}")
    make_unreadable(theirs, give)
    if exists:
        make(other / "tree", {"kept": b"kept"})
        give(other / "tree")
    before = snapshot(theirs.folder)
    assert failed(theirs.transfer("MOVE", "tree", "other/tree")) == unreadable(theirs)
    after = snapshot(theirs.folder)
    for above in (os.fsencode(theirs.folder), os.fsencode(other)):
        assert after.pop(above)[0] == before.pop(above)[0]
    assert after == before
    assert not theirs.server.staging()


def test_fifos_are_copied_and_devices_that_may_not_be_made_are_named_at_the_destination(
    theirs: Place, give: Callable[..., Any]
) -> None:
    """The 207 names the side on which it failed."""
    make(theirs.folder / "tree", {"file": b"1"})
    os.mkfifo(theirs.folder / "tree/fifo")
    os.mknod(theirs.folder / "tree/null", 0o20666, os.makedev(1, 3))
    give(theirs.folder)
    assert failed(theirs.transfer("COPY", "tree", "new")) == {f"{theirs.url}new/null": 403}
    assert (theirs.folder / "new/fifo").is_fifo()
    assert theirs.ask("GET", "tree/fifo").status == 403
    assert theirs.ask("PUT", "tree/fifo", {}, b"x").status == 403
    assert theirs.ask("DELETE", "tree").status == 204


def test_fifos_and_devices_are_copied_where_permitted(here: Place) -> None:
    """Nothing is dropped silently."""
    make(here.folder / "tree", {})
    os.mkfifo(here.folder / "tree/fifo", 0o640)
    os.mknod(here.folder / "tree/null", 0o20666, os.makedev(1, 3))
    assert here.transfer("COPY", "tree", "new").status == 201
    assert (here.folder / "new/fifo").is_fifo()
    assert os.stat(here.folder / "new/null").st_rdev == os.makedev(1, 3)


def test_delete_removes_all_but_what_cannot_be_removed_and_names_that(here: Place) -> None:
    """207 names the members that stay, not the collections that stay because of them."""
    make(here.folder / "tree", TREE)
    here.set("tree/good", color="red")
    here.set(f"tree/sub/{ODD_HREF}", color="blue")
    with immutable(here.folder / "tree/closed", here.folder / "tree/sub" / ODD):
        assert failed(here.ask("DELETE", "tree")) == {
            f"{here.url}tree/closed": 403,
            f"{here.url}tree/sub/{ODD_HREF}": 403,
        }
        left = {path.name for path in _below(here.folder / "tree")}
        assert left == {"closed", "sub", ODD}
        assert here.dead(f"tree/sub/{ODD_HREF}") == {"color": "blue"}
        (here.folder / "tree/good").write_bytes(b"another")
        assert here.dead("tree/good") == {}
        assert here.ask("DELETE", "tree/closed").status == 403
    assert here.ask("DELETE", "tree").status == 204
    assert not here.server.staging()


def test_delete_in_a_directory_that_may_not_be_changed_names_its_members(
    theirs: Place, give: Callable[..., Any]
) -> None:
    """A directory of mode 0555 keeps its members; the rest goes."""
    make(theirs.folder / "tree", {"a": b"", "ro": {"b": b"", "c": {"d": b""}}, "z": {"y": b""}})
    give(theirs.folder)
    (theirs.folder / "tree/ro").chmod(0o555)
    # Its member c can be emptied, but does not go itself.
    assert failed(theirs.ask("DELETE", "tree")) == {
        f"{theirs.url}tree/ro/b": 403,
        f"{theirs.url}tree/ro/c": 403,
    }
    assert {path.name for path in _below(theirs.folder / "tree")} == {"ro", "b", "c"}


def test_members_that_belong_to_somebody_else(theirs: Place, give: Callable[..., Any]) -> None:
    """What is readable is copied; what only its owner may remove stays with all its names."""
    make(theirs.folder / "tree", {"mine": b"1", "sub": {"mine": b"2"}, "foreign": {"file": b"3"}})
    make(theirs.folder / "shared", {"mine": b"4", "foreign": b"5"})
    give(theirs.folder)
    for foreign in ("tree/foreign", "tree/foreign/file", "shared", "shared/foreign"):
        os.chown(theirs.folder / foreign, 0, 0)
    (theirs.folder / "shared").chmod(0o1777)
    before = snapshot(theirs.folder)
    assert theirs.transfer("COPY", "tree", "copy").status == 201
    assert (theirs.folder / "copy/foreign/file").read_bytes() == b"3"
    assert theirs.ask("DELETE", "copy").status == 204
    # To give a directory another parent is to write it, which only its owner may.
    assert theirs.transfer("MOVE", "tree/foreign", "moved").status == 403
    assert theirs.transfer("MOVE", "shared/foreign", "moved").status == 403
    assert theirs.ask("DELETE", "shared/foreign").status == 403
    after = snapshot(theirs.folder)
    above = os.fsencode(theirs.folder)
    assert after.pop(above)[0] == before.pop(above)[0]
    assert after == before
    assert failed(theirs.ask("DELETE", "tree")) == {f"{theirs.url}tree/foreign/file": 403}
    assert {path.name for path in _below(theirs.folder / "tree")} == {"foreign", "file"}
    assert failed(theirs.ask("DELETE", "shared")) == {f"{theirs.url}shared/foreign": 403}


def test_delete_and_overwriting_of_a_tree_with_a_mount_point_are_403(
    here: Place, mount: Callable[..., Path]
) -> None:
    """Nothing is changed."""
    make(here.folder, {"tree": {"a": b"1"}, "new": {"b": b"2"}})
    (mount(here.folder / "tree/mounted") / "inside").write_bytes(b"3")
    before = snapshot(here.folder)
    assert here.ask("DELETE", "tree").status == 403
    assert here.transfer("COPY", "new", "tree").status == 403
    assert here.transfer("MOVE", "new", "tree").status == 403
    assert snapshot(here.folder) == before


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_full_destination_is_507_and_nothing_has_changed(
    here: Place, mount: Callable[..., Path], method: str, exists: bool
) -> None:
    """No partial destination, no staging, the old one whole, and no descriptor is kept."""
    small = mount(here.folder / "small")
    make(here.folder / "tree", {"a": b"1", "big": os.urandom(2_000_000), "sub": {"b": b"2"}})
    if exists:
        make(small / "tree", {"kept": b"kept"})
    here.set("tree/a", color="red")
    before, descriptors = snapshot(here.folder), here.server.descriptors
    answer = here.transfer(method, "tree", "small/tree")
    assert answer.status == 507
    assert str(here.folder).encode() not in answer.body
    after = snapshot(here.folder)
    for above in (os.fsencode(small), os.fsencode(here.folder)):
        assert after.pop(above)[0] == before.pop(above)[0]
    assert after == before
    assert here.dead("tree/a") == {"color": "red"}
    assert not here.server.staging()
    assert here.server.descriptors == descriptors


def test_put_on_a_full_file_system_is_507_and_keeps_the_old_content(
    here: Place, mount: Callable[..., Path]
) -> None:
    """As with a new name; afterwards there is room for something smaller."""
    small = mount(here.folder / "small")
    (small / "file").write_bytes(b"old")
    content = os.urandom(1_500_000)
    assert here.ask("PUT", "small/file", {}, content).status == 507
    with here.server_wire() as wire:
        here.wire = wire
        assert here.ask("PUT", "small/new", {}, content).status == 507
    with here.server_wire() as wire:
        here.wire = wire
        assert sorted(members(small)) == ["file"]
        assert here.ask("GET", "small/file").body == b"old"
        assert here.ask("PUT", "small/new", {}, b"x" * 100_000).status == 201


def test_no_inode_left_is_507_for_mkcol_and_for_the_file_of_a_lock(
    here: Place, mount: Callable[..., Path]
) -> None:
    """A lock whose file could not be made does not stay."""
    small = mount(here.folder / "small", "nr_inodes=1")
    assert here.ask("MKCOL", "small/new").status == 507
    assert here.lock_answer("small/new").status == 507
    assert members(small) == []
    subprocess.run(["mount", "-o", "remount,nr_inodes=100", small], check=True)
    assert here.ask("PUT", "small/new", {}, b"x").status == 201


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
