"""Cancelled at whatever checkpoint, work leaves the old state or the new one, and no trace."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.copy import copy
from davkeep.trees.move import move
from davkeep.trees.remove import remove
from harness.stepping import closed_after

TREE = {
    "a": b"1",
    "b": {"c": b"2" * 200_000, "l": "c", "d": {"e": b"3"}, "z": {}},
    "y": b"4",
}


@pytest.mark.parametrize("fsync", [True, False])
@pytest.mark.parametrize("existing", [{}, {"new": {"o": b"o", "p": {"q": b"q"}}}, {"new": b"f"}])
def test_copy(
    new_world: Callable[..., Any],
    fds: Callable[[], list[str]],
    existing: dict[str, Any],
    fsync: bool,
) -> None:
    """COPY closed at any step: before the swap all is old, afterwards new; the old is told of."""
    for count in itertools.count(1):
        world = new_world()
        world.control.block_size = 65536
        world.control.fsync = fsync
        world.make({"old": TREE, **existing})
        opened, before, tree = fds(), world.snapshot(), world.snapshot("old")
        finished = closed_after(world.steps(copy, "old", "new", overwrite=True), count)
        assert fds() == opened
        assert world.snapshot("old") == tree
        if world.control.is_effective:
            assert world.snapshot("new") == tree
            assert bool(world.hidden()) == world.control.left_behind
        else:
            assert world.snapshot() == before
            assert not world.control.left_behind
        if finished:
            break
    assert count > 10
    assert world.hidden() == []


@pytest.mark.parametrize("existing", [{}, {"new": {"o": b"o", "p": {"q": b"q"}}}])
def test_move_across_file_systems(
    new_world: Callable[..., Any],
    fds: Callable[[], list[str]],
    other_tmpfs: Path,
    existing: dict[str, Any],
) -> None:
    """MOVE closed at any step: source and destination are whole, or the source is gone."""
    for count in itertools.count(1):
        here = new_world()
        (other_tmpfs / str(count)).mkdir()
        there = new_world(other_tmpfs / str(count))
        here.control.block_size = 65536
        here.make({"old": TREE})
        there.make(existing)
        opened, before, tree = fds(), (here.snapshot(), there.snapshot()), here.snapshot("old")
        running = _moved(here, there)
        finished = closed_after(running, count)
        assert fds() == opened
        if here.control.is_effective:
            assert there.snapshot("new") == tree
            assert not (here.folder / "old").exists()
            assert bool(here.hidden() + there.hidden()) == here.control.left_behind
        else:
            assert (here.snapshot(), there.snapshot()) == before
        if finished:
            break
    assert count > 20
    assert here.hidden() == there.hidden() == []


def _moved(here: Any, there: Any) -> Any:
    with here.entry("old") as source, there.entry("new") as target:
        return (yield from move(source, target, here.control, overwrite=True))


def test_move(new_world: Callable[..., Any], fds: Callable[[], list[str]]) -> None:
    """MOVE over a collection closed at any step: it has happened, what is left hidden is told."""
    for count in itertools.count(1):
        world = new_world()
        world.make({"old": TREE, "new": {"o": b"o", "p": {"q": b"q"}}})
        opened, tree = fds(), world.snapshot("old")
        finished = closed_after(world.steps(move, "old", "new", overwrite=True), count)
        assert fds() == opened
        assert world.snapshot("new") == tree
        assert not (world.folder / "old").exists()
        assert bool(world.hidden()) == world.control.left_behind
        if finished:
            break
    assert count > 3


def test_remove(new_world: Callable[..., Any], fds: Callable[[], list[str]]) -> None:
    """DELETE closed at any step: what has not been purged has its old name again."""
    for count in itertools.count(1):
        world = new_world()
        world.make({"old": TREE})
        opened, tree = fds(), world.snapshot("old")
        finished = closed_after(world.steps(remove, "old"), count)
        assert fds() == opened
        assert world.hidden() == []
        assert not world.control.left_behind
        if finished:
            break
        left = world.snapshot("old")
        assert left.items() <= tree.items()
        assert len(tree) - len(left) == world.control.progress.members_done
    assert count > 8
    assert os.listdir(world.folder) == []
