"""Hidden names, segments, entity tags and places."""

import os
from pathlib import Path

import pytest

from davkeep.trees.identity import etag_of
from davkeep.trees.names import folded, is_hidden_name, is_segment
from davkeep.trees.place import Place


@pytest.mark.parametrize(
    "name",
    [
        ".davkeep",
        ".davkeep-a-1",
        ".DavKeep-x",
        "\uff0edavkeep",
        ".\uff44avkeep",
        ".davKeep\udcff",
        "\u2024davkeep",
    ],
)
def test_reserved_names_are_hidden(name: str) -> None:
    """Every spelling that folds to .davkeep is hidden, undecodable bytes after it included."""
    assert is_hidden_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "davkeep", ".davkee", "a.davkeep", "\udcff.davkeep", ".dav\x00keep", "ß"]
)
def test_other_names_are_shown(name: str) -> None:
    """No other name is hidden."""
    assert not is_hidden_name(name)


def test_folding_makes_equal_what_file_systems_may_fold() -> None:
    """Case, compatibility forms and composition do not make a difference, other letters do."""
    assert folded("É") == folded("e\u0301") == folded("é")
    assert folded("A") == folded("a")
    assert folded("a") != folded("b")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0"])
def test_no_segment(name: str) -> None:
    """What cannot be one name in a directory is no segment."""
    assert not is_segment(name)


def test_etag_changes_with_each_part(tmp_path: Path) -> None:
    """Inode, size, mtime or ctime: a change of any gives another ETag, and it has no quotes."""
    path = tmp_path / "f"
    path.write_bytes(b"1")
    os.utime(path, ns=(1, 1))
    first = path.stat()
    os.utime(path, ns=(1, 2))
    second = path.stat()
    (tmp_path / "g").write_bytes(b"1")
    os.utime(tmp_path / "g", ns=(1, 2))
    tags = {etag_of(first), etag_of(second), etag_of((tmp_path / "g").stat())}
    assert len(tags) == 3
    assert not any('"' in tag for tag in tags)


def _place(*steps: tuple[int, str], own: int | None = None) -> Place:
    entries = tuple((1, inode, name) for inode, name in steps)
    identities = tuple((1, inode) for inode, _ in steps)
    return Place(entries, (*identities, (1, own)) if own is not None else identities)


def test_a_place_contains_itself_and_what_is_below() -> None:
    """An entry contains itself and its members, not its parent or a sibling."""
    parent, child = _place((2, "a"), own=5), _place((2, "a"), (5, "b"))
    assert parent.contains(parent)
    assert parent.contains(child)
    assert not child.contains(parent)
    assert not parent.contains(_place((2, "c")))


def test_a_place_knows_a_tree_by_its_directory() -> None:
    """Two paths that lead to one directory are one place, whatever their names are."""
    here, there = _place((2, "a"), own=5), _place((3, "bind"), own=5)
    assert here.contains(there)
    assert here.contains(_place((3, "bind"), (5, "x")))
    assert here.is_directory_above(there)


def test_a_missing_entry_contains_only_itself() -> None:
    """What does not exist yet is known by its parent and name."""
    missing = _place((2, "new"))
    assert missing.own is None
    assert missing.contains(_place((2, "new")))
    assert not missing.is_directory_above(missing)
