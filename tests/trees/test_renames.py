"""Renames that do not overwrite or that exchange, on real file systems with and without them."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees import renames
from davkeep.trees.copy import copy
from davkeep.trees.move import move
from davkeep.trees.remove import remove
from davkeep.trees.renames import ExchangeUnsupportedError, rename_exchange, rename_noreplace


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """Return a descriptor of a folder with a file, a collection with a member, and a link."""
    (tmp_path / "f").write_bytes(b"file")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/m").write_bytes(b"member")
    (tmp_path / "l").symlink_to("f")
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


@pytest.fixture(params=["renameat2", "by hand", "without links"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with the system call, without it, and without hard links as well."""

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(22, "Invalid argument")

    def no_links(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    if request.param != "renameat2":
        monkeypatch.setattr(renames, "_rename", refused)
    if request.param == "without links":
        monkeypatch.setattr(os, "link", no_links)
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["f", "d", "l"])
def test_a_free_name_is_taken(folder: int, tmp_path: Path, name: str) -> None:
    """A file, a collection with members and a link get a new name and lose the old."""
    inode = os.lstat(name, dir_fd=folder).st_ino
    rename_noreplace(folder, name, folder, "new")
    assert os.lstat(tmp_path / "new").st_ino == inode
    assert name not in os.listdir(tmp_path)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["f", "d", "l"])
@pytest.mark.parametrize("taken", ["f2", "d2", "l2"])
def test_a_taken_name_stays(folder: int, tmp_path: Path, name: str, taken: str) -> None:
    """Whatever has the name, an empty collection or a dangling link too, it is not replaced."""
    (tmp_path / "f2").write_bytes(b"")
    (tmp_path / "d2").mkdir()
    (tmp_path / "l2").symlink_to("nowhere")
    before = {entry: os.lstat(tmp_path / entry).st_ino for entry in os.listdir(tmp_path)}
    with pytest.raises(FileExistsError):
        rename_noreplace(folder, name, folder, taken)
    assert {entry: os.lstat(tmp_path / entry).st_ino for entry in before} == before


@pytest.mark.usefixtures("way")
def test_a_missing_source_is_told(folder: int, tmp_path: Path) -> None:
    """Renaming nothing is FileNotFoundError and makes nothing."""
    with pytest.raises(FileNotFoundError):
        rename_noreplace(folder, "none", folder, "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("way")
def test_a_failed_rename_leaves_no_empty_directory(folder: int, tmp_path: Path) -> None:
    """A collection cannot be renamed into itself, and the attempt leaves nothing."""
    below = os.open(tmp_path / "d", os.O_PATH)
    with pytest.raises(OSError, match="Errno"):
        rename_noreplace(folder, "d", below, "new")
    os.close(below)
    assert os.listdir(tmp_path / "d") == ["m"]


def test_two_names_change_places(folder: int, tmp_path: Path) -> None:
    """A file and a collection exchange their names."""
    rename_exchange(folder, "f", folder, "d")
    assert (tmp_path / "d").read_bytes() == b"file"
    assert (tmp_path / "f/m").read_bytes() == b"member"


def test_an_exchange_with_nothing_is_told(folder: int) -> None:
    """Exchanging with a missing name is FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        rename_exchange(folder, "f", folder, "none")


def test_a_file_system_without_exchange_says_so(
    folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the system call an exchange raises its own error and changes nothing."""
    monkeypatch.setattr(renames, "_renameat2", None)
    with pytest.raises(ExchangeUnsupportedError):
        rename_exchange(folder, "f", folder, "d")


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Return a folder and its image through bindfs, which knows no flags of renameat2."""
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("bindfs and /dev/fuse are needed")
    below, point = tmp_path / "below", tmp_path / "point"
    below.mkdir()
    point.mkdir()
    subprocess.run(["bindfs", str(below), str(point)], check=True)
    yield below, point
    subprocess.run(["umount", "-l", str(point)], check=True)


TREE = {"d": {"f": b"one", "s": {"g": b"two"}}, "file": b"new", "e": {"o": b"o"}, "g": b"old"}


def test_everything_works_through_bindfs(
    new_world: Callable[..., Any], bound: tuple[Path, Path]
) -> None:
    """COPY, MOVE and DELETE, over old collections and files too, end right on bindfs."""
    world = new_world(bound[1])
    world.make(TREE)
    tree = world.snapshot("d")
    assert not world.run(copy, "d", "e", overwrite=True).created
    assert world.run(copy, "file", "file2", overwrite=False).created
    assert not world.run(copy, "file", "g", overwrite=True).created
    assert world.snapshot("e") == tree
    assert (world.folder / "g").read_bytes() == b"new"
    assert not world.run(move, "d", "e", overwrite=True).created
    assert world.run(move, "e", "h", overwrite=False).created
    assert world.snapshot("h") == tree
    with pytest.raises(FileExistsError):
        world.run(move, "g", "h", overwrite=False)
    assert not world.run(move, "g", "file", overwrite=True).created
    assert world.run(remove, "h").complete
    assert sorted(os.listdir(world.folder)) == ["file", "file2"]
    assert world.hidden() == []


@pytest.mark.parametrize("name", ["d", "file"])
def test_a_move_onto_the_same_through_another_file_system_loses_nothing(
    new_world: Callable[..., Any], bound: tuple[Path, Path], name: str
) -> None:
    """A share and its bindfs image look like two file systems; content survives a MOVE."""
    world, image = new_world(bound[0]), new_world(bound[1])
    world.make(TREE)
    with world.entry(name) as source, image.entry(name) as target, contextlib.suppress(OSError):
        world.drive(move(source, target, world.control, overwrite=True))
    assert (world.folder / "file").read_bytes() == b"new"
    assert (world.folder / "d/s/g").read_bytes() == b"two"
