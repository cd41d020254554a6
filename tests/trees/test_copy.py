"""COPY: what is kept, what is refused, and what a reader sees (the promises, COPY and MOVE)."""

import errno
import os
import socket
import stat
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees import staging
from davkeep.trees.copy import copy
from davkeep.trees.member import MemberCopy
from davkeep.trees.remove import remove
from davkeep.trees.steps import DestinationError, Lane

#: A default ACL by which nobody but the owner and one user gets anything (posix_acl_xattr.h).
DEFAULT_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, rights, identifier)
    for tag, rights, identifier in (
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 4, 65534),
        (0x04, 0, 0xFFFFFFFF),
        (0x10, 4, 0xFFFFFFFF),
        (0x20, 0, 0xFFFFFFFF),
    )
)

TREE = {"d": {"f": b"one", "sub": {"g": b"two", "empty": {}}}, "file": b"new"}


def test_a_new_destination_appears_complete(world: Any) -> None:
    """COPY of a tree makes an equal one, leaves the source and no staging, and tells 'created'."""
    world.make(TREE)
    before = world.snapshot("d")
    result = world.run(copy, "d", "e", overwrite=False)
    assert (result.created, result.complete, result.errors) == (True, True, ())
    assert world.snapshot("e") == before == world.snapshot("d")
    assert world.hidden() == []
    assert world.control.is_effective
    assert world.control.progress.members_done == 5
    assert world.control.progress.bytes_done == 6


def test_the_destination_is_absent_until_it_is_complete(world: Any) -> None:
    """At every checkpoint before the effective point there is no destination but a private tree."""
    world.make(TREE)
    for _ in world.steps(copy, "d", "e", overwrite=False):
        if not world.control.is_effective and world.hidden():
            assert not (world.folder / "e").exists()
            staging = world.folder / ".davkeep-test-1"
            assert stat.S_IMODE(staging.stat().st_mode) == 0o700
    assert (world.folder / "e/sub/g").read_bytes() == b"two"


def test_an_existing_destination_is_old_or_new(world: Any) -> None:
    """Over an existing tree every checkpoint shows the old one or the new one, never a mix."""
    world.make({**TREE, "e": {"old": b"o", "deep": {"x": b"x"}}})
    old, new = world.snapshot("e"), world.snapshot("d")
    seen = []
    for _ in world.steps(copy, "d", "e", overwrite=True):
        seen.append(world.snapshot("e"))
        assert seen[-1] == (new if world.control.is_effective else old)
    assert old in seen
    assert new in seen
    assert world.hidden() == []


def test_the_effective_point_is_between_swap_and_purge(world: Any) -> None:
    """The store is told exactly once: the new tree is there and the old one not yet purged."""
    world.make({**TREE, "e": {"old": b"o"}})
    told = []
    world.control.effective = lambda: told.append((world.snapshot("e"), world.hidden()))
    new = world.snapshot("d")
    world.run(copy, "d", "e", overwrite=True)
    assert len(told) == 1
    assert told[0][0] == new
    assert ".davkeep-test-1/old" in told[0][1]


@pytest.mark.parametrize(("source", "target"), [("file", "d"), ("d", "file"), ("file", "other")])
def test_any_type_replaces_any_type(world: Any, source: str, target: str) -> None:
    """A file replaces a collection, a collection a file, and a file a file."""
    world.make({**TREE, "other": b"older"})
    kept = world.snapshot()[source.encode()]
    result = world.run(copy, source, target, overwrite=True)
    assert not result.created
    assert world.snapshot()[target.encode()] == kept
    assert world.hidden() == []


def test_without_overwrite_nothing_is_touched(world: Any) -> None:
    """Overwrite: F over something is FileExistsError at once."""
    world.make({**TREE, "e": b"old"})
    before = world.snapshot()
    with pytest.raises(FileExistsError):
        world.run(copy, "d", "e", overwrite=False)
    assert world.snapshot() == before


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_name_taken_meanwhile_is_not_overwritten(world: Any, overwrite: bool) -> None:
    """If something appears at a new destination during the copy, it stays and the copy goes."""
    world.make(TREE)
    steps = world.steps(copy, "d", "e", overwrite=overwrite)
    next(steps)
    (world.folder / "e").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        world.drive(steps)
    assert (world.folder / "e").read_bytes() == b"mine"
    assert world.hidden() == []


def test_a_destination_that_vanished_meanwhile_is_made_new(world: Any) -> None:
    """If the old destination goes during the copy, the copy is placed and counts as created."""
    world.make({**TREE, "e": b"old"})
    steps = world.steps(copy, "d", "e", overwrite=True)
    next(steps)
    (world.folder / "e").unlink()
    assert world.drive(steps).created
    assert world.snapshot("e") == world.snapshot("d")


def test_depth_zero_copies_the_collection_alone(world: Any) -> None:
    """Depth: 0 copies no member and replaces an existing destination as a whole."""
    world.make({**TREE, "e": {"old": b"o"}})
    (world.folder / "d").chmod(0o751)
    world.run(copy, "d", "e", depth_infinity=False, overwrite=True)
    assert list((world.folder / "e").iterdir()) == []
    assert stat.S_IMODE((world.folder / "e").stat().st_mode) == 0o751
    assert world.hidden() == []


def test_times_modes_and_user_attributes_are_kept(world: Any) -> None:
    """Nanoseconds, permission bits and user xattrs are kept for files, collections and the root."""
    world.make(TREE)
    for number, name in enumerate(("d/f", "d/sub/g", "d/sub", "d")):
        path = world.folder / name
        os.setxattr(path, "user.colour", name.encode())
        path.chmod(0o740 + number)
        os.utime(path, ns=(10**18 + number, 10**18 + 7 * number + 1))
    world.run(copy, "d", "e", overwrite=False)
    for name in ("f", "sub/g", "sub", ""):
        old, new = (world.folder / "d" / name), (world.folder / "e" / name)
        assert os.getxattr(new, "user.colour") == os.getxattr(old, "user.colour")
        assert new.stat().st_mtime_ns == old.stat().st_mtime_ns
        assert new.stat().st_mode == old.stat().st_mode


def test_a_single_file_keeps_the_same(world: Any) -> None:
    """A file copied by itself keeps times, mode and attributes too."""
    world.make(TREE)
    path = world.folder / "file"
    os.setxattr(path, "user.colour", b"red")
    path.chmod(0o604)
    os.utime(path, ns=(1, 123456789))
    world.run(copy, "file", "g", overwrite=False)
    status = (world.folder / "g").stat()
    assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (123456789, 0o604)
    assert os.getxattr(world.folder / "g", "user.colour") == b"red"


@pytest.mark.parametrize("has_acl", [False, True], ids=["plain", "default-acl"])
@pytest.mark.parametrize("mask", [0, 0o027, 0o077])
def test_modes_are_kept_whatever_new_files_would_get(world: Any, mask: int, has_acl: bool) -> None:
    """Neither the umask nor the default ACL of the destination's collection takes bits away."""
    modes = (0o644, 0o600, 0o777, 0o1664, 0o4755, 0o400)
    world.make({"d": {f"{mode:o}-{copy}": b"x" for mode in modes for copy in range(3)}, "to": {}})
    for mode in modes:
        for file in (world.folder / "d").glob(f"{mode:o}-*"):
            file.chmod(mode)
    if has_acl:
        os.setxattr(world.folder / "to", "system.posix_acl_default", DEFAULT_ACL)
    before = os.umask(mask)
    try:
        assert world.run(copy, "d", "to/e", overwrite=False).errors == ()
    finally:
        os.umask(before)
    for file in (world.folder / "to/e").iterdir():
        wanted = int(file.name.split("-")[0], 8) & 0o1777
        assert stat.S_IMODE(file.stat().st_mode) == wanted, file.name


def test_setuid_and_setgid_are_dropped(world: Any) -> None:
    """Neither files nor collections bring setuid or setgid along; the sticky bit stays."""
    world.make(TREE)
    (world.folder / "d/f").chmod(0o6755)
    (world.folder / "d/sub").chmod(0o3770)
    world.run(copy, "d", "e", overwrite=False)
    assert stat.S_IMODE((world.folder / "e/f").stat().st_mode) == 0o755
    assert stat.S_IMODE((world.folder / "e/sub").stat().st_mode) == 0o1770


def test_holes_stay_holes(world: Any) -> None:
    """A file of 64 MiB with two short runs of data takes no more blocks as a copy."""
    path = world.folder / "sparse"
    with path.open("wb") as file:
        file.seek(8 << 20)
        file.write(b"a" * 5000)
        file.seek(33 << 20)
        file.write(b"b" * 70000)
        file.truncate(64 << 20)
    world.run(copy, "sparse", "copied", overwrite=False)
    old, new = path.stat(), (world.folder / "copied").stat()
    assert new.st_size == old.st_size
    assert new.st_blocks <= old.st_blocks + 16
    assert (world.folder / "copied").read_bytes() == path.read_bytes()


def test_small_holes_stay_holes(world: Any) -> None:
    """A file small enough for one read keeps its holes too."""
    path = world.folder / "sparse"
    with path.open("wb") as file:
        file.seek(48 * 1024)
        file.write(b"x")
    world.run(copy, "sparse", "copied", overwrite=False)
    assert (world.folder / "copied").stat().st_blocks == path.stat().st_blocks
    assert (world.folder / "copied").read_bytes() == path.read_bytes()


def test_a_file_that_is_one_hole(world: Any) -> None:
    """A file without any data is copied as a hole of the same size."""
    os.truncate(os.open(world.folder / "h", os.O_CREAT | os.O_WRONLY), 1 << 20)
    world.run(copy, "h", "i", overwrite=False)
    assert (world.folder / "i").stat().st_size == 1 << 20
    assert (world.folder / "i").stat().st_blocks == 0


def test_large_files_come_in_blocks(world: Any) -> None:
    """No step copies more than one block, and what follows the first block is bulk work."""
    world.control.block_size = 100_000
    world.make({"d": {"big": bytes(range(256)) * 2000}})
    steps = world.steps(copy, "d", "e", overwrite=False)
    done = [0, *(world.control.progress.bytes_done for _ in steps)]
    steps = [after - before for before, after in pairwise(done)]
    assert max(steps) == 100_000
    assert done[-1] == 512_000
    assert world.snapshot("e") == world.snapshot("d")


def test_short_copies_stay_in_the_short_lane(world: Any) -> None:
    """A few members never ask for the long lane, a hundred do so once."""
    world.make({**TREE, "many": {str(number): b"" for number in range(100)}})
    world.run(copy, "d", "e", overwrite=False)
    world.run(copy, "file", "f2", overwrite=False)
    assert world.lanes == []
    world.run(copy, "many", "more", overwrite=False)
    assert world.lanes == [Lane.LONG]


def test_a_large_file_asks_for_the_long_lane(world: Any) -> None:
    """A single file of several blocks is bulk work after the first of them."""
    world.control.block_size = 65536
    world.make({"big": b"x" * 300_000})
    world.run(copy, "big", "copied", overwrite=False)
    assert world.lanes == [Lane.LONG]
    assert (world.folder / "copied").read_bytes() == b"x" * 300_000


def test_links_are_copied_as_links(world: Any) -> None:
    """Without following, links stay links, with their times, wherever they lead."""
    world.make({"d": {"in": "f", "out": "/etc/passwd", "dangling": "no", "f": b"1", "dir": "."}})
    os.utime(world.folder / "d/out", ns=(5, 6), follow_symlinks=False)
    world.run(copy, "d", "e", overwrite=False)
    assert world.snapshot("e") == world.snapshot("d")


def test_followed_links_become_what_they_lead_to(new_world: Callable[..., Any]) -> None:
    """With following, links inside the share are copied as content, those to outside as links."""
    world = new_world(follow_symlinks=True)
    world.make({"x": {"f": b"1", "s": {"g": b"2"}}})
    world.make({"file": "../x/f", "folder": "../x", "out": "/etc/passwd", "none": "no"}, "d")
    world.run(copy, "d", "e", overwrite=False)
    assert (world.folder / "e/file").read_bytes() == b"1"
    assert not (world.folder / "e/file").is_symlink()
    assert world.snapshot("e/folder") == world.snapshot("x")
    assert not (world.folder / "e/folder").is_symlink()
    assert os.readlink(world.folder / "e/out") == "/etc/passwd"
    assert os.readlink(world.folder / "e/none") == "no"


def test_followed_links_do_not_loop(new_world: Callable[..., Any]) -> None:
    """A link to a collection that holds it is one failed member, not an endless copy."""
    world = new_world(follow_symlinks=True)
    world.make({"d": {"f": b"1", "loop": "../d"}})
    result = world.run(copy, "d", "e", overwrite=False)
    assert [(error.path, error.error.errno) for error in result.errors] == [
        (("loop",), errno.ELOOP)
    ]
    assert (world.folder / "e/f").read_bytes() == b"1"


def test_fifos_and_sockets_are_recreated(world: Any) -> None:
    """A FIFO does not block the copy; it and a socket are made anew with mode and time."""
    world.make({"d": {}})
    os.mkfifo(world.folder / "d/pipe")
    (world.folder / "d/pipe").chmod(0o640)
    os.utime(world.folder / "d/pipe", ns=(1, 2))
    with socket.socket(socket.AF_UNIX) as listener:
        fd = os.open(world.folder / "d", os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{fd}/sock")
        os.close(fd)
        result = world.run(copy, "d", "e", overwrite=False)
    assert result.errors == ()
    pipe, sock = (world.folder / "e/pipe").stat(), (world.folder / "e/sock").stat()
    assert (stat.S_ISFIFO(pipe.st_mode), stat.S_IMODE(pipe.st_mode)) == (True, 0o640)
    assert pipe.st_mtime_ns == 2
    assert stat.S_ISSOCK(sock.st_mode)


def test_a_device_that_may_not_be_made_is_named(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """An ordinary user cannot make a device: it is named, and the rest is kept."""
    world = new_world(open_folder)
    world.make({"d": {"f": b"1"}})
    os.mknod(open_folder / "d/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chown(open_folder, 65534, 65534)
    result = as_nobody(lambda: world.run(copy, "d", "e", overwrite=False))
    assert result.complete
    assert [(e.side, e.path, e.error.errno) for e in result.errors] == [
        ("destination", ("null",), errno.EPERM)
    ]
    assert sorted(os.listdir(open_folder / "e")) == ["f"]


def test_hard_links_become_separate_files(world: Any) -> None:
    """Two names of one file in the tree are two files in the copy."""
    world.make({"d": {"f": b"1"}})
    os.link(world.folder / "d/f", world.folder / "d/g")
    world.run(copy, "d", "e", overwrite=False)
    assert (world.folder / "e/f").stat().st_nlink == (world.folder / "e/g").stat().st_nlink == 1


def test_strange_names_are_copied(world: Any) -> None:
    """Names of control characters and invalid UTF-8 are copied byte by byte."""
    base = os.fsencode(world.folder) + b"/d"
    os.mkdir(base)
    for name in (b"new\nline", b"\x01", b"\xff\xfe"):
        os.mkdir(base + b"/" + name)
        Path(os.fsdecode(base + b"/" + name + b"/" + name)).write_bytes(name)
    world.run(copy, "d", "e", overwrite=False)
    assert world.snapshot("e") == world.snapshot("d")


def test_hidden_names_are_skipped(world: Any) -> None:
    """What other operations have staged in the tree is not copied."""
    world.make({"d": {"f": b"1", ".davkeep-x-2": {"g": b"2"}, ".DAVkeep": b"3"}})
    world.run(copy, "d", "e", overwrite=False)
    assert os.listdir(world.folder / "e") == ["f"]


def test_roots_and_nesting_are_refused(world: Any, new_world: Callable[..., Any]) -> None:
    """COPY of or onto a share's root, into itself, onto itself or onto an ancestor is EPERM."""
    world.make(TREE)
    before = world.snapshot()
    for source, target in (
        ("", "x"),
        ("d", ""),
        ("d", "d"),
        ("file", "file"),
        ("d", "d/sub/new"),
        ("d", "d/sub"),
        ("d/sub", "d"),
        ("d/f", "d"),
    ):
        with pytest.raises(PermissionError) as refused:
            world.run(copy, source, target, overwrite=True)
        assert refused.value.errno == errno.EPERM
    assert world.snapshot() == before


def test_nesting_is_seen_through_another_share(new_world: Callable[..., Any]) -> None:
    """COPY into itself is refused also when the destination is named through another share."""
    outer = new_world()
    outer.make(TREE)
    inner = new_world(outer.folder / "d" / "sub")
    with outer.entry("d") as source, inner.entry("new") as target:
        steps = copy(source, target, outer.control, overwrite=True)
        with pytest.raises(PermissionError):
            outer.drive(steps)


def test_letters_that_differ_in_case_are_two_names(world: Any) -> None:
    """On a file system that tells case apart, COPY /d /D is no copy onto itself."""
    world.make(TREE)
    assert world.run(copy, "d", "D", overwrite=False).created
    assert world.snapshot("D") == world.snapshot("d")


def test_a_copy_onto_its_own_hard_link_is_allowed(world: Any) -> None:
    """Another name of the same file is replaced by a file of its own."""
    world.make(TREE)
    os.link(world.folder / "file", world.folder / "twin")
    world.run(copy, "file", "twin", overwrite=True)
    assert (world.folder / "file").stat().st_nlink == 1
    assert (world.folder / "twin").read_bytes() == b"new"


def test_copies_between_shares_and_file_systems(
    new_world: Callable[..., Any], other_tmpfs: Path
) -> None:
    """COPY works between shares on different file systems, large and sparse files included."""
    here, there = new_world(), new_world(other_tmpfs)
    here.make({"d": {"f": b"1", "big": b"x" * 3_000_000, "s": {"g": b"2"}}})
    with (here.folder / "d/hole").open("wb") as file:
        file.truncate(5_000_000)
    os.setxattr(here.folder / "d/f", "user.a", b"b")
    with here.entry("d") as source, there.entry("e") as target:
        result = here.drive(copy(source, target, here.control, overwrite=False))
    assert result.created
    assert there.snapshot("e") == here.snapshot("d")
    assert (there.folder / "e/hole").stat().st_blocks == 0
    assert os.getxattr(there.folder / "e/f", "user.a") == b"b"


def test_errors_of_members_to_a_new_destination(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """To a new destination unreadable members are named and the rest is kept."""
    world = new_world(open_folder)
    world.make(
        {"d": {"f": b"1", "closed": b"2", "locked": {"g": b"3"}, "s": {"bad": b"", "h": b""}}}
    )
    for name in ("d/closed", "d/locked", "d/s/bad"):
        (open_folder / name).chmod(0)
    os.chown(open_folder, 65534, 65534)
    result = as_nobody(lambda: world.run(copy, "d", "e", overwrite=False))
    assert (result.created, result.complete) == (True, True)
    assert {error.path for error in result.errors} == {("closed",), ("locked",), ("s", "bad")}
    assert {(error.side, error.error.errno) for error in result.errors} == {
        ("source", errno.EACCES)
    }
    kept = {str(path.relative_to(open_folder / "e")) for path in (open_folder / "e").rglob("*")}
    assert kept == {"f", "s", "s/h"}


def test_errors_of_members_over_an_existing_destination(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """Over an existing destination any failed member means no swap; the failed ones are named."""
    world = new_world(open_folder)
    world.make({"d": {"f": b"1", "closed": b"2"}, "e": {"old": b"o"}})
    (open_folder / "d/closed").chmod(0)
    for path in (open_folder, open_folder / "e"):
        os.chown(path, 65534, 65534)
    before = world.snapshot()
    result = as_nobody(lambda: world.run(copy, "d", "e", overwrite=True))
    assert (result.created, result.complete) == (False, False)
    assert [error.path for error in result.errors] == [("closed",)]
    assert world.snapshot() == before


@pytest.mark.parametrize("name", ["d", "f"])
def test_an_unreadable_root_changes_nothing(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any], name: str
) -> None:
    """If the source itself cannot be read, nothing is made and it is the named member."""
    world = new_world(open_folder)
    world.make({"d": {"f": b"1"}, "f": b""})
    (open_folder / name).chmod(0)
    os.chown(open_folder, 65534, 65534)
    before = world.snapshot()
    result = as_nobody(lambda: world.run(copy, name, "e", overwrite=False))
    assert (result.complete, [error.path for error in result.errors]) == (False, [()])
    assert world.snapshot() == before


def test_a_missing_source_is_not_found(world: Any) -> None:
    """A source that is not there is FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        world.run(copy, "none", "e", overwrite=False)


def test_members_that_vanish_are_not_there(world: Any) -> None:
    """A file and a collection removed during the copy are left out without an error."""
    world.make({"d": {"a": {"f": b""}, "b": {"f": b""}, "c": {"f": b""}}})
    steps = world.steps(copy, "d", "e", overwrite=False)
    next(steps)
    gone = [name for name in "abc" if not (world.folder / ".davkeep-test-1" / name).exists()]
    (world.folder / "d" / gone[0] / "f").unlink()
    (world.folder / "d" / gone[1] / "f").unlink()
    (world.folder / "d" / gone[1]).rmdir()
    result = world.drive(steps)
    assert result.errors == ()
    assert world.snapshot("e") == world.snapshot("d")


def test_a_read_error_is_the_members(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """EIO on reading one file names that file; the same from the kernel's own copying as well."""
    world.make({"d": {"bad": b"x" * 200_000, "good": b"y" * 200_000}})
    bad = (world.folder / "d/bad").stat().st_ino
    read, ranged = os.read, os.copy_file_range

    def broken(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(fd: int, *rest: Any) -> Any:
            if os.fstat(fd).st_ino == bad:
                raise OSError(errno.EIO, "disk")
            return call(fd, *rest)

        return called

    monkeypatch.setattr(os, "read", broken(read))
    monkeypatch.setattr(os, "copy_file_range", broken(ranged))
    result = world.run(copy, "d", "e", overwrite=False)
    assert [(e.side, e.path, e.error.errno) for e in result.errors] == [
        ("source", ("bad",), errno.EIO)
    ]
    assert os.listdir(world.folder / "e") == ["good"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_copy_file_range_bytes_are_copied_by_hand(
    world: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Where the kernel does not copy by itself, reading and writing does."""

    def refused(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", refused)
    world.make({"d": {"big": os.urandom(3_000_000)}})
    world.run(copy, "d", "e", overwrite=False)
    assert world.snapshot("e") == world.snapshot("d")


@pytest.mark.parametrize("existing", [True, False])
def test_a_full_disk_changes_nothing(
    new_world: Callable[..., Any], small_tmpfs: Path, existing: bool, fds: Callable[[], list[str]]
) -> None:
    """ENOSPC stops the operation with DestinationError, removes the staging and keeps the old."""
    source, target = new_world(), new_world(small_tmpfs)
    source.make({"d": {"a": b"x" * 700_000, "b": b"y" * 700_000}})
    target.make({"e": {"old": b"o"}} if existing else {})
    before, opened = target.snapshot(), fds()
    with (
        source.entry("d") as here,
        target.entry("e") as there,
        pytest.raises(DestinationError) as e,
    ):
        source.drive(copy(here, there, source.control, overwrite=True))
    assert e.value.errno == errno.ENOSPC
    assert target.snapshot() == before
    assert not source.control.is_effective
    assert not source.control.left_behind
    assert fds() == opened


def test_a_read_only_file_system_is_the_destinations_error(
    new_world: Callable[..., Any], mount: Callable[..., Path], tmp_path: Path
) -> None:
    """EROFS is DestinationError and nothing is staged."""
    source = new_world()
    source.make(TREE)
    target = new_world(mount("-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path / "ro"))
    for name in ("d", "file"):
        with (
            source.entry(name) as here,
            target.entry("e") as there,
            pytest.raises(DestinationError) as refused,
        ):
            source.drive(copy(here, there, source.control, overwrite=True))
        assert refused.value.errno == errno.EROFS


def test_a_mount_point_in_the_destination_is_not_purged(
    world: Any, mount: Callable[..., Path]
) -> None:
    """A destination that holds a mount point is refused; what is mounted there stays."""
    world.make({**TREE, "e": {"m": {}}})
    point = mount("-t", "tmpfs", "tmpfs", world.folder / "e/m")
    (point / "precious").write_bytes(b"p")
    with pytest.raises(PermissionError) as refused:
        world.run(copy, "d", "e", overwrite=True)
    assert refused.value.errno == errno.EBUSY
    assert (point / "precious").read_bytes() == b"p"
    assert world.hidden() == []


def test_a_mount_made_during_the_copy_is_not_purged(world: Any, mount: Callable[..., Path]) -> None:
    """A file system mounted in the old destination meanwhile is seen before the swap."""
    world.make({**TREE, "e": {"m": {}}})
    steps = world.steps(copy, "d", "e", overwrite=True)
    next(steps)
    point = mount("-t", "tmpfs", "tmpfs", world.folder / "e/m")
    with pytest.raises(PermissionError) as refused:
        world.drive(steps)
    assert refused.value.errno == errno.EBUSY
    assert os.path.ismount(point)
    assert world.hidden() == []


def test_what_purging_cannot_remove_is_told(world: Any, immutable: Callable[[Path], None]) -> None:
    """An old member that cannot be purged stays hidden, and the control says so."""
    world.make({**TREE, "e": {"fixed": b"f", "loose": b"l"}})
    immutable(world.folder / "e/fixed")
    result = world.run(copy, "d", "e", overwrite=True)
    assert result.complete
    assert world.snapshot("e") == world.snapshot("d")
    assert world.control.left_behind
    assert world.hidden() == [".davkeep-test-1", ".davkeep-test-1/fixed"]


def test_read_only_collections_are_purged_and_copied(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """Collections of mode 0555 are copied with their members, and old ones are purged."""
    world = new_world(open_folder)
    tree = {"a": {"f": b"1", "b": {"g": b"2"}}}
    world.make({"d": tree, "e": tree})
    for folder in ("d", "e"):
        for name in ("", "/a", "/a/b"):
            (open_folder / f"{folder}{name}").chmod(0o555)
            os.chown(open_folder / f"{folder}{name}", 65534, 65534)
    (open_folder / "e/a/b").chmod(0)
    os.chown(open_folder, 65534, 65534)

    def run() -> Any:
        world.run(copy, "d", "e", overwrite=True)
        return world.hidden(), world.control.left_behind

    assert as_nobody(run) == ([], False)
    assert world.snapshot("e") == world.snapshot("d")
    assert (open_folder / "e/a/b").stat().st_uid == 65534


def test_a_tree_of_three_thousand_levels(world: Any, fds: Callable[[], list[str]]) -> None:
    """A tree deeper than any path length and any number of descriptors is copied and removed."""
    import resource

    folder = os.open(world.folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = fds()
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(before) + 80, hard))
    try:
        assert world.run(copy, "d", "e", overwrite=False).errors == ()
        assert world.control.progress.members_done == 3001
        for name in ("d", "e"):
            assert world.run(remove, name).errors == ()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir(world.folder) == []
    assert fds() == before


def test_a_deep_tree_whose_copy_its_owner_cannot_search(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """Collections that only others may search are copied, modes and all, however deep."""
    world = new_world(open_folder)
    path = open_folder / "d"
    for _ in range(60):
        path.mkdir(mode=0o705)
        path.chmod(0o005)
        path /= "d"
    os.chown(open_folder, 65534, 65534)
    assert as_nobody(lambda: world.run(copy, "d", "e", overwrite=False)).errors == ()
    assert world.snapshot("e") == world.snapshot("d")


def test_a_file_that_became_a_fifo_does_not_block(world: Any) -> None:
    """What is a FIFO by the time it is opened is an error of that member."""
    os.mkfifo(world.folder / "p")
    fd = os.open(world.folder, os.O_RDONLY)
    with pytest.raises(OSError, match="Errno") as failed:
        MemberCopy(world.control).file(fd, "p", fd, "copied")
    os.close(fd)
    assert failed.value.errno == errno.ESTALE


def test_running_out_of_descriptors_is_no_members_fault(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EMFILE ends the operation as it is (503) and undoes it, rather than leave members out."""
    world.make(TREE)
    before = world.snapshot()
    opened = os.open

    def scarce(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if path == "g" and not flags & os.O_CREAT:
            raise OSError(errno.EMFILE, "too many")
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", scarce)
    with pytest.raises(OSError, match="Errno") as failed:
        world.run(copy, "d", "e", overwrite=False)
    assert failed.value.errno == errno.EMFILE
    assert world.snapshot() == before


@pytest.mark.parametrize("existing", [{}, {"e": {"old": b"o"}}, {"e": b"file"}])
@pytest.mark.parametrize("source", ["d", "file"])
def test_a_store_that_fails_takes_the_swap_back(
    world: Any, existing: dict[str, Any], source: str
) -> None:
    """If what has to change with the swap fails, the destination is as it was."""
    world.make({**TREE, **existing})
    before = world.snapshot()

    def fails() -> None:
        raise RuntimeError("database")

    world.control.effective = fails
    with pytest.raises(RuntimeError):
        world.run(copy, source, "e", overwrite=True)
    assert world.snapshot() == before
    assert not world.control.is_effective


@pytest.mark.usefixtures("without_flags")
@pytest.mark.parametrize("source", ["d", "file"])
@pytest.mark.parametrize("existing", [{}, {"e": {"old": b"o"}}, {"e": b"file"}])
def test_without_renameat2_flags(world: Any, existing: dict[str, Any], source: str) -> None:
    """Where names cannot be exchanged the old is renamed aside; the end is the same."""
    world.make({**TREE, **existing})
    result = world.run(copy, source, "e", overwrite=True)
    assert result.created is (not existing)
    snapshot = world.snapshot()
    assert snapshot[b"e"] == snapshot[source.encode()]
    assert world.hidden() == []


@pytest.mark.usefixtures("without_flags")
def test_without_renameat2_flags_a_second_rename_that_fails(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed aside, the old destination comes back if the new one cannot take its place."""
    world.make({**TREE, "e": {"old": b"o"}})
    before = world.snapshot()
    rename = staging.rename_noreplace
    calls: list[str] = []

    def second_fails(from_fd: int, old: str, to_fd: int, new: str) -> None:
        calls.append(new)
        if len(calls) == 2:
            raise PermissionError(errno.EACCES, "no")
        rename(from_fd, old, to_fd, new)

    monkeypatch.setattr(staging, "rename_noreplace", second_fails)
    with pytest.raises(DestinationError):
        world.run(copy, "d", "e", overwrite=True)
    assert world.snapshot() == before


@pytest.mark.usefixtures("without_flags")
def test_without_renameat2_flags_a_failure_is_undone(world: Any) -> None:
    """Renamed aside, the old destination comes back if the store fails."""
    world.make({**TREE, "e": {"old": b"o"}})
    before = world.snapshot()
    world.control.effective = lambda: (_ for _ in ()).throw(RuntimeError())
    with pytest.raises(RuntimeError):
        world.run(copy, "d", "e", overwrite=True)
    assert world.snapshot() == before


def test_attributes_that_the_destination_lacks_are_dropped(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without extended attributes takes the files without them."""
    world.make(TREE)
    os.setxattr(world.folder / "d/f", "user.a", b"1")

    def refused(*_: Any) -> None:
        raise OSError(errno.ENOTSUP, "no attributes")

    monkeypatch.setattr(os, "setxattr", refused)
    assert world.run(copy, "d", "e", overwrite=False).errors == ()
    assert (world.folder / "e/f").read_bytes() == b"one"
