"""PATCH: a part is written into a staged copy, which takes the place of the file."""

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.identity import etag_of
from davkeep.trees.patch import Patch
from davkeep.trees.steps import DestinationError, Lane
from davkeep.words.failure import Failure
from harness.stepping import closed_after


def at(position: int, size: int) -> int:
    """Say where the part goes, whatever the file's size is."""
    return position


def patched(world: Any, content: bytes, position: int, *, spool: Path | None = None) -> Patch:
    """Patch ``f`` and return what was used."""
    with (
        world.entry("f") as entry,
        Patch(entry, world.control, partial(at, position), str(spool) if spool else None) as patch,
    ):
        patch.write(content)
        world.drive(patch.commit())
        return patch


@pytest.mark.parametrize(
    ("position", "result"),
    [
        (0, b"----567890"),
        (8, b"12345678----"),
        (12, b"1234567890\0\0----"),
        (10, b"1234567890----"),
    ],
)
def test_inside_beyond_and_behind(world: Any, position: int, result: bytes) -> None:
    """What lies between the old end and the part is zero."""
    world.make({"f": b"1234567890"})
    patch = patched(world, b"----", position)
    assert (world.folder / "f").read_bytes() == result
    assert world.hidden() == []
    assert patch.stored is not None
    assert etag_of(patch.stored) == etag_of((world.folder / "f").stat())


def test_mode_and_attributes_are_kept(world: Any) -> None:
    """As by a PUT."""
    world.make({"f": b"old"})
    path = world.folder / "f"
    path.chmod(0o640)
    os.setxattr(path, "user.colour", b"red")
    patched(world, b"new", 0)
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.getxattr(path, "user.colour") == b"red"


def test_holes_stay_holes(world: Any) -> None:
    """A large sparse file is no larger on the disk afterwards."""
    path = world.folder / "f"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    patched(world, b"x" * 5000, 32 * 1024 * 1024)
    status = path.stat()
    assert status.st_size == 64 * 1024 * 1024
    assert status.st_blocks * 512 < 1024 * 1024


def test_the_part_may_be_staged_elsewhere(world: Any, other_tmpfs: Path) -> None:
    """The copy is beside the file, the part in the spool; nothing of either is left."""
    world.make({"f": b"1234567890"})
    patched(world, b"----", 2, spool=other_tmpfs)
    assert (world.folder / "f").read_bytes() == b"12----7890"
    assert os.listdir(other_tmpfs) == []


def test_a_reader_sees_the_old_file_until_the_end(world: Any) -> None:
    """Closed at any checkpoint it leaves the old file and nothing else."""
    world.make({"f": b"1234567890" * 100})
    world.control.block_size = 100
    before = world.snapshot()
    taken = 0
    while _interrupted(world, taken):
        assert world.snapshot() == before
        taken += 1
    assert taken > 10
    assert (world.folder / "f").read_bytes() == b"12----7890" + b"1234567890" * 99


def _interrupted(world: Any, count: int) -> bool:
    """Take ``count`` steps and close; False if they ended before."""
    with world.entry("f") as entry, Patch(entry, world.control, partial(at, 2)) as patch:
        patch.write(b"----")
        return not closed_after(patch.commit(), count)


def test_a_large_file_is_bulk_work(world: Any) -> None:
    """A small part of a large file does not hold up what is short."""
    (world.folder / "f").write_bytes(b"x" * 4096)
    world.control.block_size = 1024
    patched(world, b"y", 0)
    assert Lane.LONG in world.lanes


def test_a_place_that_is_refused(world: Any, fds: Callable[[], list[str]]) -> None:
    """What says where the part goes may refuse, at first or later; nothing has changed then."""
    world.make({"f": b"old"})
    opened, answers = fds(), [0]

    def refuse(size: int) -> int:
        if not answers:
            raise Failure(416)
        return answers.pop()

    with world.entry("f") as entry:
        with Patch(entry, world.control, refuse) as patch:
            patch.write(b"x")
            (world.folder / "f").write_bytes(b"new")
            with pytest.raises(Failure):
                world.drive(patch.commit())
        with pytest.raises(Failure):
            Patch(entry, world.control, refuse)
    assert (world.folder / "f").read_bytes() == b"new"
    assert (os.listdir(world.folder), fds()) == (["f"], opened)


def test_the_longest_file_there_is_not(world: Any) -> None:
    """What the file system refuses is 507."""
    world.make({"f": b"old"})
    before = world.snapshot()
    with pytest.raises(DestinationError) as caught:
        patched(world, b"x", 2**63 - 2)
    assert caught.value.errno == errno.EFBIG
    assert world.snapshot() == before


def test_a_full_disk(new_world: Callable[..., Any], small_tmpfs: Path) -> None:
    """No room for the copy, or for what is written behind it: 507, the old file, nothing left."""
    world = new_world(small_tmpfs)
    (world.folder / "f").write_bytes(b"x" * 600_000)
    before = world.snapshot()
    for content in (b"y", b"y" * 300_000):
        with pytest.raises(DestinationError) as caught:
            patched(world, content, 600_000)
        assert caught.value.errno == errno.ENOSPC
        assert world.snapshot() == before


def test_a_file_that_is_gone(world: Any) -> None:
    """404, and nothing is made."""
    world.make({"f": b"old"})
    with world.entry("f") as entry, Patch(entry, world.control, partial(at, 0)) as patch:
        (world.folder / "f").unlink()
        with pytest.raises(FileNotFoundError):
            world.drive(patch.commit())
    assert world.snapshot() == {}
