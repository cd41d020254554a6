"""Whether copying something is bulk work, told without beginning it."""

import os
from pathlib import Path

import pytest

from davkeep.trees.bulk import is_bulk
from davkeep.trees.copy import copy
from davkeep.trees.durability import SMALL_TREE
from davkeep.trees.share import Share
from davkeep.trees.steps import BLOCK_SIZE, Control, Lane


def _make(folder: Path, files: int, size: int = 1) -> None:
    (folder / "a" / "below").mkdir(parents=True)
    for number in range(files):
        (folder / "a" / "below" / f"{number}").write_bytes(b"x" * size)


def _says_long(share: Share) -> bool:
    with share.entry(["a"]) as source, share.entry(["b"]) as destination:
        steps = copy(source, destination, Control(".davkeep-x-1"), overwrite=False)
        return Lane.LONG in list(steps)


@pytest.mark.parametrize(
    ("files", "size"),
    [(0, 0), (3, 1), (SMALL_TREE - 2, 1), (SMALL_TREE + 1, 1), (3, BLOCK_SIZE // 2)],
)
def test_it_says_what_the_copy_says(tmp_path: Path, files: int, size: int) -> None:
    """A tree that it calls bulk work is one whose COPY goes into the long lane, and no other."""
    _make(tmp_path, files, size)
    with Share(tmp_path) as share:
        with share.entry(["a"]) as source:
            expected = is_bulk(source)
        assert _says_long(share) is expected


def test_a_file_counts_by_its_size(tmp_path: Path) -> None:
    """More than one block is bulk work; holes cost nothing."""
    with (tmp_path / "a").open("wb") as file:
        os.truncate(file.fileno(), 4 * BLOCK_SIZE)
    with Share(tmp_path) as share, share.entry(["a"]) as source:
        assert not is_bulk(source)
        (tmp_path / "a").write_bytes(b"x" * (BLOCK_SIZE + 1))
        assert is_bulk(source)


def test_depth_0_copies_no_member(tmp_path: Path) -> None:
    """Without its members a collection is never bulk work."""
    _make(tmp_path, SMALL_TREE + 1)
    with Share(tmp_path) as share, share.entry(["a"]) as source:
        assert is_bulk(source)
        assert not is_bulk(source, depth_infinity=False)


def test_it_looks_at_few_members(tmp_path: Path) -> None:
    """No descriptor stays open after it has seen enough."""
    _make(tmp_path, 3 * SMALL_TREE)
    with Share(tmp_path) as share, share.entry(["a"]) as source:
        before = len(os.listdir("/proc/self/fd"))
        assert is_bulk(source)
        assert len(os.listdir("/proc/self/fd")) == before
