"""What is brought to the disk, and in which order (the promises, Durability)."""

import os
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees import durability
from davkeep.trees.copy import copy
from davkeep.trees.move import move
from davkeep.trees.remove import remove
from davkeep.trees.steps import DestinationError
from davkeep.trees.upload import Upload


class Disk:
    """Notes what is flushed, by name at that moment, instead of flushing it."""

    def __init__(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[str] = []
        self._folder = os.path.realpath(world.folder)
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(durability, "sync_file_system", lambda fd: self.events.append("syncfs"))
        world.control.effective = lambda: self.events.append("effective")

    def _fsync(self, fd: int) -> None:
        path = os.readlink(f"/proc/self/fd/{fd}")
        self.events.append(os.path.relpath(path, self._folder))


@pytest.fixture
def disk(world: Any, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Return a note of the flushes in a world with a small tree."""
    world.make({"d": {"f": b"1", "s": {"g": b"2", "l": "g"}}, "file": b"3", "into": {}})
    os.mkfifo(world.folder / "d/p")
    return Disk(world, monkeypatch)


def test_a_small_tree_is_flushed_file_by_file(world: Any, disk: Disk) -> None:
    """Every file and collection, then the root, the swap, the parent, and then the store."""
    world.run(copy, "d", "e", overwrite=False)
    staging = ".davkeep-test-1"
    assert set(disk.events[:-2]) == {f"{staging}{name}" for name in ("", "/f", "/s", "/s/g")}
    assert disk.events[-3:] == [staging, ".", "effective"]


def test_a_large_tree_is_flushed_at_once(world: Any, disk: Disk) -> None:
    """A hundred files cost one syncfs, and it comes before the swap."""
    world.make({"many": {str(number): b"x" for number in range(100)}})
    world.run(copy, "many", "e", overwrite=False)
    assert disk.events == ["syncfs", ".davkeep-test-1", ".", "effective"]


def test_a_file_is_flushed_before_it_is_swapped_in(world: Any, disk: Disk) -> None:
    """The copy of a file is flushed under its staging name, then its parent."""
    world.run(copy, "file", "g", overwrite=False)
    assert disk.events == [".davkeep-test-1", ".", "effective"]


def test_an_upload_is_flushed_before_it_is_renamed(world: Any, disk: Disk) -> None:
    """PUT flushes the staged file, renames, flushes the parent, then tells the store."""
    with world.entry("g") as entry, Upload(entry, world.control) as upload:
        world.drive(upload.commit())
    assert disk.events == [".davkeep-test-1", ".", "effective"]


def test_a_move_flushes_both_parents(world: Any, disk: Disk) -> None:
    """After the rename both directories are flushed, then the store is told."""
    world.run(move, "d", "into/e", overwrite=False)
    assert sorted(disk.events[:2]) == [".", "into"]
    assert disk.events[2:] == ["effective"]


@pytest.mark.parametrize("name", ["d", "file"])
def test_a_removal_flushes_the_parent(world: Any, disk: Disk, name: str) -> None:
    """DELETE flushes the directory that held the name before the store is told."""
    world.run(remove, name)
    assert disk.events == [".", "effective"]


def test_without_fsync_nothing_is_flushed(world: Any, disk: Disk) -> None:
    """With fsync off no operation flushes anything."""
    world.control.fsync = False
    world.run(copy, "d", "e", overwrite=False)
    world.run(copy, "file", "g", overwrite=False)
    world.run(move, "e", "into/e", overwrite=False)
    world.run(remove, "into/e")
    assert set(disk.events) == {"effective"}


def test_a_flush_that_fails_changes_nothing(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """EIO when the tree is brought to the disk is the destination's error, before the swap."""
    world.make({"d": {"f": b"1"}, "e": {"o": b"o"}, "file": b""})
    before = world.snapshot()

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    for source in ("d", "file"):
        with pytest.raises(DestinationError):
            world.run(copy, source, "e", overwrite=True)
        assert world.snapshot() == before


@pytest.mark.parametrize(("operation", "names"), [(copy, "de"), (move, "de"), (remove, "d")])
def test_a_parent_that_cannot_be_flushed_undoes_it(
    world: Any, monkeypatch: pytest.MonkeyPatch, operation: Any, names: str
) -> None:
    """If the parent's flush fails after the rename, the rename is taken back."""
    world.make({"d": {"f": b"1"}, "e": {"o": b"o"}})
    before = world.snapshot()
    flushed = os.fsync
    parent = world.folder.stat().st_ino

    def broken(fd: int) -> None:
        if os.fstat(fd).st_ino == parent:
            raise OSError(5, "Input/output error")
        flushed(fd)

    monkeypatch.setattr(os, "fsync", broken)
    options = {} if operation is remove else {"overwrite": True}
    with pytest.raises(OSError, match="Errno"):
        world.run(operation, *names, **options)
    assert world.snapshot() == before
    assert not world.control.is_effective


def test_the_real_calls_work(tmp_path: Path) -> None:
    """syncfs and the flush of a directory known by an O_PATH descriptor do not fail."""
    fd = os.open(tmp_path, os.O_RDONLY)
    durability.sync_file_system(fd)
    os.close(fd)
    fd = os.open(tmp_path, os.O_PATH)
    durability.flush_directory(fd)
    os.close(fd)
