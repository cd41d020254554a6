import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.store.subtrees import BELOW, IN_SUBTREE, ancestors, subtree

segment = st.binary(min_size=1, max_size=4).filter(lambda each: b"/" not in each)
paths = st.lists(segment, max_size=4).map(lambda each: b"/" + b"/".join(each))


def test_neighbours_are_not_below() -> None:
    """A name that begins like another one, or sorts next to it, is not inside it."""
    inside = [b"/a", b"/a/b", b"/a/b/c", b"/a/\xff", b"/a/\x01", b"/a//"]
    outside = [b"/", b"/ab", b"/a0", b"/a.", b"/a-", b"/A/b", b"/a\x00", b"/a\xff", b"/b/a"]
    assert [path for path in inside + outside if subtree(b"/a").holds(path)] == inside


def test_everything_is_below_the_root() -> None:
    """The root of the file system holds every path."""
    assert all(subtree(b"/").holds(path) for path in (b"/", b"/a", b"/\x01", b"/\xff", b"/a/b"))


@given(paths, paths)
def test_sqlite_agrees(root: bytes, path: bytes) -> None:
    """The conditions of SQL find exactly the paths that have the root among their ancestors."""
    tree = subtree(root)
    with sqlite3.connect(":memory:") as connection:
        row = connection.execute(
            f"SELECT {IN_SUBTREE}, {BELOW} FROM (SELECT CAST(? AS BLOB) AS path)",
            (*tree, *tree[1:], path),
        ).fetchone()
    below = root in ancestors(path)
    assert row == (below or path == root, below)
    assert tree.holds(path) is (below or path == root)


def test_ancestors() -> None:
    """From the parent up to the root, which has none."""
    assert ancestors(b"/a/\xff/c") == [b"/a/\xff", b"/a", b"/"]
    assert ancestors(b"/a") == [b"/"]
    assert ancestors(b"/") == []


@pytest.mark.parametrize("path", [b"", b"a", b"a/b", b"/a/", b"//", b"/a//b"])
def test_other_paths_are_refused(path: bytes) -> None:
    """A path in another spelling would never be found again, so it cannot be used."""
    with pytest.raises(ValueError, match="is not an absolute path"):
        subtree(path)
    with pytest.raises(ValueError, match="is not an absolute path"):
        ancestors(path)
