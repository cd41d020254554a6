"""PUT: staged, flushed, renamed; anything else keeps the old content (the promises, PUT)."""

import errno
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.attributes import inherited_acl, umask
from davkeep.trees.identity import etag_of
from davkeep.trees.steps import Control, DestinationError, Lane
from davkeep.trees.upload import Upload
from harness.stepping import ends_within


def put(world: Any, path: str, content: bytes, *, spool: Path | None = None, **options: Any) -> Any:
    """Upload ``content`` in two blocks and commit it; return the result and the upload."""
    with (
        world.entry(path) as entry,
        Upload(entry, world.control, str(spool) if spool else None) as upload,
    ):
        upload.write(content[:3])
        upload.write(memoryview(content)[3:])
        return world.drive(upload.commit(**options)), upload


def test_a_new_file_appears_complete(world: Any) -> None:
    """Until the commit there is only a private staged file; then the file is there at once."""
    with world.entry("f") as entry, Upload(entry, world.control) as upload:
        upload.write(b"con")
        upload.write(b"tent")
        assert os.listdir(world.folder) == [".davkeep-test-1"]
        staged = (world.folder / ".davkeep-test-1").stat()
        assert stat.S_IMODE(staged.st_mode) == 0o600
        assert (upload.size, world.control.progress.bytes_done) == (7, 7)
        for _ in upload.commit():
            assert not (world.folder / "f").exists()
    assert (world.folder / "f").read_bytes() == b"content"
    assert world.hidden() == []
    assert world.control.is_effective


def test_the_result_tells_created_or_replaced(world: Any) -> None:
    """The first commit creates, the second replaces."""
    assert put(world, "f", b"first")[0].created
    result, _ = put(world, "f", b"second")
    assert (result.created, result.complete) == (False, True)
    assert (world.folder / "f").read_bytes() == b"second"
    assert world.hidden() == []


def test_the_status_is_that_of_the_stored_file(world: Any) -> None:
    """The ETag made from the upload is the one that a reader gets afterwards."""
    for content in (b"first", b"other"):
        _, upload = put(world, "f", content)
        assert etag_of(upload.stored) == etag_of((world.folder / "f").stat())


def test_two_uploads_of_one_size_differ(world: Any) -> None:
    """Content of equal size put at once gets another ETag."""
    tags = {etag_of(put(world, "f", content)[1].stored) for content in (b"aaaa", b"bbbb")}
    assert len(tags) == 2


def test_aborted_the_old_content_stays(world: Any) -> None:
    """Without a commit the old file is whole and nothing is left, abort or not."""
    world.make({"f": b"old"})
    before = world.snapshot()
    with world.entry("f") as entry:
        with Upload(entry, world.control) as upload:
            upload.write(b"half")
        upload.abort()
        with pytest.raises(RuntimeError), Upload(entry, world.control) as upload:
            raise RuntimeError
    assert world.snapshot() == before


@pytest.mark.parametrize("existing", [{}, {"f": b"old"}])
def test_cancelled_at_every_step(world: Any, existing: dict[str, Any]) -> None:
    """The steps of a commit closed at any checkpoint leave the old state and nothing staged."""
    world.make(existing)
    world.control.block_size = 2
    before = world.snapshot()
    finished = False
    taken = 0
    while not finished:
        with world.entry("f") as entry, Upload(entry, world.control) as upload:
            upload.write(b"content")
            steps = upload.commit()
            finished = ends_within(steps, taken)
            steps.close()
        if not finished:
            assert world.snapshot() == before
        taken += 1
    assert taken >= 3
    assert (world.folder / "f").read_bytes() == b"content"


def test_a_closed_commit_aborts_by_itself(world: Any, fds: Callable[[], list[str]]) -> None:
    """Whoever closes the steps need not abort the upload too."""
    opened = fds()
    with world.entry("f") as entry:
        steps = Upload(entry, world.control).commit()
        next(steps)
        steps.close()
    assert world.snapshot() == {}
    assert fds() == opened


def test_mode_attributes_and_owner_are_kept(world: Any) -> None:
    """Over an existing file mode, user attributes, owner and group stay."""
    world.make({"f": b"old"})
    path = world.folder / "f"
    os.setxattr(path, "user.colour", b"red")
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    path.chmod(0o640)
    before = path.stat()
    put(world, "f", b"new content")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert os.getxattr(path, "user.colour") == b"red"


def test_setuid_is_not_kept(world: Any) -> None:
    """New content does not inherit setuid or setgid."""
    world.make({"f": b"old"})
    (world.folder / "f").chmod(0o6755)
    put(world, "f", b"new")
    assert stat.S_IMODE((world.folder / "f").stat().st_mode) == 0o755


def _acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


#: Owner rwx, user 1234 rwx, group r-x, mask rwx, others r-x.
_NONE = 0xFFFFFFFF
ACL = _acl((1, 7, _NONE), (2, 7, 1234), (4, 5, _NONE), (16, 7, _NONE), (32, 5, _NONE))


def test_the_acl_is_kept(world: Any) -> None:
    """Over an existing file its POSIX ACL stays."""
    world.make({"f": b"old"})
    path = world.folder / "f"
    try:
        os.setxattr(path, "system.posix_acl_access", ACL)
    except OSError:
        pytest.skip("this file system has no ACLs")
    before = path.stat().st_mode
    put(world, "f", b"new")
    assert os.getxattr(path, "system.posix_acl_access") == ACL
    assert path.stat().st_mode == before


def test_a_new_file_gets_what_open_would_have_given(world: Any) -> None:
    """Mode 0666 less the umask; in a folder with a default ACL, what that says."""
    put(world, "f", b"new")
    assert stat.S_IMODE((world.folder / "f").stat().st_mode) == 0o666 & ~umask()
    try:
        os.setxattr(world.folder, "system.posix_acl_default", ACL)
    except OSError:
        pytest.skip("this file system has no ACLs")
    (world.folder / "plain").write_bytes(b"")
    put(world, "g", b"new")
    made, plain = world.folder / "g", world.folder / "plain"
    assert made.stat().st_mode == plain.stat().st_mode
    assert os.getxattr(made, "system.posix_acl_access") == os.getxattr(
        plain, "system.posix_acl_access"
    )
    world.make({"old": b""})
    os.removexattr(world.folder / "old", "system.posix_acl_access")
    put(world, "old", b"new")
    assert "system.posix_acl_access" not in os.listxattr(world.folder / "old")


def test_an_inherited_acl_grants_no_execution() -> None:
    """Owner, others and the mask (without one, the group) lose the right to execute."""
    assert (
        inherited_acl(ACL)[4:]
        == _acl((1, 6, _NONE), (2, 7, 1234), (4, 5, _NONE), (16, 6, _NONE), (32, 4, _NONE))[4:]
    )
    small = _acl((1, 7, _NONE), (4, 7, _NONE), (32, 7, _NONE))
    assert inherited_acl(small) == _acl((1, 6, _NONE), (4, 6, _NONE), (32, 6, _NONE))


def test_the_umask_is_read_without_touching_it() -> None:
    """The umask told is the one that was set when it was first asked for."""
    umask.cache_clear()
    old = os.umask(0o027)
    try:
        assert umask() == 0o027
    finally:
        os.umask(old)
        umask.cache_clear()


def test_a_hard_link_is_broken(world: Any) -> None:
    """The other name of a replaced file keeps the old content."""
    world.make({"f": b"old"})
    os.link(world.folder / "f", world.folder / "twin")
    put(world, "f", b"new")
    assert (world.folder / "twin").read_bytes() == b"old"
    assert (world.folder / "f").read_bytes() == b"new"


def test_collections_links_and_special_files_are_refused(world: Any) -> None:
    """PUT onto a collection, the root, a hidden link or a FIFO stages nothing."""
    world.make({"d": {}, "l": "d"})
    os.mkfifo(world.folder / "p")
    before = world.snapshot()
    for path, kind in (("d", IsADirectoryError), ("", IsADirectoryError), ("p", PermissionError)):
        with world.entry(path) as entry, pytest.raises(kind):
            Upload(entry, world.control)
    with world.entry("l") as entry, pytest.raises(OSError, match="Errno") as refused:
        Upload(entry, world.control)
    assert refused.value.errno == errno.ELOOP
    assert world.snapshot() == before


@pytest.mark.parametrize("replace", [True, False])
def test_a_collection_made_meanwhile_is_not_replaced(world: Any, replace: bool) -> None:
    """If a collection has taken the name before the commit, it stays."""
    with world.entry("f") as entry, Upload(entry, world.control) as upload:
        upload.write(b"x")
        world.make({"f": {"member": b"m"}})
        with pytest.raises((IsADirectoryError, FileExistsError)):
            world.drive(upload.commit(replace=replace))
    assert (world.folder / "f/member").read_bytes() == b"m"
    assert world.hidden() == []


def test_a_collection_made_at_the_last_moment_is_not_replaced(world: Any) -> None:
    """Also between the last check and the rename a collection is put back in its place."""
    world.make({"f": b"old"})
    with world.entry("f") as entry, Upload(entry, world.control) as upload:
        steps = upload.commit()
        next(steps)
        status = entry.stat()
        (world.folder / "f").unlink()
        world.make({"f": {"member": b"m"}})
        entry.find = lambda: status
        with pytest.raises(IsADirectoryError):
            world.drive(steps)
    assert (world.folder / "f/member").read_bytes() == b"m"
    assert world.hidden() == []


def test_without_leave_nothing_is_replaced(world: Any) -> None:
    """``replace`` false fails on a file that is there, also one made at the last moment."""
    world.make({"f": b"old"})
    with pytest.raises(FileExistsError):
        put(world, "f", b"new", replace=False)
    with world.entry("g") as entry, Upload(entry, world.control) as upload:
        steps = upload.commit(replace=False)
        next(steps)
        (world.folder / "g").write_bytes(b"mine")
        entry.find = lambda: None
        with pytest.raises(FileExistsError):
            world.drive(steps)
    assert (world.folder / "f").read_bytes() == b"old"
    assert (world.folder / "g").read_bytes() == b"mine"
    assert world.hidden() == []


def test_a_file_made_at_the_last_moment_is_replaced_with_leave(world: Any) -> None:
    """With ``replace`` a file that appeared after the last check is replaced, not an error."""
    with world.entry("g") as entry, Upload(entry, world.control) as upload:
        upload.write(b"new")
        steps = upload.commit()
        next(steps)
        (world.folder / "g").write_bytes(b"mine")
        with pytest.MonkeyPatch.context() as patched:
            answers = [None]
            find = type(entry).find
            patched.setattr(type(entry), "find", lambda it: answers.pop() if answers else find(it))
            assert not world.drive(steps).created
    assert (world.folder / "g").read_bytes() == b"new"


def test_a_full_disk_keeps_the_old_file(
    new_world: Callable[..., Any], small_tmpfs: Path, fds: Callable[[], list[str]]
) -> None:
    """ENOSPC while writing is DestinationError; the old content stays, nothing is left."""
    world = new_world(small_tmpfs)
    world.make({"f": b"old"})
    before, opened = world.snapshot(), fds()
    with (
        world.entry("f") as entry,
        Upload(entry, world.control) as upload,
        pytest.raises(DestinationError) as failed,
    ):
        upload.write(b"x" * 2_000_000)
    assert failed.value.errno == errno.ENOSPC
    assert world.snapshot() == before
    assert fds() == opened


@pytest.mark.parametrize("existing", [{}, {"f": b"old"}])
def test_a_spool_on_another_file_system(
    new_world: Callable[..., Any], other_tmpfs: Path, existing: dict[str, Any]
) -> None:
    """Staged on another file system the file is copied beside the target before it appears."""
    world = new_world()
    world.make(existing)
    world.control.block_size = 65536
    content = os.urandom(200_000)
    with world.entry("f") as entry, Upload(entry, world.control, str(other_tmpfs)) as upload:
        upload.write(content)
        assert os.listdir(other_tmpfs) == [".davkeep-test-1"]
        assert world.hidden() == []
        result = world.drive(upload.commit())
    assert result.created is (not existing)
    assert (world.folder / "f").read_bytes() == content
    assert world.hidden() == os.listdir(other_tmpfs) == []
    assert world.lanes[0] is Lane.LONG
    assert world.lanes[-1] is Lane.SHORT


def test_a_spool_on_another_file_system_cancelled_at_every_step(
    new_world: Callable[..., Any], other_tmpfs: Path, fds: Callable[[], list[str]]
) -> None:
    """Cancelled at any checkpoint, the spool and the target hold nothing new and no descriptor."""
    world = new_world()
    world.make({"f": b"old"})
    world.control.block_size = 65536
    before, opened, finished, taken = world.snapshot(), fds(), False, 0
    while not finished:
        with world.entry("f") as entry, Upload(entry, world.control, str(other_tmpfs)) as upload:
            upload.write(b"x" * 200_000)
            steps = upload.commit()
            finished = ends_within(steps, taken)
            steps.close()
        assert fds() == opened
        assert os.listdir(other_tmpfs) == []
        if not finished:
            assert world.snapshot() == before
        taken += 1
    assert taken > 5


def test_a_spool_on_the_same_file_system(world: Any, tmp_path: Path) -> None:
    """Staged elsewhere on the same file system the file is renamed, with the target's mode."""
    spool = tmp_path / "spool"
    spool.mkdir()
    put(world, "f", b"content", spool=spool)
    assert (world.folder / "f").read_bytes() == b"content"
    assert stat.S_IMODE((world.folder / "f").stat().st_mode) == 0o666 & ~umask()
    assert os.listdir(spool) == []
    assert world.hidden() == []


def test_a_spool_that_is_missing_is_told(world: Any, tmp_path: Path) -> None:
    """Without its spool folder an upload fails at once with DestinationError."""
    with world.entry("f") as entry, pytest.raises(DestinationError):
        Upload(entry, world.control, str(tmp_path / "none"))


@pytest.mark.parametrize("existing", [{}, {"f": b"old"}])
def test_a_store_that_fails_takes_the_file_back(world: Any, existing: dict[str, Any]) -> None:
    """If what has to change with the commit fails, the old content is there."""
    world.make(existing)
    before = world.snapshot()
    world.control.effective = lambda: (_ for _ in ()).throw(RuntimeError())
    with pytest.raises(RuntimeError):
        put(world, "f", b"new")
    assert world.snapshot() == before


@pytest.mark.usefixtures("without_flags")
def test_without_renameat2_flags(world: Any) -> None:
    """Where names cannot be exchanged an ordinary rename replaces the file."""
    assert put(world, "f", b"first")[0].created
    assert not put(world, "f", b"second")[0].created
    assert (world.folder / "f").read_bytes() == b"second"
    assert world.hidden() == []
    with pytest.raises(FileExistsError):
        put(world, "f", b"third", replace=False)


def test_with_following_the_target_is_written(new_world: Callable[..., Any]) -> None:
    """PUT to a link writes what it leads to; the link stays."""
    world = new_world(follow_symlinks=True)
    world.make({"d": {"f": b"old"}, "l": "d/f"})
    put(world, "l", b"new")
    assert (world.folder / "l").is_symlink()
    assert (world.folder / "d/f").read_bytes() == b"new"


def test_a_write_protected_file_is_not_replaced(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """A file that its user may not write is refused although its folder could be changed."""
    world = new_world(open_folder)
    world.make({"f": b"old"})
    (open_folder / "f").chmod(0o444)
    for path in (open_folder, open_folder / "f"):
        os.chown(path, 65534, 65534)
    with pytest.raises(PermissionError):
        as_nobody(lambda: put(world, "f", b"new")[0])
    assert (open_folder / "f").read_bytes() == b"old"


def test_as_an_ordinary_user(
    new_world: Callable[..., Any], open_folder: Path, as_nobody: Callable[..., Any]
) -> None:
    """Where the owner cannot be kept the file is replaced all the same."""
    world = new_world(open_folder)
    world.make({"f": b"old"})
    (open_folder / "f").chmod(0o666)
    os.chown(open_folder, 65534, 65534)
    assert not as_nobody(lambda: put(world, "f", b"new")[0]).created
    assert (open_folder / "f").stat().st_uid == 65534
    assert stat.S_IMODE((open_folder / "f").stat().st_mode) == 0o666


def test_a_stale_staging_entry_is_not_touched(world: Any) -> None:
    """A staging name that is taken is an error, and what is there stays."""
    world.make({".davkeep-test-1": {"x": b"x"}})
    before = world.snapshot()
    with world.entry("f") as entry, pytest.raises(FileExistsError):
        Upload(entry, Control(".davkeep-test-1"))
    assert world.snapshot() == before
