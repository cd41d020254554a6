"""Walking a tree to list it: everything once, in bounded memory, old or new."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees import listing
from davkeep.trees.descent import OPEN_LEVELS
from davkeep.trees.listing import Part, Replaced, walk


def everywhere(_: tuple[str, ...]) -> bool:
    """Leave nothing out."""
    return False


def parts(world: Any, path: str = "", *, infinity: bool = True) -> Iterator[Part]:
    """Walk a collection of a world."""
    segments = tuple(segment for segment in path.split("/") if segment)
    return walk(world.share, segments, segments, infinity=infinity, leave_out=everywhere)


def paths(found: Iterator[Part]) -> list[str]:
    """The members of parts, sorted."""
    return sorted("/".join((*part.segments, name)) for part in found for name, _, _ in part.members)


TREE = {"a": b"1", "d": {"x": b"2", "e": {"y": b"3"}, ".davkeep-1": b""}, "empty": {}, "l": "d"}


def test_what_is_listed(new_world: Callable[..., Any]) -> None:
    """Members of the collection, or of all below; no reserved names, links only if followed."""
    world = new_world()
    world.make(TREE)
    assert paths(parts(world, infinity=False)) == ["a", "d", "empty"]
    assert paths(parts(world)) == ["a", "d", "d/e", "d/e/y", "d/x", "empty"]
    assert paths(parts(world, "d/e")) == ["d/e/y"]
    follower = new_world(follow_symlinks=True)
    follower.make({**TREE, "f": "l/e/y", "up": {"again": "..", "none": "missing", "out": "/etc"}})
    links = ["f", "l", "l/e", "l/e/y", "l/x", "up", "up/again"]
    assert paths(parts(follower)) == sorted([*paths(parts(world)), *links])
    members = [member for part in parts(follower) for member in part.members]
    real = {name: where for name, _, where in members if where is not None}
    assert real == {"f": ("d", "e", "y"), "l": ("d",), "again": ()}


def test_a_part_knows_where_it_is(new_world: Callable[..., Any]) -> None:
    """The names that were asked for, and the real ones."""
    world = new_world(follow_symlinks=True)
    world.make(TREE)
    found = {
        part.segments: part.real
        for part in walk(world.share, ("l",), ("d",), infinity=True, leave_out=everywhere)
    }
    assert found == {("l",): ("d",), ("l", "e"): ("d", "e")}


def test_what_is_left_out_is_not_entered(world: Any) -> None:
    """Neither the collection nor anything below it; it is a member all the same."""
    world.make(TREE)
    found = walk(world.share, (), (), infinity=True, leave_out=lambda path: path == ("d", "e"))
    assert paths(found) == ["a", "d", "d/e", "d/x", "empty"]


def test_a_large_collection_comes_in_parts(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part is larger than agreed, and every member and collection is met once."""
    monkeypatch.setattr(listing, "WHOLE", 8)
    for number in range(30):
        world.make({f"d{number:02}": {"in": {"f": b""}}, f"f{number:02}": b""})
    found = list(parts(world))
    assert max(len(part.members) for part in found) == 8
    below = [f"d{number:02}{rest}" for number in range(30) for rest in ("", "/in", "/in/f")]
    assert paths(iter(found)) == sorted([*below, *(f"f{number:02}" for number in range(30))])


def test_a_deep_tree(world: Any) -> None:
    """Deeper than a path can be long, with few descriptors and members on the way back."""
    depth, name = 400, "d" * 16
    fd = os.open(world.folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("z", dir_fd=fd)
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    before, members, most = descriptors(), 0, 0
    for part in parts(world):
        members += len(part.members)
        most = max(most, descriptors() - before)
    assert members == 2 * depth
    assert OPEN_LEVELS / 2 < most < OPEN_LEVELS + 4
    assert descriptors() == before


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_an_abandoned_walk_leaves_nothing_open(
    world: Any, fds: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was given up, also while a collection is read again."""
    monkeypatch.setattr(listing, "WHOLE", 2)
    world.make({f"d{number}": {"e": {"f": b""}} for number in range(9)})
    before = fds()
    for count in range(20):
        found = parts(world)
        for _ in range(count):
            next(found, None)
        found.close()
        assert fds() == before


def test_members_that_vanish_are_left_out(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are gone when they are looked at, and collections that are when entered."""
    world.make({"f": b"", "g": b"", "d": {"x": b""}, "e": {"y": b""}})
    found = parts(world)
    first = next(found)
    assert len(first.members) == 4
    (world.folder / "d/x").unlink()
    (world.folder / "d").rmdir()
    assert paths(found) == ["e/y"]

    class Vanishing:
        """An entry whose file is gone when it is looked at."""

        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name = entry.name
            self._entry = entry

        def stat(self, **options: Any) -> os.stat_result:
            if self.name == "f":
                (world.folder / "f").unlink()
            return self._entry.stat(**options)

    scan = os.scandir

    class Scan:
        """A scan of such entries."""

        def __init__(self, fd: int) -> None:
            self._entries = scan(fd)

        def __enter__(self) -> Iterator[Vanishing]:
            return map(Vanishing, self._entries)

        def __exit__(self, *_: object) -> None:
            self._entries.close()

    monkeypatch.setattr(os, "scandir", Scan)
    assert paths(parts(world, infinity=False)) == ["e", "g"]


def replace(world: Any, old: str, new: str) -> None:
    """What a COPY does to an existing destination: the old one is out of sight, and purged."""
    hidden = world.folder / ".davkeep-old"
    (world.folder / old).rename(hidden)
    (world.folder / new).rename(world.folder / old)
    for above, names, files in os.walk(hidden, topdown=False):
        for name in files:
            Path(above, name).unlink()
        for name in names:
            Path(above, name).rmdir()
    hidden.rmdir()


@pytest.mark.parametrize("depth", ["", "/d" * 40])
def test_a_tree_that_is_replaced_on_the_way(world: Any, depth: str) -> None:
    """What was not read yet is read of the new tree, never of the one that is being purged."""
    os.makedirs(f"{world.folder}/old{depth}/sub/old")
    os.makedirs(f"{world.folder}/new{depth}/sub/new")
    found = parts(world, "old")
    for _ in range(1 + len(depth) // 2):
        next(found)
    replace(world, "old", "new")
    assert paths(found) == [f"old{depth}/sub/new"]


def test_a_large_collection_that_is_replaced(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which a part was given: it fails. If it is only gone, the rest is left out."""
    monkeypatch.setattr(listing, "WHOLE", 2)
    for ending in ("replaced", "removed"):
        world.make({"d": dict.fromkeys("abcdefgh", b""), "e": {"x": b""}})
        found = parts(world)
        assert len(next(found).members) == 2
        while (part := next(found)).segments != ("d",):
            pass
        assert len(part.members) == 2
        if ending == "replaced":
            replace(world, "d", "e")
            with pytest.raises(Replaced):
                list(found)
        else:
            (world.folder / "d").rename(world.folder / ".davkeep-gone")
            assert ("d",) not in [part.segments for part in found]


def test_a_shortage_is_no_end(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of descriptors, or a disk that fails: the walk fails too, and nothing looks empty."""
    world.make(TREE)
    opened = os.open
    for code in (errno.EMFILE, errno.EIO):

        def failing(path: Any, *args: Any, code: int = code, **options: Any) -> int:
            if path == "e":
                raise OSError(code, os.strerror(code))
            return opened(path, *args, **options)

        monkeypatch.setattr(os, "open", failing)
        with pytest.raises(OSError, match=os.strerror(code)):
            paths(parts(world))
        monkeypatch.undo()
    assert len(paths(parts(world))) == 6
