"""What arrives in several requests, and becomes an upload when it is complete."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.partial import (
    Partial,
    make_partial,
    open_folder,
    open_partial,
    remove_partial,
)
from davkeep.trees.steps import DestinationError
from davkeep.trees.upload import Upload

NAME = ".davkeep-test-1"


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    """A descriptor of a folder, and its path."""
    fd = open_folder(str(tmp_path))
    yield fd, tmp_path
    os.close(fd)


def test_it_goes_on_where_it_was(folder: Any, fds: Callable[[], list[str]]) -> None:
    """Its size is how much has arrived; what was beyond the place to go on at is gone."""
    fd, path = folder
    opened = fds()
    with make_partial(fd, NAME) as first:
        first.write(b"0123456789")
        inode = first.inode
    with pytest.raises(FileExistsError):
        make_partial(fd, NAME)
    found = open_partial(fd, NAME, inode)
    assert found is not None
    with found as second:
        assert second.size == 10
        second.cut(4)
        second.write(b"abc")
        second.flush()
        assert second.is_there
        assert (path / NAME).read_bytes() == b"0123abc"
        assert (path / NAME).stat().st_mode & 0o777 == 0o600
        remove_partial(os.fsencode(path), NAME)
        assert not second.is_there
    remove_partial(os.fsencode(path), NAME)
    remove_partial(os.fsencode(path / "missing"), NAME)
    assert open_partial(fd, NAME, inode) is None
    assert fds() == opened


def test_another_file_under_its_name_is_not_it(folder: Any) -> None:
    """Nor is a link or a collection."""
    fd, path = folder
    with make_partial(fd, NAME) as made:
        inode = made.inode
        (path / NAME).rename(path / "kept")
    for make in (Path.touch, Path.mkdir, lambda there: there.symlink_to("kept")):
        make(path / NAME)
        assert open_partial(fd, NAME, inode) is None
        (path / NAME).rename(path / make.__name__)


def _arrived(folder_fd: int, content: bytes) -> Partial:
    partial = make_partial(folder_fd, NAME)
    partial.write(content)
    return partial


@pytest.mark.parametrize("existing", [{}, {"f": b"old"}])
def test_complete_it_is_an_upload(world: Any, existing: dict[str, bytes]) -> None:
    """It takes the target's name, with the time that was asked for."""
    world.make(existing)
    with (
        world.entry("f") as entry,
        _arrived(entry.parent_fd, b"content") as arrived,
        Upload(entry, world.control, arrived=arrived) as upload,
    ):
        assert upload.size == 7
        assert b"".join(upload.blocks(3)) == b"content"
        result = world.drive(upload.commit(mtime=1_500_000_000_123_456_789))
    assert result.created == (not existing)
    assert upload.has_time
    assert (world.folder / "f").read_bytes() == b"content"
    assert (world.folder / "f").stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert world.hidden() == []


def test_a_commit_that_fails_leaves_what_has_arrived(world: Any) -> None:
    """Closed at any checkpoint, the old file is there and the upload can be tried again."""
    world.make({"f": b"old"})
    with world.entry("f") as entry, _arrived(entry.parent_fd, b"content") as arrived:
        for taken in (0, 1):
            with Upload(entry, world.control, arrived=arrived) as upload:
                steps = upload.commit()
                for _ in range(taken):
                    next(steps)
                steps.close()
            assert (world.folder / "f").read_bytes() == b"old"
            assert (world.folder / NAME).read_bytes() == b"content"
        with (
            Upload(entry, world.control, arrived=arrived) as upload,
            pytest.raises(FileExistsError),
        ):
            world.drive(upload.commit(replace=False))
        with Upload(entry, world.control, arrived=arrived) as upload:
            world.drive(upload.commit())
    assert (world.folder / "f").read_bytes() == b"content"
    assert world.hidden() == []


def test_a_swap_that_is_undone_leaves_what_has_arrived(world: Any) -> None:
    """The moment of the change may fail, as when the database cannot be written."""
    world.make({"f": b"old"})

    def fail() -> None:
        raise OSError(errno.ENOSPC, "full")

    world.control.effective = fail
    with world.entry("f") as entry, _arrived(entry.parent_fd, b"content") as arrived:
        with (
            Upload(entry, world.control, arrived=arrived) as upload,
            pytest.raises(OSError, match="full"),
        ):
            world.drive(upload.commit())
        assert (world.folder / "f").read_bytes() == b"old"
        assert (world.folder / NAME).read_bytes() == b"content"


def test_from_another_file_system(world: Any, other_tmpfs: Path) -> None:
    """Out of a spool it is copied to beside the target."""
    fd = open_folder(str(other_tmpfs))
    try:
        with (
            world.entry("f") as entry,
            _arrived(fd, b"content") as arrived,
            Upload(entry, world.control, arrived=arrived) as upload,
        ):
            world.drive(upload.commit())
    finally:
        os.close(fd)
    assert (world.folder / "f").read_bytes() == b"content"
    assert os.listdir(other_tmpfs) == []
    assert world.hidden() == []


def test_a_full_disk(small_tmpfs: Path) -> None:
    """What fitted is still there, for the caller to decide about."""
    fd = open_folder(str(small_tmpfs))
    try:
        with make_partial(fd, NAME) as partial:
            partial.write(b"x" * 500_000)
            with pytest.raises(DestinationError) as caught:
                partial.write(b"y" * 1_000_000)
            assert caught.value.errno == errno.ENOSPC
            partial.cut(500_000)
            assert partial.size == 500_000
    finally:
        os.close(fd)
