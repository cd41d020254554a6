"""Errors: defects 14 to 21."""

import base64
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from harness.dav import DAV, failed, make
from harness.defects import Defect, Scene, both, status_of
from harness.trees import count, plant
from harness.waiting import until

#: More than the small file system holds.
LARGE = 2_000_000
#: A COPY of these files takes 1.5 s on either server.
FILES = 150
#: A segment that no file system takes.
LONG_NAME = "n" * 300


def _require_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts, makes files immutable")


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Make a file such that even root cannot remove it."""
    _require_root()
    subprocess.run(["chattr", "+i", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


class OneMemberThatStays(Defect):
    """14: one member that cannot be removed aborts the whole DELETE with 403, and no 207."""

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder / "tree", {"a": b"1", "fast": b"2", "sub": {"b": b"3"}, "z": b"4"})
        with immutable(scene.folder / "tree/fast"):
            answer = scene.ask("DELETE", "tree")
            named = failed(answer) if answer.status == 207 else {}
            return named == {scene.path("tree/fast"): 403}, os.listdir(scene.folder / "tree")

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (True, ["fast"]))


class FullDisk(Defect):
    """15: a full disk is 500 rather than 507, and leaves a partial file."""

    def exchange(self, scene: Scene) -> Any:
        _require_root()
        small = scene.small()
        return scene.ask("PUT", "small/new", {}, os.urandom(LARGE)).status, os.listdir(small)

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (507, []))


class DescriptorOfAFullDisk(Defect):
    """15: what could not be written stays open, so the disk cannot be unmounted."""

    def exchange(self, scene: Scene) -> Any:
        _require_root()
        small = scene.small()
        scene.ask("PUT", "small/new", {}, os.urandom(LARGE))
        opened = Path(f"/proc/{scene.server.process.pid}/fd")
        targets = [os.readlink(each) for each in opened.iterdir() if each.is_symlink()]
        return [target for target in targets if target.startswith(str(small))]

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == [])


class MoveToAFullDisk(Defect):
    """16: MOVE across file systems onto a full one leaves a partial destination."""

    def exchange(self, scene: Scene) -> Any:
        _require_root()
        small = scene.small()
        make(scene.folder / "tree", {"a": b"1", "big": os.urandom(LARGE)})
        status = scene.transfer("MOVE", "tree", "small/tree").status
        return status, os.listdir(small), sorted(os.listdir(scene.folder / "tree"))

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (507, [], ["a", "big"]))


class PathInAnErrorPage(Defect):
    """17: error pages show absolute paths."""

    def exchange(self, scene: Scene) -> Any:
        _require_root()
        scene.small()
        make(scene.folder / "tree", {"big": os.urandom(LARGE)})
        answer = scene.transfer("MOVE", "tree", "small/tree")
        return answer.status, str(scene.folder).encode() in answer.body

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (507, False))


class ExceptionInAnErrorPage(Defect):
    """17: error pages show the texts of exceptions."""

    def exchange(self, scene: Scene) -> Any:
        return scene.ask("PUT", LONG_NAME, {}, b"1").body

    def is_right(self, evidence: Any) -> bool:
        return b"OSError" not in evidence


class PathThatLeadsOut(Defect):
    """18: ``GET /../../x`` promises a content that never comes, and the client hangs."""

    def exchange(self, scene: Scene) -> Any:
        head = f"GET /../../x HTTP/1.1\r\nHost: {scene.wire.host}\r\n\r\n"
        return status_of(scene.said(head.encode(), 0.5))

    def is_right(self, evidence: Any) -> bool:
        return bool(400 <= evidence < 500)


class PathThatIsNoText(Defect):
    """18: ``GET /%ff%fe`` gets no response at all."""

    def exchange(self, scene: Scene) -> Any:
        return status_of(scene.said(scene.request("GET", "/%ff%fe"), 0.5))

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == 404)


class SideOfAnError(Defect):
    """19: the 207 of a COPY names the source for an error of the destination.

    The member cannot be written: the server's process may make no file as large as that.
    """

    def exchange(self, scene: Scene) -> Any:
        make(scene.folder / "tree", {"small": b"1", "big": os.urandom(LARGE)})
        process, kind = scene.server.process.pid, resource.RLIMIT_FSIZE
        soft, hard = resource.prlimit(process, kind)
        resource.prlimit(process, kind, (LARGE // 2, hard))
        try:
            answer = scene.transfer("COPY", "tree", "new")
        finally:
            resource.prlimit(process, kind, (soft, hard))
        hrefs = etree.fromstring(answer.body).iter(f"{DAV}href")
        return answer.status, [(href.text or "").removeprefix(scene.url) for href in hrefs]

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence == (207, ["new/big"]))


class ClientThatHasGone(Defect):
    """20: a client that disconnected is never noticed."""

    def exchange(self, scene: Scene) -> Any:
        plant(scene.folder / "tree", FILES)
        copying = scene.begin("COPY", "tree", "new")
        until(lambda: len(list(scene.folder.iterdir())) > 1, "the COPY has begun")
        port = copying.socket.getsockname()[1]
        copying.close()
        until(
            lambda: not _is_held(scene.server.port, port) or count(scene.folder / "new") == FILES,
            "the server closes its side, or is done",
        )
        noticed = count(scene.folder / "new") < FILES
        until(lambda: count(scene.folder / "new") == FILES, "it goes on all the same")
        return noticed

    def is_right(self, evidence: Any) -> bool:
        return bool(evidence)


def _is_held(server: int, client: int) -> bool:
    """Whether the server still has its end of a connection, which its peer has closed."""
    ends = f":{server:04X} ", f":{client:04X} "
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(all(end in line for end in ends) and " 08 " in line for line in lines)


class _BadInput(Defect):
    def exchange(self, scene: Scene) -> Any:
        return status_of(scene.said(self.sent(scene)))

    def sent(self, scene: Scene) -> bytes:
        raise NotImplementedError

    def is_right(self, evidence: Any) -> bool:
        return 200 <= evidence < 500


class MalformedCredentials(_BadInput):
    """21: Basic credentials that cannot be decoded are 500."""

    def sent(self, scene: Scene) -> bytes:
        without_colon = base64.b64encode(b"ann").decode()
        return scene.request("GET", "/private/hello", f"Authorization: Basic {without_colon}")


class MissingHost(_BadInput):
    """21: a COPY of HTTP/1.0 without a Host field is 500."""

    def sent(self, scene: Scene) -> bytes:
        make(scene.folder, {"file": b"1"})
        to = f"Destination: {scene.path('new')}"
        return f"COPY {scene.path('file')} HTTP/1.0\r\n{to}\r\n\r\n".encode()


class NulInAPath(_BadInput):
    """21: NUL in a path is 500."""

    def sent(self, scene: Scene) -> bytes:
        return scene.request("GET", scene.path("a%00b"))


class GetWithABody(_BadInput):
    """21: GET of a collection with a body is 500."""

    def sent(self, scene: Scene) -> bytes:
        return scene.request("GET", scene.url, "Content-Length: 4", body="body")


class NameThatIsTooLong(_BadInput):
    """21: a name that is too long is 500."""

    def sent(self, scene: Scene) -> bytes:
        return scene.request("PUT", scene.path(LONG_NAME), "Content-Length: 1", body="1")


test_both = both(
    OneMemberThatStays,
    FullDisk,
    DescriptorOfAFullDisk,
    MoveToAFullDisk,
    PathInAnErrorPage,
    ExceptionInAnErrorPage,
    PathThatLeadsOut,
    PathThatIsNoText,
    SideOfAnError,
    ClientThatHasGone,
    MalformedCredentials,
    MissingHost,
    NulInAPath,
    GetWithABody,
    NameThatIsTooLong,
)
