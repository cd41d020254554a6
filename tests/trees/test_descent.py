"""The way down a deep tree with few descriptors."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from davkeep.trees.descent import DIRECTORY, OPEN_LEVELS, Descent


def _down(tmp_path: Path, levels: int) -> tuple[Descent, list[int]]:
    """Return a descent of so many levels and the inodes on the way."""
    inodes = [tmp_path.stat().st_ino]
    descent = Descent(os.open(tmp_path, DIRECTORY))
    for _ in range(levels):
        os.mkdir("d", dir_fd=descent.fd)
        descent.push(os.open("d", DIRECTORY, dir_fd=descent.fd))
        inodes.append(os.fstat(descent.fd).st_ino)
    return descent, inodes


def _up(descent: Descent, levels: int) -> None:
    for _ in range(levels):
        descent.pop()


def test_it_goes_down_and_up_with_few_descriptors(
    tmp_path: Path, fds: Callable[[], list[str]]
) -> None:
    """A hundred levels are walked both ways, down again in between, with a bounded number."""
    before = len(fds())
    descent, inodes = _down(tmp_path, 100)
    assert len(fds()) - before <= OPEN_LEVELS + 1
    for inode in reversed(inodes[50:]):
        assert os.fstat(descent.fd).st_ino == inode
        descent.pop()
    for _ in range(50):
        descent.push(os.open("d", DIRECTORY, dir_fd=descent.fd))
    assert os.fstat(descent.fd).st_ino == inodes[99]
    assert len(fds()) - before <= OPEN_LEVELS + 1
    for inode in reversed(inodes[:100]):
        assert os.fstat(descent.fd).st_ino == inode
        descent.pop()
    assert len(fds()) == before


def test_a_tree_moved_underneath_is_noticed(tmp_path: Path, fds: Callable[[], list[str]]) -> None:
    """If '..' leads elsewhere than it came from, that is ESTALE and nothing stays open."""
    before = fds()
    (tmp_path / "tree").mkdir()
    (tmp_path / "elsewhere").mkdir()
    descent, _ = _down(tmp_path / "tree", OPEN_LEVELS + 5)
    third = tmp_path / "tree/d/d/d"
    third.rename(tmp_path / "elsewhere/d")
    with pytest.raises(OSError, match="Errno") as noticed:
        _up(descent, OPEN_LEVELS + 5)
    assert noticed.value.errno == errno.ESTALE
    descent.close()
    assert fds() == before


def test_a_level_behind_a_link_comes_back(tmp_path: Path) -> None:
    """The directory that holds a followed link is returned to, however deep it went."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside").mkdir()
    descent = Descent(os.open(inside, DIRECTORY))
    descent.push(os.open(tmp_path / "outside", DIRECTORY), through_link=True)
    for _ in range(OPEN_LEVELS + 5):
        os.mkdir("d", dir_fd=descent.fd)
        descent.push(os.open("d", DIRECTORY, dir_fd=descent.fd))
    for _ in range(OPEN_LEVELS + 6):
        descent.pop()
    assert os.fstat(descent.fd).st_ino == inside.stat().st_ino
    descent.close()
