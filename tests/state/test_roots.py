"""Roots that overlap, that are replaced while a server runs, and that cannot be marked."""

import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from state.sites import Marked, Site, all_of

from davkeep.trees.marker import MARKER
from harness.dav import LOCK, setting
from harness.disks import bound
from harness.spellings import FOLDING
from harness.states import DATABASE, ask_database, image_mounted
from harness.trees import members
from harness.waiting import until

EXCLUSIVE = LOCK.format(scope="exclusive").encode()


def _color(marked: Marked, path: str, color: str) -> None:
    assert marked.wire.ask("PROPPATCH", path, {}, setting(color=color)).status == 207


# Overlaps


def test_an_inner_share_goes_along_with_what_clients_do(site: Site, one: Path) -> None:
    """While it is not served it is a collection of the outer one; what is made there then is not
    the share's.
    """
    (one / "in").mkdir()
    with site.serving({"/": one, "/in": one / "in"}) as marked:
        assert marked.ask("PUT", "/in/file", b"x") == 201
        _color(marked, "/in/file", "red")
    with site.serving({"/": one}) as marked:
        target = f"{marked.server.url}moved"
        assert marked.ask("MOVE", "/in/", Destination=target) == 201
        assert marked.ask("MKCOL", "/in") == 201
        assert marked.ask("PUT", "/in/file", b"y") == 201
        _color(marked, "/in/file", "blue")
    with site.serving({"/": one, "/moved": one / "moved"}) as marked:
        assert marked.color("/moved/file") == "red"
        assert marked.color("/in/file") == "blue"
    with site.serving({"/": one}) as marked:
        assert marked.ask("DELETE", "/moved/") == 204
        assert marked.ask("MKCOL", "/moved") == 201
        assert marked.ask("PUT", "/moved/file", b"z") == 201
        _color(marked, "/moved/file", "green")
    with site.serving({"/": one, "/moved": one / "moved"}) as marked:
        assert marked.color("/moved/file") == "green"


def test_inner_shares_that_change_places(site: Site, one: Path) -> None:
    """Each takes its own along, lock and all."""
    shares = {"/": one, "/a": one / "a", "/b": one / "b"}
    for name in "ab":
        (one / name).mkdir()
    with site.serving(shares) as marked:
        marked.mark("/a")
        marked.mark("/b")
    (one / "a").rename(one / "aside")
    (one / "b").rename(one / "a")
    (one / "aside").rename(one / "b")
    for _ in range(2):
        with site.serving(shares) as marked:
            assert (marked.seen("/a"), marked.seen("/b")) == (all_of("/b"), all_of("/a"))


@pytest.mark.parametrize("order", [("/", "/in", "/bound"), ("/bound", "/in", "/")])
def test_a_directory_at_several_paths(site: Site, one: Path, order: tuple[str, ...]) -> None:
    """A bind mount of what lies in a share is known by the outer one's key as well."""
    (one / "in").mkdir()
    with bound(one / "in", one.with_name("bound")) as other:
        roots = {"/": one, "/in": one / "in", "/bound": other}
        with site.serving({url: roots[url] for url in order}) as marked:
            marked.mark("/bound")
            for url in ("/in", "/bound"):
                assert marked.seen(url) == all_of("/bound")
        # Without the share through which it can be seen where it lies.
        with site.serving({"/bound": other}) as marked:
            assert marked.seen("/bound") == all_of("/bound")
        with site.serving({"/": one}) as marked:
            assert marked.seen("/in") == all_of("/bound")
            marked.finish("/in")


def test_one_of_two_paths_that_goes_away(site: Site, one: Path) -> None:
    """What cannot be seen by one of them is not taken for gone."""
    (one / "collection").mkdir()
    kept = one / "collection" / "kept"
    kept.write_bytes(b"x")
    with bound(one, one.with_name("bound")) as other:
        with site.serving({"/bound": other, "/": one}) as marked:
            _color(marked, "/collection/kept", "red")
            subprocess.run(["chattr", "+i", str(kept)], check=True)
            try:
                subprocess.run(["umount", str(other)], check=True)
                assert marked.ask("DELETE", "/collection/") in (403, 207)
                assert marked.color("/collection/kept") == "red"
            finally:
                subprocess.run(["chattr", "-i", str(kept)], check=True)
        subprocess.run(["mount", "--bind", str(one), str(other)], check=True)


# While a server runs


def test_another_folder_and_back(site: Site, one: Path) -> None:
    """As long as nothing is stored another folder is served as another share; the first one is
    itself again as soon as it is back.
    """
    (one / "file").write_bytes(b"first")
    away = one.with_name("away")
    with site.serving({"/s": one}) as marked:
        assert marked.color("/s/file") is None
        one.rename(away)
        assert marked.ask("GET", "/s/file") == 503
        one.mkdir()
        (one / "file").write_bytes(b"second")
        assert marked.wire.ask("GET", "/s/file").body == b"second"
        _color(marked, "/s/file", "blue")
        assert marked.ask("LOCK", "/s/file", EXCLUSIVE, Timeout="Second-3600") == 200
        one.rename(one.with_name("second"))
        away.rename(one)
        assert marked.wire.ask("GET", "/s/file").body == b"first"
        assert marked.color("/s/file") is None
        assert marked.ask("PUT", "/s/file", b"x") == 204
    one.rename(away)
    one.with_name("second").rename(one)
    with site.serving({"/s": one}) as marked:
        assert marked.color("/s/file") == "blue"
        assert marked.ask("PUT", "/s/file", b"x") == 423


def test_another_folder_where_something_is_stored(site: Site, one: Path) -> None:
    """It is 503 until somebody says that it is the share; the server runs on."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
        one.rename(one.with_name("away"))
        one.mkdir()
        (one / "file").write_bytes(b"restored")
        for _ in range(3):
            assert marked.ask("GET", "/s/file") == 503
        assert (
            marked.server.log.count("if this is the share, say so: davkeep state adopt --state ")
            == 1
        )
        status, told = site.adopt(str(one))
        assert (status, told.startswith(f"{one} is the share ")) == (0, True)
        assert marked.wire.ask("GET", "/s/file").body == b"restored"
        assert marked.color("/s/file") == "/s"


def test_another_share_in_its_place(site: Site, one: Path) -> None:
    """What is marked as another one is served as that."""
    two = one.with_name("two")
    two.mkdir()
    for folder in (one, two):
        with site.serving({"/s": folder}) as marked:
            marked.mark("/s")
            _color(marked, "/s/file", folder.name)
    with site.serving({"/s": one}) as marked:
        assert marked.color("/s/file") == "one"
        one.rename(one.with_name("away"))
        two.rename(one)
        assert marked.color("/s/file") == "two"
        assert marked.ask("PUT", "/s/locked", b"x") == 423


def test_a_disk_that_is_not_mounted_yet(site: Site, one: Path, tmp_path: Path) -> None:
    """The folder below a mount point is another share than the disk, whichever comes first."""
    (tmp_path / "disk").mkdir()
    with site.serving({"/s": tmp_path / "disk"}) as marked:
        assert marked.ask("PROPFIND", "/s/", Depth="0") == 207
        with _ext4(tmp_path):
            marked.mark("/s")
        assert marked.ask("GET", "/s/file") == 503
    with site.serving({"/s": tmp_path / "disk"}) as marked:
        assert marked.color("/s/") is None
        assert marked.ask("PUT", "/s/locked", b"x") == 201
    with _ext4(tmp_path, is_new=False) as disk, site.serving({"/s": disk}) as marked:
        assert marked.seen("/s") == all_of("/s")


@contextmanager
def _ext4(folder: Path, *, is_new: bool = True, make: bool = False) -> Iterator[Path]:
    """A disk, mounted at ``folder / "disk"``, a folder that is there, or is made."""
    point, image = folder / "disk", folder / "ext4.img"
    if make:
        point.mkdir()
    if is_new:
        with image.open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)


def test_another_directory_with_the_same_numbers(site: Site, tmp_path: Path) -> None:
    """Numbers of devices and inodes are used again; what they were is looked at from time to time,
    and after each moment in which nothing was there.
    """
    with _ext4(tmp_path, make=True) as disk:
        root = disk / "root"
        root.mkdir()
        with site.serving({"/s": root}) as marked:
            marked.mark("/s")
            number = root.stat().st_ino
            shutil.rmtree(root)
            assert marked.ask("GET", "/s/file") == 503
            root.mkdir()
            assert root.stat().st_ino == number
            (root / "file").write_bytes(b"another")
            assert marked.ask("GET", "/s/file") == 503
            shutil.rmtree(root)
            root.mkdir()
            (root / "file").write_bytes(b"a third")
            until(lambda: marked.ask("GET", "/s/file") == 503, "it is seen", 10)
            assert site.advice(root) in marked.server.log


def test_two_states_around_one_another(tmp_path: Path, site: Site, one: Path) -> None:
    """A root in one that is served with another state is refused as well."""
    (one / "in").mkdir()
    other = Site(tmp_path / "other")
    with site.serving({"/": one}):
        assert "end that server first" in other.refusal({"/": one / "in"})
    with other.serving({"/": one / "in"}) as marked:
        assert marked.ask("PUT", "/file", b"x") == 201


# What cannot be marked


def test_a_root_that_is_read_only(site: Site, tmp_path: Path) -> None:
    """It is known by its file system's UUID, its inode and its time of birth, wherever it is."""
    with image_mounted(tmp_path, "ext4", 16) as disk:
        (disk / "file").write_bytes(b"x")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with site.serving({"/s": disk}) as marked:
            _color(marked, "/s/file", "red")
            assert marked.ask("LOCK", "/s/file", EXCLUSIVE, Timeout="Second-3600") == 200
        assert "cannot be marked as a share: Read-only file system" in site.log
        with bound(disk, tmp_path / "elsewhere") as other, site.serving({"/s": other}) as marked:
            assert marked.color("/s/file") == "red"
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with site.serving({"/s": disk}) as marked:
            assert marked.color("/s/file") == "red"
            assert marked.ask("PUT", "/s/file", b"y") == 423
        assert (disk / MARKER).exists()


def test_another_disk_inherits_nothing(site: Site, tmp_path: Path) -> None:
    """Every ext4 root is inode 2."""
    for number in range(2):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        with image_mounted(folder, "ext4", 16) as disk, bound(disk, folder / "at") as at:
            (disk / "file").write_bytes(b"x")
            subprocess.run(["mount", "-o", "remount,bind,ro", str(at)], check=True)
            place = tmp_path / "place"
            with bound(at, place):
                if number == 0:
                    with site.serving({"/s": place}) as marked:
                        _color(marked, "/s/file", "red")
                else:
                    assert (
                        "if this is the share, say so: davkeep state adopt --state "
                        in site.refusal({"/s": place})
                    )
            place.rmdir()


def test_nothing_tells_and_nothing_can_be_written(site: Site, tmp_path: Path) -> None:
    """Somebody has to say that it is the share, once."""
    with image_mounted(tmp_path, "btrfs", 128) as disk:
        (disk / "file").write_bytes(b"x")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with site.serving({"/s": disk}) as marked:
            _color(marked, "/s/file", "red")
        assert f"nothing tells {disk} from another folder there" in site.log
        assert "if this is the share, say so: davkeep state adopt --state " in site.refusal(
            {"/s": disk}
        )
        assert site.adopt(str(disk))[0] == 0
        for _ in range(2):
            with site.serving({"/s": disk}) as marked:
                assert marked.color("/s/file") == "red"


def test_a_share_that_is_served_read_only(site: Site, tmp_path: Path) -> None:
    """Nothing is written into it, and it stays one share."""
    root = tmp_path / "root"
    root.mkdir()
    config = {"root": str(root), "readonly": True}
    for _ in range(3):
        with site.serving_as({"/s": config}) as marked:
            assert marked.ask("PROPFIND", "/s/", Depth="0") == 207
    assert list(root.iterdir()) == []
    assert len(ask_database(site.state / DATABASE, "SELECT share FROM shares")) == 1


def test_one_root_at_two_urls(site: Site, one: Path) -> None:
    """Both are the share, and both see that it is replaced."""
    (one / "file").write_bytes(b"first")
    with site.serving({"/s": one, "/t": one}) as marked:
        for url in ("/s", "/t"):
            assert marked.color(f"{url}/file") is None
        one.rename(one.with_name("away"))
        one.mkdir()
        (one / "file").write_bytes(b"second")
        for url in ("/s", "/t"):
            assert marked.wire.ask("GET", f"{url}/file").body == b"second"
        marked.mark("/s")
        assert marked.seen("/t") == all_of("/s")


def test_nothing_tells_and_it_comes_back(site: Site, tmp_path: Path) -> None:
    """While a server runs: what stays there is served on, and what comes back waits for a word."""
    with image_mounted(tmp_path, "btrfs", 128) as disk:
        (disk / "file").write_bytes(b"x")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with site.serving({"/s": disk}) as marked:
            _color(marked, "/s/file", "red")
            marked.server.look()
            assert marked.color("/s/file") == "red"
            other = tmp_path / "other"
            with bound(disk, other):
                subprocess.run(["umount", str(disk)], check=True)
                assert marked.ask("GET", "/s/file") == 503
                subprocess.run(["mount", "--bind", str(other), str(disk)], check=True)
                assert marked.ask("GET", "/s/file") == 503
                assert site.adopt(str(disk))[0] == 0
                assert marked.color("/s/file") == "red"


def test_an_outer_and_an_inner_root_that_are_replaced(site: Site, one: Path) -> None:
    """Whichever is asked for first, there is one key for one file."""
    (one / "in").mkdir()
    new = one.with_name("new")
    (new / "in").mkdir(parents=True)
    for folder in (one, new):
        (folder / "in" / "file").write_bytes(b"x")
    with site.serving({"/": one, "/in": one / "in"}) as marked:
        assert marked.ask("GET", "/in/file") == 200
        one.rename(one.with_name("old"))
        new.rename(one)
        (one / "in" / "file").write_bytes(b"new")
        assert marked.wire.ask("GET", "/in/file").body == b"new"
        assert marked.ask("LOCK", "/in/file", EXCLUSIVE) == 200
        assert marked.ask("PUT", "/in/file", b"x") == 423
        _color(marked, "/in/", "red")
    with site.serving({"/": one}) as marked:
        assert marked.color("/in/") == "red"
        assert marked.ask("PUT", "/in/file", b"x") == 423


def test_a_copy_that_takes_its_place(site: Site, one: Path) -> None:
    """Without a restart: it is the same share, and uploads are gone on with."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
        subprocess.run(["cp", "-a", str(one), str(one.with_name("copy"))], check=True)
        one.rename(one.with_name("old"))
        one.with_name("copy").rename(one)
        shutil.rmtree(one.with_name("old"))
        assert marked.seen("/s") == all_of("/s")
        marked.finish("/s")


def test_a_root_that_cannot_be_read_for_a_moment(site: Site, one: Path) -> None:
    """What cannot be told then speaks for nothing else."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
        known = marked.server.known()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("davkeep.trees.fingerprint.filesystem_of", lambda *_: None)
            marked.server.look()
            assert marked.seen("/s") == all_of("/s")
        assert marked.server.known() == known


def test_a_file_system_below_a_share_that_folds(site: Site, one: Path, tmp_path: Path) -> None:
    """It is tried when a name in it is looked up: what is new there is known by how it is kept."""
    with FOLDING["nfd"](tmp_path) as disk, bound(disk, one / "sub"):
        with site.serving({"/s": one}) as marked:
            path = quote("/s/sub/\xe4")
            assert marked.ask("LOCK", path, EXCLUSIVE) == 201
            assert marked.ask("PUT", path, b"x") == 423
        assert [unicodedata.normalize("NFC", name) for name in members(disk)] == ["\xe4"]
