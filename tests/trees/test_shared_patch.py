"""PATCH where files share blocks: it costs what its part costs, and still loses nothing."""

import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.patch import Patch
from davkeep.trees.steps import Lane
from davkeep.words.failure import Failure
from harness.images import SHARING, disk_of, places
from harness.stepping import closed_after

BLOCK = 4096


@pytest.fixture(scope="module", params=SHARING)
def disk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A file system whose files share blocks."""
    with disk_of(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture
def there(disk: Path, request: pytest.FixtureRequest, new_world: Callable[..., Any]) -> Any:
    """A world on it."""
    folder = disk / request.node.name.partition("[")[0]
    folder.mkdir()
    return new_world(folder)


def _end(size: int) -> int:
    return size


def _at(position: int, size: int) -> int:
    return position


def _patch(world: Any, start: Callable[[int], int], content: bytes) -> None:
    with world.entry("f") as entry, Patch(entry, world.control, start) as patch:
        patch.write(content)
        world.drive(patch.commit())


def test_appends_share_all_but_the_last_block(there: Any) -> None:
    """Whatever the sizes are: each append leaves the whole blocks before it where they lie.

    It is short however large the file is, for no more is flushed than the part.
    """
    there.control.block_size = 200_000
    file, content = there.folder / "f", random.Random(1).randbytes(300_001)
    file.write_bytes(content)
    for size in (1000, 1, 100_000, 4096, 777):
        before, whole = places(file), len(content) // BLOCK
        part = random.Random(size).randbytes(size)
        _patch(there, _end, part)
        content += part
        after = places(file)
        assert file.read_bytes() == content
        assert [after[number] for number in range(whole)] == [before[n] for n in range(whole)]
        assert Lane.LONG not in there.lanes


def test_what_lies_around_a_part_is_shared(there: Any) -> None:
    """Of ``bytes=`` too: new are the blocks that it touches."""
    file, content = there.folder / "f", random.Random(2).randbytes(300_001)
    file.write_bytes(content)
    before = places(file)
    _patch(there, partial(_at, 100_000), b"x" * 10_000)
    after = places(file)
    assert file.read_bytes() == content[:100_000] + b"x" * 10_000 + content[110_000:]
    changed = [number for number in before if before[number] != after[number]]
    assert changed == list(range(100_000 // BLOCK, 109_999 // BLOCK + 1))


def _replaced(file: Path, content: bytes) -> None:
    new = file.with_name("new")
    new.write_bytes(content)
    new.replace(file)


def _rewritten(file: Path, content: bytes) -> None:
    file.write_bytes(content)


@pytest.mark.parametrize("size", [0, 4, 10, 10_000])
@pytest.mark.parametrize("change", [_replaced, _rewritten])
@pytest.mark.parametrize(("start", "position"), [(_end, None), (partial(_at, 4), 4)])
def test_a_change_meanwhile_is_not_lost(
    disk: Path,
    new_world: Callable[..., Any],
    tmp_path: Path,
    change: Callable[[Path, bytes], None],
    size: int,
    start: Callable[[int], int],
    position: int | None,
) -> None:
    """The part goes into the file as it is at the commit, and nothing else stays of the old."""
    folder = disk / tmp_path.name
    folder.mkdir()
    world = new_world(folder)
    file, new = folder / "f", b"n" * size
    file.write_bytes(b"o" * 9000)
    with world.entry("f") as entry, Patch(entry, world.control, start) as patch:
        patch.write(b"----")
        change(file, new)
        world.drive(patch.commit())
    begin = size if position is None else position
    assert file.read_bytes() == new[:begin].ljust(begin, b"\0") + b"----" + new[begin + 4 :]
    assert world.hidden() == []


def test_interrupted_anywhere(there: Any) -> None:
    """Closed at any checkpoint it leaves the file as it was, though the copy was made anew."""
    part, taken = b"-" * (3 << 20), 0
    while _interrupted(there, part, taken):
        assert (there.folder / "f").read_bytes() == b"changed"
        assert os.listdir(there.folder) == ["f"]
        taken += 1
    assert taken > 3
    assert (there.folder / "f").read_bytes() == b"changed" + part


def _interrupted(world: Any, part: bytes, count: int) -> bool:
    """Take ``count`` steps of a commit and close it; False if it ended before."""
    file = world.folder / "f"
    file.write_bytes(b"old")
    with world.entry("f") as entry, Patch(entry, world.control, _end) as patch:
        patch.write(part)
        file.write_bytes(b"changed")
        return not closed_after(patch.commit(), count)


def test_a_place_that_is_refused_later(there: Any) -> None:
    """The file as it is at the commit may be one that has no such place."""
    (there.folder / "f").write_bytes(b"1234567890")

    def start(size: int) -> int:
        if size < 10:
            raise Failure(416)
        return size - 10

    with there.entry("f") as entry, Patch(entry, there.control, start) as patch:
        patch.write(b"-")
        (there.folder / "f").write_bytes(b"123")
        with pytest.raises(Failure):
            there.drive(patch.commit())
    assert (there.folder / "f").read_bytes() == b"123"
    assert os.listdir(there.folder) == ["f"]
