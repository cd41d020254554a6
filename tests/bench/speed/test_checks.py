"""The checks of the comparison can fail: each kind of wrong answer is found."""

import os
from pathlib import Path

import pytest

from bench.speed.checks import (
    differences,
    inodes,
    listed,
    names_below,
    sharing,
    snapshot,
    vary_modes,
)
from bench.speed.peers import PEERS
from bench.speed.site import Site
from bench.trees import make_tree

FILE = "0000/000000.bin"
SIZE = 64


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of three files."""
    folder = make_tree(tmp_path / "tree", 3, SIZE)
    vary_modes(folder)
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """An equal one."""
    folder = make_tree(tmp_path / "copy", 3, SIZE)
    vary_modes(folder)
    return folder


def _found(tree: Path, copy: Path) -> list[str]:
    return [
        *differences(snapshot(copy), snapshot(tree)),
        *sharing(inodes(tree), inodes(copy)),
    ]


def test_equal_trees_are_in_order(tree: Path, copy: Path) -> None:
    """Nothing is found where nothing is wrong."""
    assert _found(tree, copy) == []


def test_each_difference_is_found(tree: Path, copy: Path) -> None:
    """Names, bytes, modes and shared inodes."""
    (copy / FILE).write_bytes(b"x" * SIZE)
    assert _found(tree, copy) == ["bytes differ"]
    (copy / "0000").chmod(0o711)
    assert _found(tree, copy) == ["bytes differ", "modes are not kept"]
    (copy / FILE).unlink()
    assert "1 members are missing" in _found(tree, copy)
    os.link(tree / FILE, copy / FILE)
    assert "COPY makes hard links" in _found(tree, copy)
    (copy / "stale").touch()
    assert "what was there before is mixed with what came" in _found(tree, copy)


def _multistatus(paths: list[str], prop: str) -> bytes:
    responses = "".join(
        f"<response><href>{path}</href><propstat><prop>{prop}</prop>"
        "<status>HTTP/1.1 200 OK</status></propstat></response>"
        for path in paths
    )
    return f'<multistatus xmlns="DAV:">{responses}</multistatus>'.encode()


LENGTH = f"<getcontentlength>{SIZE}</getcontentlength>"


def test_a_listing_is_read(tree: Path) -> None:
    """Members, lengths and properties of a multi-status are compared with the folder."""
    wanted = names_below(tree)
    paths = sorted(wanted)
    assert "/tree" in wanted
    assert f"/tree/{FILE}" in wanted

    def found(paths: list[str], prop: str, *names: str) -> list[str]:
        return list(listed(_multistatus(paths, prop), wanted, SIZE, names))

    assert found(paths, LENGTH, "{DAV:}getcontentlength") == []
    assert found(paths[:-1], LENGTH) == ["the members of a listing are wrong"]
    assert found([*paths, paths[0]], LENGTH) == ["a member is listed twice"]
    wrong = "<getcontentlength>1</getcontentlength>"
    assert found(paths, wrong) == ["the lengths in a listing are wrong"]
    asked = ("{DAV:}getcontentlength", "{DAV:}getetag")
    assert found(paths, LENGTH, *asked) == ["PROPFIND knows 1 of the 2 properties"]


def test_davkeep_may_have_no_lapse(tmp_path: Path) -> None:
    """What is told of another server ends the run with davkeep."""
    other = Site(PEERS["apache"], None, tmp_path, is_disk=False)
    other.found(["modes are not kept"])
    assert other.lapses == {"modes are not kept"}
    for name in ("davkeep", "davkeep-fsync"):
        own = Site(PEERS[name], None, tmp_path, is_disk=False)
        own.found([])
        with pytest.raises(AssertionError, match="modes are not kept"):
            own.found(["modes are not kept"])


def test_what_is_hidden_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A work has ended when nothing hidden is left in the share."""
    site = Site(PEERS["davkeep"], None, tmp_path, is_disk=False)
    hidden = site.share / ".davkeep-instance-1"
    hidden.mkdir(parents=True)
    looks = []

    def look(_: float) -> None:
        looks.append(hidden.exists())
        hidden.rmdir()

    monkeypatch.setattr("bench.speed.site.sleep", look)
    site.settle()
    assert looks == [True]
