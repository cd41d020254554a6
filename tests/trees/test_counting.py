"""A count made ahead finds what the work then treats."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.copy import copy
from davkeep.trees.counting import Count, Totals, count
from davkeep.trees.descent import OPEN_LEVELS
from davkeep.trees.move import move
from davkeep.trees.remove import remove

TREE = {"f": b"four", "empty": b"", "c": {"g": b"x" * 100_000, "d": {}, "e": {"h": b"1"}}}

MIB = 1024 * 1024


def totals(world: Any, path: str, **options: Any) -> Totals:
    """Count an entry to the end."""
    options = {"follow_links": world.share.follow_symlinks} | options
    with world.entry(path) as entry:
        return ended(count(entry, **options))


def ended(steps: Count) -> Totals:
    """Drive a count to its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Totals = end.value
            return found


def done(world: Any) -> Totals:
    """What the work has treated."""
    return Totals(world.control.progress.members_done, world.control.progress.bytes_done)


def sparse(file: Path, *data: tuple[int, int], size: int) -> None:
    """Make a file of ``size`` bytes with so many bytes of data at each of these places."""
    with file.open("wb") as stream:
        for start, length in data:
            stream.seek(start)
            stream.write(b"x" * length)
        stream.truncate(size)


def agree(world: Any, **options: Any) -> Totals:
    """Count ``a``, copy it, and return both numbers, which have to be equal."""
    depth = {key: value for key, value in options.items() if key == "depth_infinity"}
    expected = totals(world, "a", **depth)
    world.run(copy, "a", "b", overwrite=False, **depth)
    assert done(world) == expected
    return expected


def test_files_and_collections(world: Any) -> None:
    """Every file and collection counts as one, the root included, with the bytes of the files."""
    world.make({"a": TREE})
    assert agree(world) == Totals(8, 100_005)


def test_more_members_than_one_stretch(world: Any) -> None:
    """Checkpoints within a large collection lose nothing."""
    world.make({"a": {f"{number}": b"xy" for number in range(300)}})
    assert agree(world) == Totals(301, 600)


@pytest.mark.parametrize("content", [b"", b"x" * 10, b"x" * (9 * MIB)])
def test_a_single_file(world: Any, content: bytes) -> None:
    """A file is one member of its size."""
    world.make({"a": content})
    assert agree(world) == Totals(1, len(content))


def test_a_collection_without_its_members(world: Any) -> None:
    """Depth 0 is one member without content."""
    world.make({"a": TREE})
    assert agree(world, depth_infinity=False) == Totals(1, 0)


def test_holes_are_left_out(world: Any) -> None:
    """Of a sparse file its data counts, to the byte, wherever the holes are."""
    world.make({"a": {}})
    sparse(world.folder / "a/start", (0, MIB), size=64 * MIB)
    sparse(world.folder / "a/both", (0, 5), (32 * MIB, MIB + 100), size=33 * MIB + 100)
    sparse(world.folder / "a/hole", size=16 * MIB)
    found = agree(world)
    assert found.members == 4
    assert 2 * MIB < found.bytes < 3 * MIB


def test_a_single_sparse_file(world: Any) -> None:
    """The same for a file that is copied by itself."""
    sparse(world.folder / "a", (8 * MIB, 10), size=9 * MIB)
    assert agree(world).bytes <= MIB


def test_hidden_names_do_not_count(world: Any) -> None:
    """What davkeep keeps for itself is not copied, so it is not counted."""
    world.make({"a": {"f": b"1", ".davkeep-x-1": {"g": b"22"}, "c": {".DAVKEEP": b"333"}}})
    assert agree(world) == Totals(3, 1)


def test_links_and_special_files_have_no_content(world: Any) -> None:
    """Each counts as one member."""
    world.make({"a": {"f": b"1234", "link": "f", "away": "/etc/passwd", "none": "gone"}})
    os.mkfifo(world.folder / "a/fifo")
    assert agree(world) == Totals(6, 4)


def test_links_that_are_followed(new_world: Callable[..., Any]) -> None:
    """They count as what they lead to: a file, a whole collection, or a link if that is nothing."""
    world = new_world(follow_symlinks=True)
    world.make({"other": TREE, "a": {"f": b"12", "file": "../other/f", "tree": "../other"}})
    world.make({"a": {"away": "/etc/passwd", "none": "gone", "up": "../a", "round": "round"}})
    sparse(world.folder / "other/holes", (MIB, 10), size=2 * MIB)
    (world.folder / "a/holes").symlink_to("../other/holes")
    found = agree(world)
    assert found.members == 1 + 2 + (8 + 1) + 4 + 1


def test_a_way_that_leads_through_a_link_and_deep_down(new_world: Callable[..., Any]) -> None:
    """Directories closed on the way down are found again, also above a link."""
    world = new_world(follow_symlinks=True)
    deep = world.folder / "other" / Path(*["d"] * (2 * OPEN_LEVELS))
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"123")
    world.make({"a": {"link": "../other", "g": b"4"}})
    assert agree(world) == Totals(1 + 1 + 1 + 2 * OPEN_LEVELS + 1, 4)


def test_members_that_cannot_be_read(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """They are as many in the count as in the copy; only their bytes were not foreseen."""
    world = new_world(open_folder)
    world.make({"a": {"closed": b"12", "shut": {"f": b"3"}, "g": b"4567", "c": {"h": b""}}})
    for path in ("", "a", "a/c"):
        os.chown(world.folder / path, 65534, 65534)
    (world.folder / "a/closed").chmod(0)
    (world.folder / "a/shut").chmod(0)

    def both() -> tuple[Totals, Totals, int]:
        expected = totals(world, "a")
        result = world.run(copy, "a", "b", overwrite=False)
        return expected, done(world), len(result.errors)

    assert as_nobody(both) == (Totals(6, 6), Totals(6, 4), 2)


def test_move_across_file_systems(new_world: Callable[..., Any], other_tmpfs: Path) -> None:
    """A MOVE that has to copy treats what a COPY without following links would."""
    here, there = new_world(follow_symlinks=True), new_world(other_tmpfs)
    here.make({"a": {**TREE, "link": "f"}})
    sparse(here.folder / "a/holes", (MIB, 10), size=2 * MIB)
    expected = totals(here, "a", follow_links=False)
    with here.entry("a") as source, there.entry("b") as target:
        assert here.drive(move(source, target, here.control, overwrite=False)).complete
    assert done(here) == expected
    assert expected.members == 10


def test_delete_counts_by_itself(world: Any) -> None:
    """A DELETE knows its members before the first goes, hidden ones too, and has no bytes."""
    world.make({"a": {**TREE, ".davkeep-x-1": b"hidden"}})
    world.run(remove, "a")
    progress = world.control.progress
    assert (progress.members_done, progress.members_total) == (9, 9)
    assert (progress.bytes_done, progress.bytes_total) == (0, 0)


def test_a_deep_tree_needs_few_descriptors(world: Any, fds: Callable[[], list[str]]) -> None:
    """However deep it is, a count holds one descent, its source, and what it reads."""
    (world.folder / "a" / Path(*["d"] * 200)).mkdir(parents=True)
    before = len(fds())
    with world.entry("a") as entry:
        most = max(len(fds()) for _ in count(entry, follow_links=False))
    assert most - before <= OPEN_LEVELS + 4


def test_a_count_that_is_given_up_holds_nothing(world: Any, fds: Callable[[], list[str]]) -> None:
    """Closed at any checkpoint, it has closed all it had opened."""
    world.make({"a": TREE})
    sparse(world.folder / "a/holes", (MIB, 10), size=2 * MIB)
    with world.entry("a") as entry:
        before = fds()
        checkpoints = sum(1 for _ in count(entry, follow_links=False))
        for number in range(checkpoints):
            steps = count(entry, follow_links=False)
            for _ in range(number + 1):
                next(steps)
            steps.close()
            assert fds() == before


def test_what_vanishes_meanwhile_is_not_there(world: Any) -> None:
    """A collection that goes between being seen and being entered is no error."""
    world.make({"a": {"c": {"f": b"1"}, "g": b"22"}})
    with world.entry("a") as entry:
        steps = count(entry, follow_links=False)
        next(steps)
        (world.folder / "a/c/f").unlink()
        (world.folder / "a/c").rmdir()
        assert ended(steps) == Totals(3, 2)


def test_a_source_that_is_gone(world: Any) -> None:
    """Nothing is counted of what is not there."""
    with pytest.raises(FileNotFoundError):
        totals(world, "a")
