import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from davkeep.store.database import Database
from davkeep.store.extent import MOST_BYTES, MOST_ROWS
from davkeep.store.properties import DeadProperties

#: Names that begin alike, sort next to each other, or are no text.
NEAR = [b"/a", b"/a/b", b"/a/b/c", b"/a/\x01\n", b"/a/\xff\xfe", b"/ab", b"/a0", b"/a.", b"/a\xff"]
INSIDE, OUTSIDE = NEAR[:5], NEAR[5:]

#: Seconds that a test waits for other threads before it fails.
PATIENCE = 30


@pytest.fixture
def near(properties: DeadProperties) -> DeadProperties:
    """Each path of NEAR has one property, whose value is the path."""
    for path in NEAR:
        properties.change(path, {"{x:}p": path})
    return properties


def everything(properties: DeadProperties) -> dict[bytes, bytes]:
    return {path: found["{x:}p"] for path, found in properties.under(b"/", "infinity").items()}


def test_change_and_get(properties: DeadProperties) -> None:
    """Properties are set, replaced and removed one by one, byte for byte."""
    properties.change(b"/a", {"{x:}p": b"1", "{x:}q": b"\x00\xff<q/>"})
    properties.change(b"/a", {"{x:}p": b"2", "{y:}p": b"3"}, ["{x:}q", "{x:}missing"])
    assert properties.get(b"/a") == {"{x:}p": b"2", "{y:}p": b"3"}
    properties.change(b"/a", remove=["{x:}p", "{y:}p"])
    assert properties.get(b"/a") == {}


def test_set_wins_over_remove(properties: DeadProperties) -> None:
    """A name in both is set."""
    properties.change(b"/a", {"{x:}p": b"1"}, ["{x:}p"])
    assert properties.get(b"/a") == {"{x:}p": b"1"}


def test_get_is_about_one_path(near: DeadProperties) -> None:
    """What is near a path is not mixed up with it."""
    assert near.get(b"/a") == {"{x:}p": b"/a"}
    assert near.get(b"/a/\xff\xfe") == {"{x:}p": b"/a/\xff\xfe"}
    assert near.get(b"/a/\xff") == {}


def test_get_many(near: DeadProperties) -> None:
    """Many paths are answered at once, those without properties are left out."""
    paths = [b"/a/%d" % number for number in range(1200)]
    for path in (paths[0], paths[499], paths[500], paths[1199]):
        near.change(path, {"{x:}p": path, "{x:}q": b""})
    found = near.get_many([*paths, b"/a\xff"])
    assert sorted(found) == sorted([paths[0], paths[499], paths[500], paths[1199], b"/a\xff"])
    assert found[paths[500]] == {"{x:}p": paths[500], "{x:}q": b""}
    assert near.get_many([]) == {}


def test_under(near: DeadProperties) -> None:
    """Depth 0 is the path, 1 adds its members, infinity all that is below."""
    assert list(near.under(b"/a", "0")) == [b"/a"]
    assert sorted(near.under(b"/a", "1")) == sorted([b"/a", b"/a/b", b"/a/\x01\n", b"/a/\xff\xfe"])
    assert sorted(near.under(b"/a", "infinity")) == sorted(INSIDE)
    assert sorted(near.under(b"/a/b", "1")) == [b"/a/b", b"/a/b/c"]
    assert near.under(b"/missing", "infinity") == {}


def test_few_below(near: DeadProperties) -> None:
    """All that is below the path, unless there is more of it than may be read at once."""
    assert near.few_below(b"/a") == {path: {"{x:}p": path} for path in INSIDE[1:]}
    assert near.few_below(b"/missing") == {}
    near.change(b"/ab", {f"{{x:}}{number}": b"" for number in range(2 * MOST_ROWS)})
    assert len(near.few_below(b"/a") or {}) == len(INSIDE) - 1
    near.change(b"/a/b/c", {"{x:}p": b"x" * MOST_BYTES})
    assert near.few_below(b"/a/b") == {b"/a/b/c": {"{x:}p": b"x" * MOST_BYTES}}
    assert near.few_below(b"/a") is None
    near.remove(b"/a/b/c")
    near.change(b"/a/b", {f"{{x:}}{number}": b"" for number in range(MOST_ROWS - 3)})
    assert near.few_below(b"/a") is not None
    near.change(b"/a/b", {"{x:}one more": b""})
    assert near.few_below(b"/a") is None


def test_under_the_root_of_the_file_system(near: DeadProperties) -> None:
    """A share may be the whole file system."""
    near.change(b"/", {"{x:}p": b"/"})
    assert list(near.under(b"/", "0")) == [b"/"]
    assert sorted(near.under(b"/", "1")) == sorted([b"/", b"/a", *OUTSIDE])
    assert sorted(near.under(b"/", "infinity")) == sorted([b"/", *NEAR])


def test_move_changes_only_the_beginning(properties: DeadProperties) -> None:
    """A name that occurs again further down is kept when its collection moves."""
    for path in (b"/aa", b"/aa/x/aa/y", b"/aa/aa", b"/aab"):
        properties.change(path, {"{x:}p": path})
    properties.move(b"/aa", b"/bb")
    assert everything(properties) == {
        b"/bb": b"/aa",
        b"/bb/x/aa/y": b"/aa/x/aa/y",
        b"/bb/aa": b"/aa/aa",
        b"/aab": b"/aab",
    }


@pytest.mark.parametrize("destination", [b"/b", b"/longer/than/that", b"/\xff\x01", b"/a1"])
def test_move_takes_the_subtree(near: DeadProperties, destination: bytes) -> None:
    """Everything below moves, names of any bytes too; what merely begins alike stays."""
    near.move(b"/a", destination)
    moved = {destination + path[2:]: path for path in INSIDE}
    assert everything(near) == moved | {path: path for path in OUTSIDE}
    assert near.get(destination + b"/\xff\xfe") == {"{x:}p": b"/a/\xff\xfe"}


def test_copy_takes_the_subtree(near: DeadProperties) -> None:
    """A copy has the same properties, and the source keeps its own."""
    near.copy(b"/a", b"/c\xff")
    copied = {b"/c\xff" + path[2:]: path for path in INSIDE}
    assert everything(near) == copied | {path: path for path in NEAR}


def test_copy_of_depth_0(near: DeadProperties) -> None:
    """Only the collection's own properties are copied."""
    near.copy(b"/a", b"/c", depth_infinity=False)
    assert everything(near) == {b"/c": b"/a"} | {path: path for path in NEAR}


def test_copy_of_depth_0_into_itself(near: DeadProperties) -> None:
    """A copy without members may lie inside its source, the file system's root too."""
    near.copy(b"/a", b"/a/b", depth_infinity=False)
    assert near.under(b"/a/b", "infinity") == {b"/a/b": {"{x:}p": b"/a"}}
    near.change(b"/", {"{x:}p": b"/"})
    near.copy(b"/", b"/r", depth_infinity=False)
    assert near.under(b"/r", "infinity") == {b"/r": {"{x:}p": b"/"}}


@pytest.mark.parametrize(
    "act",
    [
        lambda properties: properties.move(b"/a", b"/old"),
        lambda properties: properties.copy(b"/a", b"/old"),
        lambda properties: properties.copy(b"/a", b"/old", depth_infinity=False),
        lambda properties: properties.copy(b"/without", b"/old"),
        lambda properties: properties.move(b"/without", b"/old"),
    ],
)
def test_an_overwritten_destination_leaves_no_ghosts(
    near: DeadProperties, act: Callable[[DeadProperties], None]
) -> None:
    """What the destination and its members had is gone, whatever the source has."""
    for path in (b"/old", b"/old/b", b"/old/gone/deep", b"/older"):
        near.change(path, {"{x:}ghost": b""})
    act(near)
    found = near.under(b"/", "infinity")
    assert [path for path, each in found.items() if "{x:}ghost" in each] == [b"/older"]


def test_remove_takes_the_subtree(near: DeadProperties) -> None:
    """Everything below goes, what merely begins alike stays."""
    near.remove(b"/a")
    assert everything(near) == {path: path for path in OUTSIDE}
    near.remove(b"/")
    assert everything(near) == {}


@pytest.mark.parametrize(
    ("source", "destination"),
    [(b"/a", b"/a"), (b"/a", b"/a/b/d"), (b"/a/b", b"/a"), (b"/", b"/c"), (b"/a", b"/")],
)
def test_nested_paths_are_refused(near: DeadProperties, source: bytes, destination: bytes) -> None:
    """What cannot be done to files cannot be done to their properties, and nothing is lost."""
    with pytest.raises(ValueError, match="one in the other"):
        near.move(source, destination)
    with pytest.raises(ValueError, match="one in the other"):
        near.copy(source, destination)
    assert everything(near) == {path: path for path in NEAR}


@pytest.mark.parametrize("path", [b"", b"a", b"/a/", b"/a//b"])
def test_other_spellings_are_refused(properties: DeadProperties, path: bytes) -> None:
    """A property can be stored only under the path that finds it again."""
    for act in (
        lambda: properties.get(path),
        lambda: properties.change(path, {"{x:}p": b""}),
        lambda: properties.remove(path),
        lambda: properties.move(b"/x", path),
        lambda: properties.copy(path, b"/x"),
        lambda: properties.copy(path, b"/x", depth_infinity=False),
    ):
        with pytest.raises(ValueError, match="is not an absolute path"):
            act()


def test_they_survive_reopening(folder: Path) -> None:
    """Properties are on disk, with names of any bytes."""
    with Database(folder) as database:
        DeadProperties(database).change(b"/\xff\n", {"{x:}p": b"\xff"})
        DeadProperties(database).move(b"/\xff\n", b"/\xfe")
    with Database(folder) as database:
        assert DeadProperties(database).under(b"/", "infinity") == {b"/\xfe": {"{x:}p": b"\xff"}}


def test_an_outer_transaction_takes_them_back(
    near: DeadProperties, regretted: Callable[[], AbstractContextManager[None]]
) -> None:
    """Every change is undone with the transaction around it."""
    with regretted():
        near.move(b"/a", b"/ab")
        near.copy(b"/ab", b"/a0")
        near.remove(b"/a.")
        near.change(b"/a\xff", {"{x:}p": b"other"})
        assert everything(near) != {path: path for path in NEAR}
    assert everything(near) == {path: path for path in NEAR}


def test_a_failed_change_changes_nothing(database: Database, near: DeadProperties) -> None:
    """One property that cannot be stored keeps the others of the same change from being stored."""
    with pytest.raises(Exception, match="NOT NULL"):
        near.change(b"/a", {"{x:}q": b"", "{x:}r": None}, ["{x:}p"])  # type: ignore[dict-item]
    assert near.get(b"/a") == {"{x:}p": b"/a"}


def test_a_moving_tree_is_seen_in_one_place(near: DeadProperties) -> None:
    """Threads that look while a tree moves to and fro see it whole, here or there."""
    done, wrong = threading.Event(), []

    def look() -> None:
        while not done.is_set():
            found = everything(near)
            if len(found) != len(NEAR) or (b"/a" in found) == (b"/z" in found):
                wrong.append(found)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        near.move(b"/a", b"/z")
        near.move(b"/z", b"/a")
    done.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert wrong == []
