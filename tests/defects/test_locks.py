"""Locks: defects 8 to 13."""

import time
from functools import partial
from typing import Any

from harness.dav import make
from harness.defects import Defect, Scene, both
from harness.trees import count, plant
from harness.waiting import until

#: A COPY of these files takes 1.5 s on either server.
FILES = 150
#: Seconds of the shortest lock.
SHORT = {"Timeout": "Second-1"}


def _expire() -> None:
    """Wait until a lock of one second is over, which happens without an event."""
    over = time.time() + 1.05
    until(lambda: time.time() > over, "the lock's time is over")


class SaveOfOffice(Defect):
    """8: MOVE of the temporary file onto the locked original with ``If: (<token>)`` is 412."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"original": b"old"})
        token = scene.locked("original")
        scene.ask("PUT", "temporary", {}, b"new")
        moved = scene.transfer("MOVE", "temporary", "original", If=f"(<{token}>)").status
        unlocked = scene.ask("UNLOCK", "original", {"Lock-Token": f"<{token}>"}).status
        return moved, unlocked, (scene.folder / "original").read_bytes()

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (204, 204, b"new"))


class LockedTemporaryFile(Defect):
    """8: so is that of a temporary file that is itself locked, with its own token."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"original": b"old", "temporary": b"new"})
        token = scene.locked("temporary")
        moved = scene.transfer("MOVE", "temporary", "original", If=f"(<{token}>)").status
        return moved, (scene.folder / "original").read_bytes()

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (204, b"new"))


class CopyIfMatch(Defect):
    """8: COPY with the source's valid ``If-Match`` is 412 where the destination exists."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"source": b"new", "old": b"old!"})
        tag = scene.etag("source")
        return scene.transfer("COPY", "source", "old", If_Match=tag).status

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == 204)


class ExpiredLockBelow(Defect):
    """9: an expired lock below a collection is 500, dictionary changed size during iteration."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"tree": {"file": b"1"}})
        scene.locked("tree/file", **SHORT)
        _expire()
        return scene.try_lock("tree")

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == 200)


class ExpiredLockTwice(Defect):
    """10: of two threads that purge an expired lock one is refused, inevitable dead lock: 500.

    A race; the seam of the stock server lets the two meet.
    """

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"file": b"1"})
        scene.locked("file", **SHORT)
        _expire()
        put = partial(scene.ask, "PUT", "file", {}, b"2")
        return scene.together(lambda: put().status, lambda: put().status)

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == [204, 204])


class LockThatStaysBehind(Defect):
    """11: MOVE leaves the lock at the old URL, where a later PUT is 423."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"file": b"1"})
        token = scene.locked("file")
        moved = scene.transfer("MOVE", "file", "new", If=f"(<{token}>)").status
        return moved, scene.ask("PUT", "file", {}, b"2").status

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (201, 201))


class TokenOfAMember(Defect):
    """12: MOVE of a collection whose member's token is submitted is 423."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"tree": {"file": b"1"}})
        token = scene.locked("tree/file")
        submitted = f"<{scene.whole('tree/file')}> (<{token}>)"
        return scene.transfer("MOVE", "tree", "new", If=submitted).status

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == 201)


class LockDuringACopy(Defect):
    """13: a lock is granted on the destination in the middle of a COPY."""

    def exchange(self, scene: Scene) -> Any:
        plant(scene.folder / "tree", FILES)
        copying = scene.begin("COPY", "tree", "new")
        until(lambda: len(list(scene.folder.iterdir())) > 1, "the COPY has begun")
        locked = scene.try_lock("new")
        return locked, copying.response().status

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (423, 201))


class LockThatExpiresDuringACopy(Defect):
    """13: a lock that expires in the middle of its owner's COPY is taken by somebody else."""

    def exchange(self, scene: Scene) -> Any:
        plant(scene.folder / "tree", FILES)
        plant(scene.folder / "old", 1)
        token = scene.lock("old", **SHORT)
        submitted = f"<{scene.whole('old')}> (<{token}>)"
        copying = scene.begin("COPY", "tree", "old", If=submitted)
        _expire()
        return scene.try_lock("old"), copying.response().status

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (423, 204))


class DeleteDuringACopy(Defect):
    """13: DELETE of the source in the middle of a COPY gives a copy of a part, 207 with 500s."""

    def exchange(self, scene: Scene) -> Any:
        plant(scene.folder / "tree", FILES)
        copying = scene.begin("COPY", "tree", "new")
        until(lambda: len(list(scene.folder.iterdir())) > 1, "the COPY has begun")
        deleted = scene.ask("DELETE", "tree").status
        return deleted, copying.response().status, count(scene.folder / "new")

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (423, 201, FILES))


test_both = both(
    SaveOfOffice,
    LockedTemporaryFile,
    CopyIfMatch,
    ExpiredLockBelow,
    ExpiredLockTwice,
    LockThatStaysBehind,
    TokenOfAMember,
    LockDuringACopy,
    LockThatExpiresDuringACopy,
    DeleteDuringACopy,
)
