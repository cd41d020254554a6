"""DELETE: scanned, put out of sight, purged, or member by member (the promises, DELETE)."""

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.mounts import mount_points
from davkeep.trees.removable import Look, Scan
from davkeep.trees.remove import remove
from davkeep.trees.steps import Lane

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing owners needs root")

TREE = {"d": {"f": b"one", "sub": {"g": b"two", "l": "f"}}, "file": b"new", "k": {"x": b"x"}}


@pytest.mark.parametrize("name", ["d", "file"])
def test_what_is_removed_is_gone(world: Any, name: str) -> None:
    """A collection with all its members, or a file, goes; everything else stays."""
    world.make(TREE)
    rest = {
        key: what for key, what in world.snapshot().items() if not key.startswith(name.encode())
    }
    result = world.run(remove, name)
    assert (result.complete, result.errors) == (True, ())
    assert world.snapshot() == rest
    assert world.control.is_effective
    assert not world.control.left_behind


def test_members_are_counted(world: Any) -> None:
    """The total is known before the first member is purged, and all are counted."""
    world.make(TREE)
    totals = set()
    for _ in world.steps(remove, "d"):
        if world.control.progress.members_done:
            totals.add(world.control.progress.members_total)
    assert totals == {5}
    assert world.control.progress.members_done == 5


def test_members_that_stay_are_counted_too(owned: Any, as_nobody: Callable[..., Any]) -> None:
    """Where some members stay, done and total agree in the end, collections that stay included."""
    (owned.folder / "d/a").chmod(0o555)

    def progress() -> tuple[int, int | None, int | None]:
        owned.run(remove, "d")
        told = owned.control.progress
        return told.members_done, told.members_total, told.bytes_total

    assert as_nobody(progress) == (8, 8, 0)


def test_the_tree_goes_out_of_sight_at_once(world: Any) -> None:
    """At every checkpoint the tree is whole or out of sight; the scan is short, purging long."""
    world.make(TREE)
    whole = world.snapshot("d")
    lanes = []
    for lane in world.steps(remove, "d"):
        lanes.append((lane, world.control.is_effective))
        if world.control.is_effective:
            assert not (world.folder / "d").exists()
        else:
            assert world.snapshot("d") == whole
    assert (None, False) in lanes
    assert [lane for lane in lanes if lane[0]] == [(Lane.LONG, True)]


def test_the_effective_point_comes_before_purging(world: Any) -> None:
    """The store is told once, when the tree is hidden and nothing of it is purged."""
    world.make(TREE)
    told = []
    world.control.effective = lambda: told.append(world.hidden())
    world.run(remove, "d")
    assert len(told) == 1
    assert sorted(told[0]) == [
        ".davkeep-test-1" + rest for rest in ("", "/f", "/sub", "/sub/g", "/sub/l")
    ]


def test_cancelled_the_rest_comes_back(world: Any) -> None:
    """Closed after some members were purged, what is left has its old name again."""
    world.make({"d": {str(number): b"x" for number in range(20)}})
    steps = world.steps(remove, "d")
    while world.control.progress.members_done < 7:
        next(steps)
    steps.close()
    assert len(os.listdir(world.folder / "d")) == 13
    assert world.hidden() == []
    assert not world.control.is_effective
    assert not world.control.left_behind


def test_cancelled_with_its_name_taken_the_rest_stays_hidden(world: Any) -> None:
    """If something else has the name meanwhile, it is not touched and the rest is told of."""
    world.make(TREE)
    steps = world.steps(remove, "d")
    while not world.control.progress.members_done:
        next(steps)
    (world.folder / "d").write_bytes(b"mine")
    steps.close()
    assert (world.folder / "d").read_bytes() == b"mine"
    assert world.hidden() != []
    assert world.control.left_behind


def test_cancelled_after_the_last_member_nothing_is_left(world: Any) -> None:
    """Closed at whatever checkpoint is the last, nothing is reported as left behind."""
    world.make({"d": {}})
    steps = world.steps(remove, "d")
    while not world.control.is_effective:
        next(steps)
    steps.close()
    assert world.hidden() == []
    assert not world.control.left_behind


def test_hidden_members_go_too(world: Any) -> None:
    """What operations staged inside the tree is removed with it."""
    world.make({"d": {".davkeep-x-1": {"f": b"1"}, ".DAVKEEP": b""}})
    world.run(remove, "d")
    assert world.snapshot() == {}


def test_a_share_root_is_refused(world: Any) -> None:
    """DELETE of a share's root is EPERM and removes nothing."""
    world.make(TREE)
    before = world.snapshot()
    with pytest.raises(PermissionError):
        world.run(remove, "")
    assert world.snapshot() == before


def test_nothing_there_is_not_found(world: Any) -> None:
    """DELETE of nothing is FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        world.run(remove, "none")


def test_links_are_removed_and_not_what_they_lead_to(new_world: Callable[..., Any]) -> None:
    """A link in the tree, or meant by itself, goes; its target stays."""
    world = new_world(follow_symlinks=True)
    world.make({"t": {"f": b"1"}, "l": "t", "d": {"in": "../t"}})
    world.run(remove, "d")
    world.run(remove, "l", follow_last=False)
    assert sorted(os.listdir(world.folder)) == ["t"]
    assert (world.folder / "t/f").exists()


@pytest.mark.parametrize("where", ["d/sub/m", "d"])
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_tree_with_a_mount_point_is_refused(
    world: Any, mount: Callable[..., Path], tmp_path: Path, where: str, kind: str
) -> None:
    """A mount point in the tree, bind mounts included, or as its root: EBUSY, nothing changed."""
    world.make({**TREE, "d": {"sub": {"m": {}, "g": b""}}, "other": {}})
    source = ("-t", "tmpfs", "tmpfs") if kind == "tmpfs" else ("--bind", world.folder / "other")
    point = mount(*source, world.folder / where)
    (point / "precious").write_bytes(b"p")
    before = world.snapshot()
    with pytest.raises(PermissionError) as refused:
        world.run(remove, "d")
    assert refused.value.errno == errno.EBUSY
    assert world.snapshot() == before


def test_a_mount_point_with_a_strange_name_is_found(world: Any, mount: Callable[..., Path]) -> None:
    """Spaces, newlines and backslashes in the way to a mount point do not hide it."""
    world.make({"d": {"a b\nc\\d": {"m": {}}}})
    mount("-t", "tmpfs", "tmpfs", world.folder / "d/a b\nc\\d/m")
    with pytest.raises(PermissionError):
        world.run(remove, "d")


def test_mount_points_are_read_as_they_are_called(world: Any, mount: Callable[..., Path]) -> None:
    """The list of mounts gives back the bytes that its escapes stand for."""
    world.make({"a b\nc\\d": {}})
    point = mount("-t", "tmpfs", "tmpfs", world.folder / "a b\nc\\d")
    assert os.fsencode(os.path.realpath(point)) in set(mount_points())


def test_a_mount_point_is_seen_where_the_scan_ends_early(
    world: Any, mount: Callable[..., Path], immutable: Callable[[Path], None]
) -> None:
    """A tree that is not removable anyway is refused too if a mount point lies in it."""
    world.make({"d": {"s": {"m": {}}, "f": b""}})
    point = mount("-t", "tmpfs", "tmpfs", world.folder / "d/s/m")
    (point / "precious").write_bytes(b"p")
    immutable(world.folder / "d")
    with pytest.raises(PermissionError):
        world.run(remove, "d")
    assert (point / "precious").exists()


def test_a_neighbour_of_a_mount_point_is_removed(world: Any, mount: Callable[..., Path]) -> None:
    """A mount point whose path merely begins alike does not keep a tree."""
    world.make({"d": {"f": b""}, "d2": {}})
    mount("-t", "tmpfs", "tmpfs", world.folder / "d2")
    assert world.run(remove, "d").complete


def test_an_immutable_member_and_its_collections_stay(
    world: Any, immutable: Callable[[Path], None]
) -> None:
    """Everything else goes, one by one; exactly the member that failed is named."""
    world.make({"d": {"a": {"fixed": b"f", "loose": b"l"}, "b": {"c": b""}, "f": b""}})
    immutable(world.folder / "d/a/fixed")
    result = world.run(remove, "d")
    assert result.complete
    assert [(e.side, e.path, e.error.errno) for e in result.errors] == [
        ("source", ("a", "fixed"), errno.EPERM)
    ]
    assert set(world.snapshot()) == {b"d", b"d/a", b"d/a/fixed"}
    assert not world.control.is_effective
    assert world.lanes == [Lane.LONG]


FIXED = {"d": {"a": {"fixed": b"f", "loose": b"l"}, "b": {"c": b""}, "f": b""}}


def test_an_immutable_file_comes_back(world: Any, immutable: Callable[[Path], None]) -> None:
    """Purging meets it: the store is told that it returns, modes are as they were, all is counted.

    What it returns to is the name that the tree had.
    """
    world.make(FIXED)
    (world.folder / "d/a").chmod(0o555)
    immutable(world.folder / "d/a/fixed")
    told = []
    world.control.effective = lambda: told.append("out of sight")
    world.control.recall = lambda: told.append("recalled") or True
    world.control.witness.returning = lambda: told.append("returning")
    result = world.run(remove, "d")
    assert told == ["out of sight", "recalled", "returning"]
    assert [error.path for error in result.errors] == [("a", "fixed")]
    assert (world.folder / "d/a").stat().st_mode & 0o7777 == 0o555
    assert world.hidden() == []
    assert not world.control.left_behind
    assert world.control.progress.members_done == world.control.progress.members_total == 7


def test_an_immutable_file_stays_hidden_once_its_removal_was_answered(
    world: Any, immutable: Callable[[Path], None]
) -> None:
    """Nothing comes back that somebody was told is gone."""
    world.make(FIXED)
    immutable(world.folder / "d/a/fixed")
    world.control.recall = lambda: False
    result = world.run(remove, "d")
    assert (result.complete, result.errors) == (True, ())
    assert world.control.is_effective
    assert world.control.left_behind
    assert world.hidden() == [
        ".davkeep-test-1",
        ".davkeep-test-1/a",
        ".davkeep-test-1/a/fixed",
    ]


def test_an_immutable_file_whose_name_was_taken_stays_hidden(
    world: Any, immutable: Callable[[Path], None]
) -> None:
    """It cannot come back to a name that something else has meanwhile, which is not touched."""
    world.make(FIXED)
    immutable(world.folder / "d/a/fixed")
    steps = world.steps(remove, "d")
    while not world.control.progress.members_done:
        next(steps)
    (world.folder / "d").write_bytes(b"mine")
    assert world.drive(steps).errors == ()
    assert (world.folder / "d").read_bytes() == b"mine"
    assert world.control.left_behind


def test_looking_at_each_file_nothing_is_out_of_sight_before(
    world: Any, immutable: Callable[[Path], None]
) -> None:
    """Where the effective point is answered, an immutable file is found before it."""
    world.make(FIXED)
    immutable(world.folder / "d/a/fixed")
    for _ in world.steps(remove, "d", each_file=True):
        assert (world.folder / "d").is_dir()
        assert not world.control.is_effective
    assert set(world.snapshot()) == {b"d", b"d/a", b"d/a/fixed"}


@pytest.mark.parametrize("look", Look)
@pytest.mark.parametrize("kind", ["here", "tmpfs", "overlay"])
def test_every_look_finds_what_stands_in_the_way(
    new_world: Callable[..., Any],
    mount: Callable[..., Path],
    immutable: Callable[[Path], None],
    tmp_path: Path,
    kind: str,
    look: Look,
) -> None:
    """Collections deep down, whatever the file system says of links; and files where they count."""
    world = new_world(_file_system(kind, mount, tmp_path))
    world.make({"d": {"leaf": {"f": b""}, "s": {"t": {"leaf": {}, "fixed": {"f": b""}}}, "f": b""}})
    immutable(world.folder / "d/s/t/fixed")
    scan = Scan(look)
    with world.entry("d") as entry:
        for _ in scan.steps(entry.parent_fd, entry.name):
            pass
    blocked = {error.path for error in scan.blocked}
    assert blocked == {("s", "t", "fixed"), ("s", "t", "fixed", "f")}
    assert (scan.members == 9) == scan.is_counted
    assert scan.is_counted == (look is not Look.COLLECTIONS or kind == "overlay")


def _file_system(kind: str, mount: Callable[..., Path], tmp_path: Path) -> Path | None:
    if kind == "here":
        return None
    if kind == "tmpfs":
        return mount("-t", "tmpfs", "tmpfs", tmp_path / "memory")
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    return mount("-t", "overlay", "-o", layers, "overlay", tmp_path / "merged")


def test_an_immutable_collection_stays_with_its_members(
    world: Any, immutable: Callable[[Path], None]
) -> None:
    """Each member of an immutable collection is named; what a subcollection holds goes."""
    world.make({"d": {"fixed": {"f": b"", "g": b"", "s": {"h": b""}}, "x": b""}})
    immutable(world.folder / "d/fixed")
    result = world.run(remove, "d")
    assert {error.path for error in result.errors} == {
        ("fixed", "f"),
        ("fixed", "g"),
        ("fixed", "s"),
    }
    assert set(world.snapshot()) == {
        b"d",
        b"d/fixed",
        b"d/fixed/f",
        b"d/fixed/g",
        b"d/fixed/s",
    }


def test_an_immutable_file_or_root_is_named_itself(
    world: Any, immutable: Callable[[Path], None]
) -> None:
    """A file, and an empty collection, that cannot be removed are the error's own root."""
    world.make({"f": b"", "e": {}})
    for name in ("f", "e"):
        immutable(world.folder / name)
        result = world.run(remove, name)
        assert (result.complete, [error.path for error in result.errors]) == (False, [()])
        assert (world.folder / name).exists()


@pytest.fixture
def owned(new_world: Callable[..., Any], open_folder: Path) -> Any:
    """Return a world whose folders belong to nobody."""
    world = new_world(open_folder)
    world.make({"d": {"a": {"f": b"", "s": {"g": b""}}, "b": {"h": b""}, "e": {}}})
    for path in (open_folder, *open_folder.rglob("*")):
        os.chown(path, 65534, 65534)
    return world


def test_read_only_collections_stay(owned: Any, as_nobody: Callable[..., Any]) -> None:
    """The members of a collection of mode 0555 stay, everything else goes, modes are kept."""
    (owned.folder / "d/a").chmod(0o555)
    (owned.folder / "d/e").chmod(0o555)
    result = as_nobody(lambda: owned.run(remove, "d"))
    assert result.complete
    assert {error.path for error in result.errors} == {("a", "f"), ("a", "s")}
    assert {error.error.errno for error in result.errors} == {errno.EACCES}
    assert set(owned.snapshot()) == {b"d", b"d/a", b"d/a/f", b"d/a/s"}


def test_an_empty_read_only_collection_goes(owned: Any, as_nobody: Callable[..., Any]) -> None:
    """A collection without members needs no permission of its own; neither if unreadable."""
    for mode in (0o555, 0):
        (owned.folder / "d/e").chmod(mode)
        if not mode:
            (owned.folder / "d/b").mkdir()
            os.chown(owned.folder / "d", 65534, 65534)
        assert as_nobody(lambda: owned.run(remove, "d")).errors == ()
        owned.make({"d": {"e": {}}})
        for path in (owned.folder / "d", owned.folder / "d/e"):
            os.chown(path, 65534, 65534)


def test_an_unreadable_collection_is_named(owned: Any, as_nobody: Callable[..., Any]) -> None:
    """A collection that cannot be listed stays and is named with the reason."""
    (owned.folder / "d/a").chmod(0o333)
    result = as_nobody(lambda: owned.run(remove, "d"))
    assert [(error.path, error.error.errno) for error in result.errors] == [(("a",), errno.EACCES)]
    assert set(os.listdir(owned.folder / "d")) == {"a"}


def test_members_of_others_in_a_sticky_collection_stay(
    owned: Any, as_nobody: Callable[..., Any]
) -> None:
    """In a sticky collection of somebody else only one's own members go."""
    sticky = owned.folder / "d/a"
    sticky.chmod(0o1777)
    os.chown(sticky, 0, 0)
    (sticky / "roots").write_bytes(b"")
    result = as_nobody(lambda: owned.run(remove, "d"))
    assert [(error.path, error.error.errno) for error in result.errors] == [
        (("a", "roots"), errno.EPERM)
    ]
    assert set(owned.snapshot()) == {b"d", b"d/a", b"d/a/roots"}


def test_ones_own_sticky_collection_goes(owned: Any, as_nobody: Callable[..., Any]) -> None:
    """In a sticky collection of one's own everybody's members go, by one rename."""
    sticky = owned.folder / "d/a"
    sticky.chmod(0o1777)
    (sticky / "roots").write_bytes(b"")
    assert as_nobody(lambda: _goes_at_once(owned))
    assert owned.snapshot() == {}


def _goes_at_once(world: Any) -> bool:
    """Remove ``d``; tell whether none of it was gone as long as it was seen."""
    done = [
        world.control.progress.members_done
        for _ in world.steps(remove, "d")
        if (world.folder / "d").exists()
    ]
    return set(done) == {0}


@needs_root
def test_root_removes_from_every_sticky_collection(owned: Any) -> None:
    """With the capability for it, other people's sticky collections go by one rename."""
    sticky = owned.folder / "d/a"
    sticky.chmod(0o1777)
    os.chown(sticky, 1234, 1234)
    assert _goes_at_once(owned)


@pytest.mark.parametrize("name", ["d", "f"])
def test_a_parent_that_may_not_be_written(
    owned: Any, as_nobody: Callable[..., Any], name: str
) -> None:
    """If the parent cannot be changed, the root is named and nothing has changed."""
    (owned.folder / "f").write_bytes(b"")
    owned.folder.chmod(0o555)
    before = owned.snapshot()
    result = as_nobody(lambda: owned.run(remove, name))
    assert (result.complete, [error.path for error in result.errors]) == (False, [()])
    assert owned.snapshot() == before


def test_a_store_that_fails_brings_the_tree_back(world: Any) -> None:
    """If what has to change with the removal fails, the tree is as it was."""
    world.make(TREE)
    before = world.snapshot()
    world.control.effective = lambda: (_ for _ in ()).throw(RuntimeError())
    with pytest.raises(RuntimeError):
        world.run(remove, "d")
    assert world.snapshot() == before
    assert not world.control.is_effective


@pytest.mark.usefixtures("without_flags")
def test_without_renameat2_flags(world: Any) -> None:
    """Where a rename cannot be told not to replace, DELETE ends and is undone all the same."""
    world.make(TREE)
    before = world.snapshot("d")
    steps = world.steps(remove, "d")
    while not world.control.is_effective:
        next(steps)
    steps.close()
    assert world.snapshot("d") == before
    assert world.run(remove, "d").complete
    assert not (world.folder / "d").exists()


def test_on_overlayfs_it_goes_member_by_member(
    new_world: Callable[..., Any], mount: Callable[..., Path], tmp_path: Path
) -> None:
    """Where the tree cannot be renamed (EXDEV) its members go one by one."""
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    new_world(tmp_path / "lower").make(TREE)
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    world = new_world(
        mount("-t", "overlay", "-o", layers + ",redirect_dir=off", "overlay", tmp_path / "merged")
    )
    result = world.run(remove, "d")
    assert (result.complete, result.errors) == (True, ())
    assert world.control.is_effective
    assert sorted(os.listdir(world.folder)) == ["file", "k"]


def test_what_purging_cannot_remove_stays_hidden(world: Any) -> None:
    """A member that cannot be purged after all stays out of sight, and the control says so."""
    world.make(TREE)
    rmdir = os.rmdir
    stuck = (world.folder / "d/sub").stat().st_ino

    def failing(name: Any, *, dir_fd: int | None = None) -> None:
        if os.lstat(name, dir_fd=dir_fd).st_ino == stuck:
            raise OSError(errno.EBUSY, "busy")
        rmdir(name, dir_fd=dir_fd)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "rmdir", failing)
        result = world.run(remove, "d")
    assert (result.complete, result.errors) == (True, ())
    assert world.control.left_behind
    assert world.hidden() == [".davkeep-test-1", ".davkeep-test-1/sub"]


def test_reading_a_collection_that_shifts_is_repeated(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that loses members from a reading while others go, all go in the end."""
    world.make({"d": {str(number): {"f": b"", "g": b""} for number in range(8)}})
    scandir = os.scandir

    class Half:
        def __init__(self, fd: int) -> None:
            with scandir(fd) as entries:
                every = list(entries)
            self.some = iter(every[: (len(every) + 1) // 2])

        def __enter__(self) -> Any:
            return self.some

        def __exit__(self, *_: Any) -> None:
            return None

    monkeypatch.setattr(os, "scandir", Half)
    assert world.run(remove, "d").complete
    monkeypatch.undo()
    assert world.snapshot() == {}


def test_large_collections_have_checkpoints_while_scanned(world: Any) -> None:
    """The scan pauses within a collection of thousands of members, not only after it."""
    world.make({"d": {str(number): b"" for number in range(2500)}})
    pauses = 0
    for _ in world.steps(remove, "d"):
        pauses += not world.control.is_effective
    assert pauses >= 3


def test_few_descriptors_are_enough(world: Any, fds: Callable[[], list[str]]) -> None:
    """A wide and deep tree is removed with some dozens of descriptors."""
    tree: dict[str, Any] = {"f": b""}
    for _ in range(60):
        tree = {"d": tree, "f": b"", "e": {}}
    world.make({"t": tree})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(fds()) + 45, hard))
    try:
        assert world.run(remove, "t").errors == ()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert world.snapshot() == {}
    assert not world.control.left_behind
