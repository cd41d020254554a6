"""For how long uploads are kept, and what a crash leaves of them; time passes only when told."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from davkeep.dav.uploads.sweeper import Sweeper
from davkeep.dav.uploads.transfer import Transfer
from davkeep.dav.uploads.uploads import KEPT, Uploads
from davkeep.store.database import Database
from davkeep.store.uploads import StoredUpload
from davkeep.store.uploads import Uploads as StoredUploads
from davkeep.trees.roots import Roots
from davkeep.trees.share import Share
from davkeep.trees.steps import Control
from davkeep.trees.upload import Upload
from davkeep.words.content_range import ContentRange
from davkeep.words.failure import Failure
from harness.trees import members
from harness.waiting import until

ANN, BOB = ("ann", ""), ("bob", "")
PREFIX = ".davkeep-test-"


class World:
    """A share, a database, a clock, and the uploads; ``restarted`` begins anew with the same."""

    def __init__(self, folder: Path, spool: Path | None = None) -> None:
        self.folder = folder / "share"
        self.folder.mkdir()
        self.spool = spool
        self.share = Share(self.folder)
        self.roots = Roots([self.share])
        self.database = Database(folder / "state")
        self.stored = StoredUploads(self.database)
        self.now = 1000.0
        self.restarted()

    def restarted(self) -> int:
        """A new process, after whatever happened to the old one."""
        spool = None if self.spool is None else str(self.spool)
        self.uploads = Uploads(self.stored, PREFIX, self.roots, spool=spool, now=lambda: self.now)
        return self.uploads.recover()

    @contextmanager
    def transfer(self, first: int, content: bytes, total: int = 100, owner: Any = ANN) -> Any:
        """A request that brings a part of ``file``."""
        part = ContentRange(first, first + len(content) - 1, total)
        with self.share.entry(["file"]) as entry:
            transfer = self.uploads.begin(entry, owner, part)
            try:
                if content:
                    transfer.write(content)
                yield transfer
            finally:
                transfer.close()

    def bring(self, first: int, content: bytes, total: int = 100, owner: Any = ANN) -> None:
        """The whole of such a request."""
        with self.transfer(first, content, total, owner) as transfer:
            transfer.finish()

    def standing(self, owner: Any = ANN) -> tuple[int, float] | None:
        """Offset, and for how long it is kept."""
        with self.share.entry(["file"]) as entry:
            found = self.uploads.standing(entry, owner)
        return None if found is None else (found.offset, found.left)

    @property
    def hidden(self) -> list[Path]:
        """What lies in the share or the spool out of sight."""
        folders = [self.folder, *([self.spool] if self.spool else [])]
        return [path for folder in folders for path in folder.glob(".davkeep-*")]


@pytest.fixture(params=["beside", "spool"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Hidden files beside their targets, or in a folder of their own."""
    spool = tmp_path / "spool" if request.param == "spool" else None
    if spool:
        spool.mkdir()
    made = World(tmp_path, spool)
    yield made
    made.database.close()
    made.share.close()


def test_a_day_after_it_was_last_heard_of(world: World) -> None:
    """Each request renews it; then it is as if it had never been."""
    world.bring(0, b"x" * 10)
    world.now += KEPT - 1
    assert world.standing() == (10, 1)
    world.bring(10, b"x" * 10)
    world.now += KEPT - 1
    assert world.uploads.expire() == 0
    assert world.standing() == (20, 1)
    world.now += 1
    assert world.standing() is None
    assert (world.hidden, world.stored.all()) == ([], [])


@pytest.mark.parametrize("how", ["expire", "recover", "begin", "abandon"])
def test_what_is_too_old_is_gone_whoever_looks(world: World, how: str) -> None:
    """By the sweep, at a start, and by a request that would go on with it."""
    world.bring(0, b"x" * 10)
    world.bring(0, b"y" * 10, owner=BOB)
    world.now += KEPT
    if how == "begin":
        for owner in (ANN, BOB):
            with pytest.raises(Failure) as caught:
                world.bring(10, b"x", owner=owner)
            assert caught.value.status == 409
    elif how == "abandon":
        for owner in (ANN, BOB):
            with world.share.entry(["file"]) as entry:
                assert not world.uploads.abandon(entry, owner)
    else:
        assert getattr(world.uploads, how)() == 2
    assert (world.hidden, world.stored.all()) == ([], [])


def test_one_that_goes_on_is_not_too_old(world: World) -> None:
    """A request may take more than a day."""
    with world.transfer(0, b"x" * 10) as transfer:
        world.now += 3 * KEPT
        assert world.uploads.expire() == 0
        transfer.write(b"")
    assert world.standing() == (10, KEPT)


def test_a_restart_in_between(world: World) -> None:
    """What has arrived is where it was."""
    world.bring(0, b"x" * 10)
    assert world.restarted() == 0
    assert world.standing() == (10, KEPT)
    world.bring(10, b"y" * 5)
    (hidden,) = world.hidden
    assert hidden.read_bytes() == b"x" * 10 + b"y" * 5


def test_another_spool_after_a_restart(world: World, tmp_path: Path) -> None:
    """An upload ends where it began."""
    world.bring(0, b"x" * 10)
    (tmp_path / "other").mkdir()
    former, world.spool = world.spool, tmp_path / "other"
    world.restarted()
    assert world.standing() == (10, KEPT)
    world.bring(10, b"y")
    assert members(world.spool) == []
    world.spool = former


def test_a_crash_before_the_file_was_noted(world: World) -> None:
    """Whether it was made or not, nothing is left of it."""
    for number in range(2):
        name = f"{PREFIX}{number}"
        folder = None if world.spool is None else os.fsencode(world.spool)
        path = os.fsencode(world.folder / "file")
        world.stored.add(StoredUpload(name, path, "ann", "", 10, folder, None, world.now))
        if number:
            ((world.spool or world.folder) / name).touch()
        assert world.restarted() == 1
        assert (world.hidden, world.stored.all()) == ([], [])


def test_a_crash_after_the_swap(world: World) -> None:
    """What has the hidden name then is the old file, which was replaced: it is no upload."""
    target = world.folder / "file"
    target.write_bytes(b"old content")
    world.bring(0, b"x" * 10, 20)
    (hidden,) = world.hidden
    beside = world.folder / hidden.name
    hidden.rename(beside)
    beside.rename(world.folder / "new")
    target.rename(beside)
    (world.folder / "new").rename(target)
    if world.spool is None:
        assert world.restarted() == 1
    assert world.standing() is None
    assert (world.hidden, world.stored.all()) == ([], [])
    assert target.read_bytes() == b"x" * 10


def test_a_disk_that_is_not_there_at_the_start(world: World) -> None:
    """An upload on it is kept."""
    world.bring(0, b"x" * 10)
    away = [path for path in (world.folder, world.spool) if path]
    for path in away:
        path.rename(path.with_suffix(".away"))
    assert world.restarted() == 0
    for path in away:
        path.with_suffix(".away").rename(path)
    assert world.standing() == (10, KEPT)


#: Everything by which a request can touch the file of its upload.
TOUCHING: dict[str, Callable[[Transfer], object]] = {
    "write": lambda transfer: transfer.write(b"z"),
    "finish": lambda transfer: transfer.finish(),
    "flush": lambda transfer: transfer.flush(),
    "take back": lambda transfer: transfer.take_back(is_wrong=True),
    "store": lambda transfer: transfer.tenure.hold_to_store(),
}


@pytest.mark.parametrize("touch", TOUCHING.values(), ids=TOUCHING)
def test_a_newer_request_goes_on(world: World, touch: Callable[[Transfer], object]) -> None:
    """The older one, whose client may be dead, can do nothing more, whatever it is about to do."""
    with world.transfer(0, b"x" * 10) as first:
        assert world.standing() == (10, KEPT)
        with world.transfer(5, b"y" * 5) as second:
            # It has brought less than it was to.
            first.part = ContentRange(0, 19, 100)
            with pytest.raises(Failure) as caught:
                touch(first)
            assert caught.value.status == 409
            first.is_over = True
            first.close()
            assert world.standing() == (10, KEPT)
            second.finish()
    (hidden,) = world.hidden
    assert hidden.read_bytes() == b"xxxxxyyyyy"


def test_the_file_has_one_owner(world: World) -> None:
    """The newer request has the very file of the older one, which is closed once."""
    with world.transfer(0, b"x" * 10) as first:
        with first.tenure.file() as file:
            pass
        with world.transfer(5, b"y" * 5) as second:
            with second.tenure.file() as same:
                assert same is file
            first.close()
            assert file.fd >= 0
        assert file.fd == -1


def test_a_file_that_another_program_cut(world: World) -> None:
    """A part is not kept of which not everything is there, and what came before it stays."""
    world.bring(0, b"x" * 10)
    with world.transfer(10, b"y" * 10) as transfer:
        (hidden,) = world.hidden
        os.truncate(hidden, 15)
        with pytest.raises(OSError, match="has not the size") as caught:
            transfer.finish()
        assert caught.value.errno == errno.EIO
    assert world.standing() == (10, KEPT)


def test_what_could_not_be_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not count for a newer request either, which is told while the older one hangs."""
    world.bring(0, b"x" * 10)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with world.transfer(10, b"y" * 10) as first:
        with monkeypatch.context() as patched:
            patched.setattr(os, "ftruncate", refuse)
            first.take_back(is_wrong=False)
        assert world.standing() == (10, KEPT)
        with pytest.raises(Failure) as caught:
            world.bring(11, b"z")
        assert caught.value.status == 409
        world.bring(10, b"z" * 5)
    (hidden,) = world.hidden
    assert hidden.read_bytes() == b"x" * 10 + b"z" * 5
    assert world.standing() == (15, KEPT)


def test_while_it_is_stored(world: World) -> None:
    """423 for whoever would change it; after a commit that failed it can be tried again."""
    with world.transfer(0, b"x" * 10, 10) as transfer, world.share.entry(["file"]) as entry:
        transfer.tenure.hold_to_store()
        for call in (
            lambda: world.uploads.begin(entry, ANN, ContentRange(0, 9, 10)),
            lambda: world.uploads.abandon(entry, ANN),
        ):
            with pytest.raises(Failure) as caught:
                call()
            assert (caught.value.status, caught.value.fields) == (423, (("Retry-After", "2"),))
        assert world.standing() == (10, KEPT)
    assert world.standing() == (10, KEPT)
    with world.transfer(9, b"x", 10) as transfer:
        transfer.is_over = True
    assert (world.hidden, world.stored.all()) == ([], [])


def test_whoever_looks_while_it_is_stored_touches_nothing(world: World) -> None:
    """The file that is being replaced has the hidden name for a moment, and may yet come back."""
    with world.transfer(0, b"x" * 10, 10) as transfer:
        transfer.tenure.hold_to_store()
        (hidden,) = world.hidden
        hidden.rename(world.folder / "file")
        replaced = world.folder / hidden.name
        replaced.write_bytes(b"old")
        assert world.standing() == (10, KEPT)
        world.now += 2 * KEPT
        assert world.uploads.expire() == 0
        assert replaced.read_bytes() == b"old"
        replaced.rename(world.folder / "old")


def test_given_up_while_a_part_arrives(world: World) -> None:
    """The request is told, and leaves nothing."""
    with world.transfer(0, b"x" * 10) as transfer:
        with world.share.entry(["file"]) as entry:
            assert world.uploads.abandon(entry, ANN)
        with pytest.raises(Failure) as caught:
            transfer.write(b"x")
        assert caught.value.status == 409
    assert (world.hidden, world.stored.all()) == ([], [])


def test_nothing_that_is_empty_is_kept(world: World) -> None:
    """A request that brought nothing leaves nothing."""
    with world.transfer(0, b""):
        assert len(world.hidden) == 1
    assert (world.hidden, world.stored.all()) == ([], [])


def test_where_nothing_can_be_made(world: World) -> None:
    """The failure is that of the folder, and no row is left."""
    gone = world.spool or world.folder
    with world.share.entry(["file"]) as entry:
        gone.rmdir()
        with pytest.raises(OSError, match="No such file"):
            world.uploads.begin(entry, ANN, ContentRange(0, 0, 10))
    assert world.stored.all() == []


def test_the_sweeper(world: World) -> None:
    """It looks at once, and then again and again, until it is stopped."""
    world.bring(0, b"x" * 10)
    world.now += KEPT
    sweeper = Sweeper(world.uploads, interval=0.01)
    sweeper.start()
    try:
        until(lambda: not world.stored.all(), "the upload is dropped at once")
        world.bring(0, b"x" * 10)
        world.now += KEPT
        until(lambda: not world.stored.all(), "the upload is dropped")
    finally:
        sweeper.stop()
    assert world.hidden == []


def test_a_commit_from_what_was_kept(world: World) -> None:
    """The engine takes the file over where it is."""
    with world.transfer(0, b"x" * 10, 10) as transfer, world.share.entry(["file"]) as entry:
        arrived = transfer.tenure.hold_to_store()
        control = Control(transfer.name)
        with Upload(entry, control, arrived=arrived) as upload:
            for _ in upload.commit():
                pass
        transfer.is_over = True
    assert (world.folder / "file").read_bytes() == b"x" * 10
    assert (world.hidden, world.stored.all()) == ([], [])
