"""A share keeps its locks, properties and uploads wherever its root is, and no other gets them."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from state.sites import NOTHING, Site, all_of

from davkeep.trees.marker import MARKER
from harness.disks import bound, folder_in_memory


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A folder on another file system."""
    with folder_in_memory() as folder:
        yield folder


def hidden(folder: Path) -> list[str]:
    """What lies in a folder out of sight, besides its marker."""
    return [each.name for each in folder.rglob(".davkeep*") if each.name != MARKER]


def _renamed(one: Path, _: Path) -> Path:
    new = one.with_name("new")
    one.rename(new)
    return new


def _linked(one: Path, _: Path) -> Path:
    one.symlink_to(_renamed(one, one))
    return one


def _copied_to_another_disk(one: Path, disk: Path) -> Path:
    subprocess.run(["cp", "-a", str(one), str(disk / "new")], check=True)
    shutil.rmtree(one)
    return disk / "new"


def _copied_then_linked(one: Path, disk: Path) -> Path:
    one.symlink_to(_copied_to_another_disk(one, disk))
    return one


def _left(one: Path, _: Path) -> Path:
    return one


MOVES = [_left, _renamed, _linked, _copied_to_another_disk, _copied_then_linked]


@pytest.mark.parametrize("move", MOVES)
def test_a_root_that_moves(
    site: Site, one: Path, other_disk: Path, move: Callable[[Path, Path], Path]
) -> None:
    """By a rename, to another disk, behind a link: it is the same share."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    root = move(one, other_disk)
    with site.serving({"/s": root}) as marked:
        assert marked.seen("/s") == all_of("/s")
        marked.finish("/s")
    assert hidden(root) == []


def test_a_root_that_is_mounted_elsewhere(site: Site, one: Path, tmp_path: Path) -> None:
    """It is the same directory, and so the same share."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    with bound(one, tmp_path / "bound") as root, site.serving({"/s": root}) as marked:
        assert marked.seen("/s") == all_of("/s")
        marked.finish("/s")
    with site.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s") | {"upload": None}


def test_another_url(site: Site, one: Path) -> None:
    """What is stored is the folder's, and not that of its URL."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    with site.serving({"/t": one}) as marked:
        assert marked.seen("/t") == all_of("/s")


def test_shares_that_are_added_and_removed(site: Site, one: Path, tmp_path: Path) -> None:
    """The default state does not depend on them either: see `test_moving_in`."""
    two = tmp_path / "two"
    two.mkdir()
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    with site.serving({"/s": one, "/t": two}) as marked:
        assert (marked.seen("/s"), marked.color("/t/")) == (all_of("/s"), None)
        marked.mark("/t")
    with site.serving({"/t": two}) as marked:
        assert marked.seen("/t") == all_of("/t")
    assert f"which was at {one}, is not served; what is stored about it is kept" in site.log
    with site.serving({"/s": one, "/t": two}) as marked:
        assert marked.seen("/s") == all_of("/s")
        assert marked.seen("/t") == all_of("/t")
        marked.finish("/s")
        marked.finish("/t")
    assert hidden(one) + hidden(two) == []


def test_roots_that_change_places(site: Site, one: Path, tmp_path: Path) -> None:
    """Each takes its own along."""
    two = tmp_path / "two"
    two.mkdir()
    with site.serving({"/s": one, "/t": two}) as marked:
        marked.mark("/s")
        marked.mark("/t")
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    with site.serving({"/s": one, "/t": two}) as marked:
        assert marked.seen("/s") == all_of("/t")
        assert marked.seen("/t") == all_of("/s")


def test_a_copy_is_refused_by_name(site: Site, one: Path, tmp_path: Path) -> None:
    """With the first, or in its place; without its marker it is a share of its own."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(one), str(copy)], check=True)
    for shares in ({"/s": one, "/t": copy}, {"/t": copy}):
        refusal = site.refusal(shares)
        assert f"it is marked as the share that {one} is, as a copy of that is" in refusal
        assert f"provider_mapping./t: {copy}: " in refusal
    (copy / MARKER).unlink()
    with site.serving({"/s": one, "/t": copy}) as marked:
        assert marked.seen("/t") == NOTHING
        assert marked.seen("/s") == all_of("/s")


def test_another_folder_in_its_place(site: Site, one: Path) -> None:
    """It inherits nothing, and is not taken for a new share without a word."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    one.rename(one.with_name("aside"))
    one.mkdir()
    (one / "file").write_bytes(b"another")
    assert site.advice(one) in site.refusal({"/s": one})
    assert os.listdir(one) == ["file"]
    assert site.adopt(str(one))[0] == 0
    with site.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s") | {"upload": None}


def test_another_folder_in_the_place_of_one_of_which_nothing_is_stored(
    site: Site, one: Path
) -> None:
    """It begins anew, which the log says."""
    with site.serving({"/s": one}):
        pass
    shutil.rmtree(one)
    one.mkdir()
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    assert f"{one} is another folder than before, and begins anew" in site.log
    with site.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s")


def test_a_marker_that_vanished(site: Site, one: Path) -> None:
    """What the kernel tells of the root is enough to write it again."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    text = (one / MARKER).read_bytes()
    (one / MARKER).unlink()
    with site.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s")
    assert (one / MARKER).read_bytes() == text


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b'{"davkeep": 2}', b"\xff", b"[" * 100_000],
    ids=["empty", "object", "newer", "bytes", "nested"],
)
def test_a_marker_that_says_nothing(site: Site, one: Path, text: bytes) -> None:
    """Nobody guesses what it said; it is mended by who is asked for."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    (one / MARKER).write_bytes(text)
    assert MARKER in site.refusal({"/s": one})
    assert (one / MARKER).read_bytes() == text
    assert site.adopt(str(one))[0] == 0
    with site.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s")


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_a_marker_that_is_no_file(site: Site, one: Path, kind: str) -> None:
    """It is not followed, waited for, or replaced."""
    if kind == "folder":
        (one / MARKER).mkdir()
    elif kind == "link":
        (one / MARKER).symlink_to("/etc/hostname")
    else:
        os.mkfifo(one / MARKER)
    kinds = os.lstat(one / MARKER).st_mode
    told = f"provider_mapping./s: {one}: {MARKER} in it is no file: remove it"
    assert told in site.refusal({"/s": one})
    status, refused = site.adopt(str(one))
    assert (status, "is no file: remove it" in refused) == (2, True)
    assert os.lstat(one / MARKER).st_mode == kinds


@pytest.mark.parametrize("inner_first", [True, False])
def test_one_key_where_roots_overlap(site: Site, one: Path, inner_first: bool) -> None:
    """Whichever share is asked, and whichever came first, there is one lock for one file."""
    inner = one / "inner"
    inner.mkdir()
    both = {"/": one, "/in": inner}
    with site.serving({"/in": inner} if inner_first else {"/": one}) as marked:
        marked.mark("/in" if inner_first else "/inner")
    share = "/in" if inner_first else "/inner"
    with site.serving(both) as marked:
        for url in ("/in", "/inner"):
            assert marked.seen(url) == all_of(share)
    with site.serving({"/in": inner}) as marked:
        assert marked.seen("/in") == all_of(share)
    with site.serving(both) as marked:
        assert marked.seen("/inner") == all_of(share)
        marked.finish("/in")
    assert hidden(one) == []


def test_the_marker_is_out_of_sight(site: Site, one: Path, tmp_path: Path) -> None:
    """It is in no listing, and goes along with no COPY; what it is in can be deleted."""
    inner = one / "inner"
    inner.mkdir()
    (inner / "file").write_bytes(b"x")
    with site.serving({"/": one, "/in": inner}) as marked:
        assert marked.ask("GET", f"/{MARKER}") == 404
        assert marked.ask("PUT", f"/{MARKER}", b"x") == 403
        listed = marked.wire.ask("PROPFIND", "/", {"Depth": "1"}).body
        assert MARKER.encode() not in listed
        url = marked.server.url.rstrip("/")
        assert marked.ask("COPY", "/inner/", Destination=f"{url}/copy/") == 201
        assert os.listdir(one / "copy") == ["file"]
    with site.serving({"/": one}) as marked:
        assert marked.ask("DELETE", "/inner/") == 204
        assert not inner.exists()
    assert (one / MARKER).exists()
    assert hidden(one) == []
