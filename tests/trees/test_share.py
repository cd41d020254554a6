"""Entries of a share: what a path leads to, and that nothing leads out."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees import listing
from davkeep.trees.collection import make_collection
from davkeep.trees.share import Kind


def test_an_entry_tells_what_is_there(world: Any) -> None:
    """A file, a collection, a FIFO and nothing are told apart; the path is the real one."""
    world.make({"d": {"f": b"x"}})
    os.mkfifo(world.folder / "p")
    kinds = {}
    for path in ("d/f", "d", "p", "d/none"):
        with world.entry(path) as entry:
            kinds[path] = entry.kind
    assert kinds == {"d/f": Kind.FILE, "d": Kind.COLLECTION, "p": Kind.SPECIAL, "d/none": None}
    with world.entry("d/f") as entry:
        assert entry.key == os.fsencode(os.path.realpath(world.folder)) + b"/d/f"
        assert not entry.is_root


def test_the_root_is_an_entry(world: Any) -> None:
    """The share's root has no segments, the name '.', and the share's own key."""
    with world.entry("") as entry:
        assert entry.is_root
        assert entry.name == "."
        assert entry.kind is Kind.COLLECTION
        assert entry.key == os.fsencode(os.path.realpath(world.folder))


def test_missing_and_wrong_parents(world: Any) -> None:
    """A missing parent is FileNotFoundError, a file as a parent NotADirectoryError."""
    world.make({"f": b""})
    with pytest.raises(FileNotFoundError):
        world.entry("no/x")
    with pytest.raises(NotADirectoryError):
        world.entry("f/x")


@pytest.mark.parametrize("segment", ["", ".", "..", "a/b", "nul\0"])
def test_impossible_segments_fail_at_birth(world: Any, segment: str) -> None:
    """A segment that is no name raises ValueError rather than lead anywhere."""
    with pytest.raises(ValueError, match="no name"):
        world.share.entry((segment,))


def test_reserved_segments_are_refused(world: Any) -> None:
    """A reserved name is refused in every segment."""
    for path in (".davkeep-x", ".DAVKEEP/x", "a/.davkeep"):
        with pytest.raises(PermissionError):
            world.entry(path)


def test_links_are_refused_and_hidden(world: Any) -> None:
    """Without following, a link is refused as an entry and as a parent, and is not listed."""
    world.make({"d": {"f": b"x"}, "file": "d/f", "folder": "d"})
    with world.entry("file") as entry, pytest.raises(OSError, match="Errno") as refused:
        entry.stat()
    assert refused.value.errno == errno.ELOOP
    with pytest.raises(OSError, match="Errno") as refused:
        world.entry("folder/f")
    assert refused.value.errno == errno.ELOOP
    assert {name for name, _ in world.share.members(())} == {"d"}


def test_links_are_followed_inside_the_share(new_world: Callable[..., Any]) -> None:
    """With following, relative, absolute, chained and dangling links lead to their targets."""
    world = new_world(follow_symlinks=True)
    world.make({"d": {"f": b"x", "up": "../d/f"}, "chain": "folder/up", "folder": "d"})
    (world.folder / "absolute").symlink_to(world.folder / "d")
    (world.folder / "new").symlink_to("d/new")
    targets = {}
    for path in ("chain", "folder/f", "absolute/f", "new", "folder/up"):
        with world.entry(path) as entry:
            targets[path] = "/".join(entry.segments)
    assert targets == {
        "chain": "d/f",
        "folder/f": "d/f",
        "absolute/f": "d/f",
        "new": "d/new",
        "folder/up": "d/f",
    }
    assert {"chain", "folder", "absolute"} <= {name for name, _ in world.share.members(())}


def test_no_link_leads_out_of_the_share(new_world: Callable[..., Any], tmp_path: Path) -> None:
    """With following, a link to outside or to a reserved name is refused, looped ones too."""
    world = new_world(follow_symlinks=True)
    (tmp_path / "secret").write_bytes(b"s")
    world.make(
        {"out": "../secret", "root": "/", "loop": "loop", "staging": ".davkeep-x/f", "up": ".."}
    )
    world.make({"f": b"1"}, ".davkeep-x")
    for path in ("out", "root/etc", "loop", "staging", "up/secret"):
        with pytest.raises(OSError, match="Errno") as refused:
            world.entry(path)
        assert refused.value.errno in (errno.EACCES, errno.ELOOP)
    assert list(world.share.members(())) == []


def test_the_last_link_can_be_meant_itself(new_world: Callable[..., Any]) -> None:
    """For DELETE and MOVE the entry can be the link and not its target."""
    world = new_world(follow_symlinks=True)
    world.make({"d": {"f": b"x"}, "l": "d"})
    with world.entry("l", follow_last=False) as entry:
        assert entry.kind is Kind.LINK
    with world.entry("l/f", follow_last=False) as entry:
        assert entry.segments == ("d", "f")


def test_every_name_is_listed(world: Any) -> None:
    """Control characters, newlines and invalid UTF-8 are listed; reserved names are not."""
    names = [b"new\nline", b"\x01\x7f", b"\xff\xfe", b"\xe2\x28", b" ", b"a\\b"]
    for name in (*names, b".davkeep-x", b".DAVKEEP"):
        (Path(os.fsdecode(os.fsencode(world.folder) + b"/" + name))).write_bytes(b"x")
    listed = {os.fsencode(name): status.st_size for name, status in world.share.members(())}
    assert listed == dict.fromkeys(names, 1)
    with world.entry("") as entry:
        assert len(list(world.share.members(entry))) == len(names)


def test_only_regular_files_are_opened(world: Any) -> None:
    """Opening a FIFO fails at once instead of waiting for a writer; a file can be read."""
    os.mkfifo(world.folder / "p")
    world.make({"f": b"text", "d": {}})
    with world.entry("p") as entry, pytest.raises(PermissionError):
        entry.open()
    with world.entry("d") as entry, pytest.raises(IsADirectoryError):
        entry.open()
    with world.entry("f") as entry:
        fd = entry.open()
        assert os.read(fd, 9) == b"text"
        os.close(fd)


def test_two_urls_of_one_tree_are_one_place(
    new_world: Callable[..., Any], mount: Callable[..., Path]
) -> None:
    """A directory and its bind mount contain each other's members."""
    world = new_world()
    world.make({"d": {"x": {}}, "b": {}})
    mount("--bind", world.folder / "d", world.folder / "b")
    with world.entry("d") as here, world.entry("b/x") as there, world.entry("b") as bound:
        assert here.place.contains(there.place)
        assert bound.place.contains(here.place)
        assert not there.place.contains(here.place)


def test_nested_shares_share_places(new_world: Callable[..., Any]) -> None:
    """The place of a share's root contains what another share serves below it."""
    outer = new_world()
    outer.make({"d": {"f": b""}})
    inner = new_world(outer.folder / "d")
    with outer.entry("d") as above, inner.entry("f") as below, outer.entry("d/f") as same:
        assert above.place.contains(below.place)
        assert same.place.contains(below.place)
        assert below.place.contains(same.place)


def test_entries_close_their_descriptors(world: Any, fds: Callable[[], list[str]]) -> None:
    """Entries, failed ones and abandoned listings leave nothing open."""
    world.make({"d": {"f": b"", "g": b""}, "l": "d"})
    before = fds()
    with world.entry("d/f") as entry:
        entry.stat()
    for path in ("d/none/x", "l/f", "d/f/x"):
        with pytest.raises(OSError, match="Errno"):
            world.entry(path)
    members = world.share.members(("d",))
    next(members)
    members.close()
    assert fds() == before


def test_a_collection_that_is_replaced_while_it_is_read(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing is of the old collection or of the new one, never of one that is being purged."""
    world.make({"d": {"sub": {"a": b"", "b": b"", "c": b""}}, "new": {"sub": {"x": b"", "y": b""}}})
    read = listing._Level._batches

    def replaced_meanwhile(level: Any) -> Any:
        monkeypatch.undo()
        (world.folder / "d").rename(world.folder / ".davkeep-old")
        (world.folder / "new").rename(world.folder / "d")
        (world.folder / ".davkeep-old" / "sub" / "b").unlink()
        return read(level)

    monkeypatch.setattr(listing._Level, "_batches", replaced_meanwhile)
    assert {name for name, _ in world.share.members(("d", "sub"))} == {"x", "y"}


def test_a_member_of_a_collection_that_is_replaced(world: Any) -> None:
    """Who looked into the old collection too late looks into the new one, and sees no gap."""
    world.make({"d": {"f": b"old"}, "new": {"f": b"newer"}})

    def size(entry: Any) -> int:
        if (world.folder / "new").exists():
            (world.folder / "d").rename(world.folder / ".davkeep-old")
            (world.folder / "new").rename(world.folder / "d")
            (world.folder / ".davkeep-old" / "f").unlink()
        return int(entry.stat().st_size)

    assert world.share.read(("d", "f"), size) == len(b"newer")
    with pytest.raises(FileNotFoundError):
        world.share.read(("d", "none"), size)


def test_make_collection(world: Any) -> None:
    """MKCOL makes one directory; a taken name, a link's too, is FileExistsError."""
    world.make({"l": "nowhere"})
    with world.entry("new") as entry:
        make_collection(entry, True)
        with pytest.raises(FileExistsError):
            make_collection(entry, True)
    with world.entry("l") as entry, pytest.raises(FileExistsError):
        make_collection(entry, False)
    with world.entry("") as entry, pytest.raises(FileExistsError):
        make_collection(entry, False)
    assert (world.folder / "new").is_dir()


def test_a_read_only_share_takes_nothing(new_world: Callable[..., Any]) -> None:
    """In a read-only share every change is EROFS."""
    world = new_world(readonly=True)
    with world.entry("new") as entry, pytest.raises(OSError, match="Errno") as refused:
        make_collection(entry, False)
    assert refused.value.errno == errno.EROFS
