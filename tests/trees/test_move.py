"""MOVE: one rename, or a copy, a swap and a removal (the promises, COPY and MOVE)."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.move import move
from davkeep.trees.share import Entry
from davkeep.trees.steps import DestinationError, Lane

TREE = {"d": {"f": b"one", "sub": {"g": b"two", "l": "f"}}, "file": b"new"}


@pytest.mark.parametrize("name", ["d", "file"])
def test_a_move_is_one_rename(world: Any, name: str) -> None:
    """To a free name the same inode gets the new name; nothing is staged or counted as bulk."""
    world.make(TREE)
    inode, before = (world.folder / name).stat().st_ino, world.snapshot()[name.encode()]
    result = world.run(move, name, "e", overwrite=False)
    assert (result.created, result.complete) == (True, True)
    assert (world.folder / "e").stat().st_ino == inode
    assert world.snapshot()[b"e"] == before
    assert not (world.folder / name).exists()
    assert world.lanes == []
    assert world.control.is_effective


@pytest.mark.parametrize(
    ("source", "target"), [("d", "e"), ("d", "old"), ("file", "e"), ("file", "old")]
)
def test_any_type_replaces_any_type(world: Any, source: str, target: str) -> None:
    """With overwrite the source takes the place of a file or collection, and the old one goes."""
    world.make({**TREE, "e": {"o": b"o", "deep": {"p": b"p"}}, "old": b"older"})
    kept = world.snapshot()[source.encode()]
    result = world.run(move, source, target, overwrite=True)
    assert (result.created, result.complete) == (False, True)
    assert world.snapshot()[target.encode()] == kept
    assert not (world.folder / source).exists()
    assert world.hidden() == []


def test_a_replaced_destination_is_old_or_new(world: Any) -> None:
    """At every checkpoint the destination is the old tree or the new one; purging is bulk work."""
    world.make({**TREE, "e": {"o": b"o", "deep": {"p": b"p"}}})
    new = world.snapshot("d")
    for _ in world.steps(move, "d", "e", overwrite=True):
        assert world.snapshot("e") == new
        assert not (world.folder / "d").exists()
        assert world.control.is_effective


def test_overwrite_false_cannot_lose_a_race(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is taken between the check and the rename is not overwritten."""
    world.make(TREE)
    with world.entry("d") as source, world.entry("e") as target:
        monkeypatch.setattr(target, "find", lambda: None)
        (world.folder / "e").write_bytes(b"mine")
        with pytest.raises(FileExistsError):
            world.drive(move(source, target, world.control, overwrite=False))
    assert (world.folder / "e").read_bytes() == b"mine"
    assert (world.folder / "d/f").exists()


def test_without_overwrite_nothing_is_touched(world: Any) -> None:
    """Overwrite: F over something is FileExistsError."""
    world.make({**TREE, "e": {}})
    before = world.snapshot()
    for source in ("d", "file"):
        with pytest.raises(FileExistsError):
            world.run(move, source, "e", overwrite=False)
    assert world.snapshot() == before


def test_a_hard_link_moved_onto_the_other_goes(world: Any) -> None:
    """MOVE between two names of one file leaves one name and the content."""
    world.make(TREE)
    os.link(world.folder / "file", world.folder / "twin")
    result = world.run(move, "file", "twin", overwrite=True)
    assert (result.created, result.complete) == (False, True)
    assert not (world.folder / "file").exists()
    assert (world.folder / "twin").read_bytes() == b"new"


def test_a_hard_link_is_not_overwritten_without_leave(world: Any) -> None:
    """Another name of the same file counts as an existing destination."""
    world.make(TREE)
    os.link(world.folder / "file", world.folder / "twin")
    with pytest.raises(FileExistsError):
        world.run(move, "file", "twin", overwrite=False)
    assert (world.folder / "file").stat().st_nlink == 2


def test_a_hard_link_comes_back_when_the_store_fails(world: Any) -> None:
    """The removed name is there again if what must change with it fails."""
    world.make(TREE)
    os.link(world.folder / "file", world.folder / "twin")
    world.control.effective = lambda: (_ for _ in ()).throw(RuntimeError())
    with pytest.raises(RuntimeError):
        world.run(move, "file", "twin", overwrite=True)
    assert (world.folder / "file").stat().st_nlink == 2


@pytest.mark.parametrize("name", ["file", "d"])
def test_a_change_of_case_is_a_rename(
    world: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system folds case, MOVE to another case keeps the content."""
    world.make(TREE)
    new = name.upper()
    find = Entry.find

    def folding(entry: Entry) -> Any:
        if entry.name == new:
            return os.lstat(name, dir_fd=entry.parent_fd)
        return find(entry)

    monkeypatch.setattr("davkeep.trees.share.Entry.find", folding)
    before = world.snapshot()[name.encode()]
    result = world.run(move, name, new, overwrite=False)
    assert result.complete
    assert name not in os.listdir(world.folder)
    assert world.snapshot()[new.encode()] == before


def test_two_mounts_of_one_file_are_never_unlinked(
    new_world: Callable[..., Any], mount: Callable[..., Path], tmp_path: Path
) -> None:
    """MOVE between two shares that are one folder is refused and loses nothing."""
    world = new_world()
    world.make(TREE)
    other = new_world(mount("--bind", world.folder, tmp_path / "bound"))
    for name in ("file", "d"):
        with (
            world.entry(name) as source,
            other.entry(name) as target,
            pytest.raises(PermissionError),
        ):
            world.drive(move(source, target, world.control, overwrite=True))
    assert (world.folder / "file").read_bytes() == b"new"


def test_one_file_that_looks_like_two_is_not_unlinked(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two entries of one inode that has a single link are one file, whatever else is said."""
    world.make(TREE)
    status = (world.folder / "file").stat()
    with world.entry("file") as source, world.entry("d/other") as target:
        monkeypatch.setattr(target, "find", lambda: status)
        with pytest.raises(PermissionError):
            world.drive(move(source, target, world.control, overwrite=True))
    assert (world.folder / "file").exists()


def test_roots_and_nesting_are_refused(world: Any) -> None:
    """MOVE of or onto a share's root, onto itself, into itself or onto an ancestor is EPERM."""
    world.make(TREE)
    before = world.snapshot()
    for source, target in (
        ("", "x"),
        ("d", ""),
        ("d", "d"),
        ("file", "file"),
        ("d", "d/sub/new"),
        ("d/sub", "d"),
        ("d/f", "d"),
    ):
        with pytest.raises(PermissionError) as refused:
            world.run(move, source, target, overwrite=True)
        assert refused.value.errno == errno.EPERM
    assert world.snapshot() == before


def test_a_link_is_moved_as_a_link(new_world: Callable[..., Any]) -> None:
    """With following, MOVE of a link moves the link and not what it leads to."""
    world = new_world(follow_symlinks=True)
    world.make({**TREE, "l": "d"})
    world.run(move, "l", "m", overwrite=False, follow_last=False)
    assert os.readlink(world.folder / "m") == "d"
    assert (world.folder / "d/f").exists()


def test_a_read_only_collection_can_be_moved_by_its_owner(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """A collection of mode 0555 moves into another collection, keeping its mode."""
    world = new_world(open_folder)
    world.make({"d": {"f": b"1"}, "into": {}, "e": {"x": b""}})
    for name in ("", "d", "into", "e"):
        os.chown(open_folder / name, 65534, 65534)
    for name in ("d", "e"):
        (open_folder / name).chmod(0o555)
    as_nobody(lambda: world.run(move, "d", "into/d", overwrite=False))
    assert stat.S_IMODE((open_folder / "into/d").stat().st_mode) == 0o555
    as_nobody(lambda: world.run(move, "into/d", "e", overwrite=True))
    assert os.listdir(open_folder / "e") == ["f"]
    assert stat.S_IMODE((open_folder / "e").stat().st_mode) == 0o555
    assert world.hidden() == []


@pytest.mark.parametrize("source", ["d", "file"])
@pytest.mark.parametrize("existing", [{}, {"e": {"o": b"o"}}, {"e": b"old"}])
def test_a_store_that_fails_takes_the_rename_back(
    world: Any, source: str, existing: dict[str, Any]
) -> None:
    """If what has to change with the rename fails, source and destination are as they were."""
    world.make({**TREE, **existing})
    before = world.snapshot()
    world.control.effective = lambda: (_ for _ in ()).throw(RuntimeError())
    with pytest.raises(RuntimeError):
        world.run(move, source, "e", overwrite=True)
    assert world.snapshot() == before
    assert not world.control.is_effective


@pytest.mark.usefixtures("without_flags")
@pytest.mark.parametrize("source", ["d", "file"])
@pytest.mark.parametrize("existing", [{}, {"e": {"o": b"o"}}, {"e": b"file"}])
def test_without_renameat2_flags(world: Any, source: str, existing: dict[str, Any]) -> None:
    """Where names cannot be exchanged the old is renamed aside; the end is the same."""
    world.make({**TREE, **existing})
    kept = world.snapshot()[source.encode()]
    result = world.run(move, source, "e", overwrite=True)
    assert result.created is (not existing)
    assert world.snapshot()[b"e"] == kept
    assert not (world.folder / source).exists()
    assert world.hidden() == []


@pytest.mark.usefixtures("without_flags")
@pytest.mark.parametrize("source", ["d", "file"])
def test_without_renameat2_flags_a_taken_name_stays(world: Any, source: str) -> None:
    """By hand, too, a rename that must not replace does not."""
    world.make({**TREE, "e": {"o": b"o"}, "f2": b"mine"})
    before = world.snapshot()
    for name in ("e", "f2"):
        with world.entry(source) as here, world.entry(name) as there:
            there.find = lambda: None
            with pytest.raises(FileExistsError):
                world.drive(move(here, there, world.control, overwrite=False))
    assert world.snapshot() == before


def test_a_tree_with_a_mount_below_is_renamed(world: Any, mount: Callable[..., Path]) -> None:
    """Within one file system a mount point below the source moves along with it."""
    world.make({"d": {"m": {}}})
    point = mount("-t", "tmpfs", "tmpfs", world.folder / "d/m")
    (point / "f").write_bytes(b"1")
    world.run(move, "d", "e", overwrite=False)
    assert (world.folder / "e/m/f").read_bytes() == b"1"
    world.run(move, "e", "d", overwrite=False)


def test_a_mount_point_in_the_old_destination_is_refused(
    world: Any, mount: Callable[..., Path]
) -> None:
    """A destination that holds a mount point is not replaced."""
    world.make({**TREE, "e": {"m": {}}})
    mount("-t", "tmpfs", "tmpfs", world.folder / "e/m")
    with pytest.raises(PermissionError) as refused:
        world.run(move, "d", "e", overwrite=True)
    assert refused.value.errno == errno.EBUSY
    assert (world.folder / "d/f").exists()


class Two:
    """A world here and one on another file system."""

    def __init__(self, here: Any, there: Any) -> None:
        self.here, self.there = here, there
        self.control = here.control

    def steps(self, source: str = "d", target: str = "e", **options: Any) -> Any:
        with self.here.entry(source) as here, self.there.entry(target) as there:
            return (yield from move(here, there, self.control, **options))

    def run(self, source: str = "d", target: str = "e", **options: Any) -> Any:
        return self.here.drive(self.steps(source, target, **options))

    def snapshot(self) -> tuple[Any, Any]:
        return self.here.snapshot(), self.there.snapshot()


@pytest.fixture
def two(new_world: Callable[..., Any], other_tmpfs: Path) -> Two:
    """Return a share with a tree, and another on a file system of its own."""
    made = Two(new_world(), new_world(other_tmpfs))
    made.here.make(TREE)
    return made


@pytest.mark.parametrize("existing", [{}, {"e": {"o": b"o"}}, {"e": b"file"}])
@pytest.mark.parametrize("source", ["d", "file"])
def test_across_file_systems(two: Two, source: str, existing: dict[str, Any]) -> None:
    """Across file systems the tree arrives whole, the source goes, nothing hidden stays."""
    two.there.make(existing)
    kept = two.here.snapshot()[source.encode()]
    result = two.run(source, overwrite=True)
    assert (result.created, result.complete, result.errors) == (not existing, True, ())
    assert two.there.snapshot()[b"e"] == kept
    assert not (two.here.folder / source).exists()
    assert two.here.hidden() == two.there.hidden() == []


def test_across_file_systems_both_sides_are_old_or_new(two: Two) -> None:
    """At every checkpoint either source and old destination are whole, or only the new one is."""
    two.there.make({"e": {"o": b"o"}})
    tree = two.here.snapshot("d")
    old = two.there.snapshot("e")
    for _ in two.steps(overwrite=True):
        if two.control.is_effective:
            assert two.there.snapshot("e") == tree
            assert not (two.here.folder / "d").exists()
        else:
            assert two.there.snapshot("e") == old
            assert two.here.snapshot("d") == tree
    assert two.control.is_effective


def test_across_file_systems_the_store_is_told_before_anything_is_purged(two: Two) -> None:
    """At the effective point both old trees still exist, out of sight."""
    two.there.make({"e": {"o": b"o"}})
    told: list[Any] = []
    two.control.effective = lambda: told.append((two.here.hidden(), two.there.hidden()))
    two.run(overwrite=True)
    assert len(told) == 1
    assert any(name.endswith("/f") for name in told[0][0])
    assert any(name.endswith("/o") for name in told[0][1])


def test_across_file_systems_a_member_that_fails_undoes_all(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One unreadable member: no swap, both sides whole, and the member is named."""
    opened = os.open

    def failing(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if path == "g" and not flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "no")
        return opened(path, flags, *rest, **more)

    before = two.snapshot()
    monkeypatch.setattr(os, "open", failing)
    result = two.run(overwrite=False)
    monkeypatch.undo()
    assert (result.created, result.complete) == (False, False)
    assert [(e.side, e.path) for e in result.errors] == [("source", ("sub", "g"))]
    assert two.snapshot() == before


def test_across_file_systems_what_cannot_be_removed_is_not_copied(
    two: Two, immutable: Callable[[Path], None]
) -> None:
    """A source with a member that could not be removed stays where it is, and names it."""
    immutable(two.here.folder / "d/sub/g")
    before = two.snapshot()
    result = two.run(overwrite=False)
    assert not result.complete
    assert [error.path for error in result.errors] == [("sub", "g")]
    assert two.snapshot() == before


def test_across_file_systems_an_immutable_collection_stays(
    two: Two, immutable: Callable[[Path], None]
) -> None:
    """An immutable collection is named together with the members that it keeps."""
    immutable(two.here.folder / "d/sub")
    before = two.snapshot()
    result = two.run(overwrite=False)
    assert {error.path for error in result.errors} == {("sub",), ("sub", "g"), ("sub", "l")}
    assert two.snapshot() == before


def test_across_file_systems_a_source_with_a_mount_is_refused(
    two: Two, mount: Callable[..., Path]
) -> None:
    """A source that holds a mount point cannot be removed afterwards: EBUSY, nothing changed."""
    two.here.make({"m": {}}, "d")
    mount("-t", "tmpfs", "tmpfs", two.here.folder / "d/m")
    with pytest.raises(PermissionError) as refused:
        two.run(overwrite=False)
    assert refused.value.errno == errno.EBUSY
    assert two.there.snapshot() == {}
    assert two.control.progress.bytes_done == 0


@pytest.mark.parametrize("existing", [{}, {"e": {"o": b"o"}}])
def test_across_file_systems_a_full_disk_changes_nothing(
    new_world: Callable[..., Any],
    small_tmpfs: Path,
    existing: dict[str, Any],
    fds: Callable[[], list[str]],
) -> None:
    """ENOSPC is DestinationError; source and destination are whole and nothing is left."""
    two = Two(new_world(), new_world(small_tmpfs))
    two.here.make({"d": {"a": b"x" * 700_000, "b": b"y" * 700_000}})
    two.there.make(existing)
    before, opened = two.snapshot(), fds()
    with pytest.raises(DestinationError) as failed:
        two.run(overwrite=True)
    assert failed.value.errno == errno.ENOSPC
    assert two.snapshot() == before
    assert fds() == opened


@pytest.mark.parametrize("existing", [{}, {"e": {"o": b"o"}}])
def test_across_file_systems_a_store_that_fails_undoes_all(
    two: Two, existing: dict[str, Any]
) -> None:
    """If the store fails at the effective point, both sides are as they were."""
    two.there.make(existing)
    before = two.snapshot()
    two.control.effective = lambda: (_ for _ in ()).throw(RuntimeError())
    with pytest.raises(RuntimeError):
        two.run(overwrite=True)
    assert two.snapshot() == before


def test_across_file_systems_a_source_that_was_replaced_stays(two: Two) -> None:
    """If somebody put something else in the source's place, that is not removed."""
    steps = two.steps(overwrite=False)
    next(steps)
    (two.here.folder / "d").rename(two.here.folder / "moved")
    two.here.make({"d": {"other": b"precious"}})
    with pytest.raises(OSError, match="Errno") as failed:
        two.here.drive(steps)
    assert failed.value.errno == errno.ESTALE
    assert (two.here.folder / "d/other").read_bytes() == b"precious"
    assert two.there.snapshot() == {}


def test_across_file_systems_links_stay_links(
    new_world: Callable[..., Any], other_tmpfs: Path
) -> None:
    """Also where links are followed, MOVE takes them along as links."""
    two = Two(new_world(follow_symlinks=True), new_world(other_tmpfs, follow_symlinks=True))
    two.here.make({"d": {"f": b"1", "l": "f"}})
    two.run(overwrite=False)
    assert os.readlink(two.there.folder / "e/l") == "f"


def test_across_file_systems_read_only_collections_move(
    new_world: Callable[..., Any],
    open_folder: Path,
    as_nobody: Callable[..., Any],
    other_tmpfs: Path,
) -> None:
    """An owner's collections of mode 0555 are copied and then purged, as a rename would do."""
    two = Two(new_world(open_folder), new_world(other_tmpfs))
    two.here.make({"d": {"f": b"1", "s": {"g": b"2"}}})
    for folder in (open_folder, open_folder / "d", open_folder / "d/s", other_tmpfs):
        os.chown(folder, 65534, 65534)
    for folder in (open_folder / "d", open_folder / "d/s"):
        folder.chmod(0o555)
    result = as_nobody(lambda: two.run(overwrite=False))
    assert result.errors == ()
    assert two.here.snapshot() == {}
    assert (other_tmpfs / "e/s/g").read_bytes() == b"2"


def test_on_overlayfs_a_lower_tree_is_moved_by_copying(
    new_world: Callable[..., Any], mount: Callable[..., Path], tmp_path: Path
) -> None:
    """EXDEV decides, not the device number: a directory of the lower layer moves and is gone."""
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    lower = new_world(tmp_path / "lower")
    lower.make({"d": {"f": b"1", "s": {"g": b"2"}}, "e": {"o": b"o"}})
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    world = new_world(
        mount("-t", "overlay", "-o", layers + ",redirect_dir=off", "overlay", tmp_path / "merged")
    )
    result = world.run(move, "d", "new", overwrite=False)
    assert (result.created, result.errors) == (True, ())
    assert not (world.folder / "d").exists()
    assert (world.folder / "new/s/g").read_bytes() == b"2"
    assert Lane.LONG in world.lanes
    assert world.hidden() == []
