"""Data that is lost: defects 1 to 7."""

import os
import socket
import struct
from typing import Any

import pytest

from harness.dav import make
from harness.defects import Defect, Scene, both
from harness.waiting import until

#: Lingering for 0 s: close() resets the connection.
RESET = struct.pack("ii", 1, 0)
#: More than the small file system holds.
LARGE = 2_000_000


class UploadThatEndsEarly(Defect):
    """1: a PUT whose body ends early (FIN) keeps the truncated file and calls it success."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"file": b"the old content"})
        head = scene.request("PUT", scene.path("file"), "Content-Length: 1000", body="new")
        with socket.create_connection((scene.server.host, scene.server.port), 30) as sock:
            sock.sendall(head)
            sock.shutdown(socket.SHUT_WR)
            answer = sock.recv(65536)
        return (scene.folder / "file").read_bytes(), answer.split(b" ")[1:2] not in ([b"204"],)

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (b"the old content", True))


class UploadThatIsReset(Defect):
    """1: a PUT whose connection is reset has already destroyed the old content."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"file": b"the old content"})
        file = scene.folder / "file"
        head = scene.request("PUT", scene.path("file"), "Content-Length: 1000", body="new")
        with socket.create_connection((scene.server.host, scene.server.port), 30) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.sendall(head)
            until(lambda: os.listdir(scene.folder) != ["file"] or not file.stat().st_size, "begun")
        until(lambda: os.listdir(scene.folder) == ["file"], "nothing else is left")
        return file.read_bytes()

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == b"the old content")


class DeleteBelowALock(Defect):
    """2: DELETE of a tree with a locked member says 423 and deletes it all the same."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"tree": {"sub": {"locked": b"1"}}})
        scene.locked("tree/sub/locked")
        return scene.ask("DELETE", "tree").status, (scene.folder / "tree/sub/locked").exists()

    def is_right(self, evidence: Any) -> bool:
        return evidence[0] in (207, 423) and evidence[1]


class DestinationWithAQuestionMark(Defect):
    """3: MOVE to ``b%3Fv2`` overwrites ``b``, for Destination is unquoted before it is parsed."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"a": b"a", "b": b"b"})
        scene.transfer("MOVE", "a", "b%3Fv2")
        return {path.name: path.read_bytes() for path in scene.folder.iterdir()}

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == {"b": b"b", "b?v2": b"a"})


class DestinationWithASemicolon(Defect):
    """3: COPY to ``b%3Bv2`` overwrites ``b`` likewise."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"a": b"a", "b": b"b"})
        scene.transfer("COPY", "a", "b%3Bv2")
        return {path.name: path.read_bytes() for path in scene.folder.iterdir()}

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == {"a": b"a", "b": b"b", "b;v2": b"a"})


class CopyOfDepthZero(Defect):
    """4: COPY of a collection with ``Depth: 0`` copies the whole tree."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"tree": {"file": b"1", "sub": {"file": b"2"}}})
        return scene.transfer("COPY", "tree", "new", Depth="0").status, os.listdir(
            scene.folder / "new"
        )

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (201, []))


class _OverwriteThatFails(Defect):
    method: str

    def exchange(self, scene: Scene) -> Any:
        if os.geteuid() != 0:
            pytest.skip("needs root: mounts a small file system")
        small = scene.small()
        make(scene.folder / "tree", {"big": os.urandom(LARGE)})
        make(small / "tree", {"kept": b"kept"})
        status = scene.transfer(self.method, "tree", "small/tree").status
        return status, sorted(os.listdir(small / "tree")), os.listdir(scene.folder / "tree")

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (507, ["kept"], ["big"]))


class CopyOverThatFails(_OverwriteThatFails):
    """5: a COPY that overwrites deletes the destination first, and then finds the disk full."""

    method = "COPY"


class MoveOverThatFails(_OverwriteThatFails):
    """5: a MOVE that overwrites does so too."""

    method = "MOVE"


class TaggedIfWithAnEntityTag(Defect):
    """6: a tagged ``If: <url> (["etag"])`` with a wrong entity tag is ignored."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder, {"file": b"old"})
        wrong = f'<{scene.whole("file")}> (["wrong"])'
        return scene.ask("PUT", "file", {"If": wrong}, b"new").status, (
            scene.folder / "file"
        ).read_bytes()

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (412, b"old"))


class EntityTagOfASecond(Defect):
    """7: two PUTs of the same size within a second share one entity tag."""

    def exchange(self, scene: Scene) -> Any:
        tags = []
        for content in (b"1", b"2", b"3", b"4", b"5"):
            scene.ask("PUT", "file", {}, content)
            tags.append(scene.etag("file"))
        return tags

    def is_right(self, evidence: Any) -> bool:
        return len(set(evidence)) == len(evidence)


class IfMatchOfNothing(Defect):
    """7: ``If-Match: *`` on a missing resource creates it."""

    def exchange(self, scene: Scene) -> Any:
        status = scene.ask("PUT", "file", {"If-Match": "*"}, b"1").status
        return status, (scene.folder / "file").exists()

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (412, False))


test_both = both(
    UploadThatEndsEarly,
    UploadThatIsReset,
    DeleteBelowALock,
    DestinationWithAQuestionMark,
    DestinationWithASemicolon,
    CopyOfDepthZero,
    CopyOverThatFails,
    MoveOverThatFails,
    TaggedIfWithAnEntityTag,
    EntityTagOfASecond,
    IfMatchOfNothing,
)
