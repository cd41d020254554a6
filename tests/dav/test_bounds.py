"""How large a file may become by parts: no larger than a body may be, or its disk can hold."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.dav import Place, failed, make
from harness.disks import mounted
from harness.images import disk_of
from harness.server import RunningServer, Serve
from harness.trees import members
from harness.uploads import ranged, upload_path

KIND = {"Content-Type": "application/x-sabredav-partialupdate"}
MIB = 1 << 20

#: What `server_args` allow a body.
MOST = 1000


def patch(client: Any, name: str, where: str, body: bytes = b"----") -> Any:
    """PATCH a part; ``client`` is a Place or a Wire."""
    return client.ask("PATCH", name, {**KIND, "X-Update-Range": where}, body)


def put(client: Any, name: str, where: str, body: bytes = b"0123456789") -> Any:
    """PUT a part."""
    return client.ask("PUT", name, {"Content-Range": where}, body)


def upload(place: Place, method: str, name: str) -> int:
    """Ask for the upload of a file, or have it given up; return the status."""
    return place.ask(method, upload_path(place.path(name))).status


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that bounds what a body may be."""
    folder = tmp_path_factory.mktemp("bounded")
    (folder / "root").mkdir()
    arguments = {"max_request_body_size": MOST}
    running = RunningServer(folder, folder / "root", {"server_args": arguments})
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.fixture
def few(bounded: RunningServer, place_on: Callable[..., Place]) -> Place:
    """A collection on it."""
    return place_on(bounded)


@pytest.fixture
def small(here: Place) -> Iterator[Place]:
    """A collection that is a disk with room for 1 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    with mounted(here.folder / "disk", "1m") as disk:
        yield Place(here.server, here.wire, disk, here.path("disk/"))


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A disk of each kind."""
    with ExitStack() as opened:
        yield {
            kind: opened.enter_context(disk_of(kind, tmp_path_factory.mktemp(kind)))
            for kind in ("btrfs", "xfs", "ext4")
        }


@pytest.fixture(scope="module")
def on_disks(
    disks: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server with each of them as a share."""
    shares = {f"/{kind}": str(disk) for kind, disk in disks.items()}
    running = RunningServer(tmp_path_factory.mktemp("server"), None, {"provider_mapping": shares})
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.mark.parametrize(
    ("where", "body", "status"),
    [
        ("append", b"x" * 990, 204),
        ("append", b"x" * 991, 413),
        ("bytes=990-", b"x" * 10, 204),
        ("bytes=990-", b"x" * 11, 413),
        ("bytes=14000000000000-", b"x", 413),
        ("bytes=9223372036854775806-", b"x", 413),
        ("bytes=9223372036854775807-", b"x", 416),
    ],
)
def test_a_patch_where_bodies_are_bounded(few: Place, where: str, body: bytes, status: int) -> None:
    """What the file would be counts, zeros included; what is refused changes nothing."""
    make(few.folder, {"file": b"0123456789"})
    assert patch(few, "file", where, body).status == status
    assert (few.folder / "file").stat().st_size == (MOST if status == 204 else 10)
    assert members(few.folder) == ["file"]


def test_a_file_that_is_larger_than_allowed(few: Place) -> None:
    """It may be changed, which makes it no larger."""
    make(few.folder, {"file": b"0" * 3000})
    assert patch(few, "file", "bytes=2000-").status == 204
    assert patch(few, "file", "bytes=-4").status == 204
    assert patch(few, "file", "append").status == 413
    assert (few.folder / "file").stat().st_size == 3000


@pytest.mark.parametrize(("total", "status"), [(1000, 202), (1001, 413), (10**17 - 1, 413)])
def test_ranges_where_bodies_are_bounded(few: Place, total: int, status: int) -> None:
    """The length of the whole file counts, with the first part; nothing is begun."""
    assert put(few, "file", f"bytes 0-9/{total}").status == status
    assert upload(few, "HEAD", "file") == (204 if status == 202 else 404)
    assert len(members(few.folder)) == (1 if status == 202 else 0)


def test_what_a_disk_cannot_hold(small: Place) -> None:
    """A file that is larger than all of the disk is 413, whatever is free there."""
    make(small.folder, {"file": b"old"})
    for where in ("bytes=14000000000000-", f"bytes={MIB}-", f"bytes={MIB - 3}-"):
        assert patch(small, "file", where).status == 413
    for total in (99999999999999999, MIB + 1):
        assert put(small, "new", f"bytes 0-9/{total}").status == 413
    assert upload(small, "HEAD", "new") == 404
    assert put(small, "new", f"bytes 0-9/{MIB}").status == 202
    assert upload(small, "DELETE", "new") == 204
    assert members(small.folder) == ["file"]
    assert (small.folder / "file").read_bytes() == b"old"


def test_a_hole_without_room(small: Place) -> None:
    """The zeros before a part need room, as if they were stored; inside a file there are none."""
    file = small.folder / "file"
    make(small.folder, {"file": b"old", "filler": b"x" * (MIB // 2)})
    assert patch(small, "file", f"bytes={MIB * 3 // 4}-").status == 507
    assert file.read_bytes() == b"old"
    assert patch(small, "file", f"bytes={MIB // 4}-").status == 204
    # What is a hole already is nothing new.
    assert patch(small, "file", "bytes=100000-").status == 204
    assert file.stat().st_size == MIB // 4 + 4
    assert sorted(members(small.folder)) == ["file", "filler"]


def test_what_the_kernel_refuses(serve: Serve, root: Path, wire: Any) -> None:
    """413 where a file would be longer than the process may make one, never 500; nothing stays."""
    server: RunningServer = serve()
    client = wire(server)
    make(root, {"file": b"old", "tree": {"large": b"x" * (9 * MIB)}})
    limit = 8 * MIB
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    large = b"x" * (limit + 1)
    assert client.ask("PUT", "/new", {}, large).status == 413
    assert client.ask("PUT", "/file", {}, iter([large])).status == 413
    assert client.ask("PUT", "/new", ranged(0, len(large), len(large)), large).status == 413
    assert patch(client, "/file", f"bytes={limit - 1}-").status == 413
    assert patch(client, "/file", f"bytes={limit}-").status == 413
    assert patch(client, "/file", "append", large).status == 413
    assert (root / "file").read_bytes() == b"old"
    # A COPY brings no content that could be too large (RFC 4918 9.8.5).
    copied = client.ask("COPY", "/tree", {"Destination": "/copy"})
    assert failed(copied) == {"/copy/large": 507}
    assert client.ask("COPY", "/tree/large", {"Destination": "/new"}).status == 507
    assert sorted(members(root)) == ["copy", "file", "tree"]
    assert "Traceback" not in server.log


def test_a_copy_that_no_file_system_holds(
    on_disks: RunningServer, disks: dict[str, Path], wire: Any
) -> None:
    """A sparse file that is longer than ext4 has files: that member fails, with 507."""
    make(disks["xfs"] / "tree", {"a": b"1", "large": b""})
    with (disks["xfs"] / "tree/large").open("r+b") as file:
        file.seek(20 * 10**12)
        file.write(b"end")
    copied = wire(on_disks).ask("COPY", "/xfs/tree", {"Destination": "/ext4/copy"})
    assert failed(copied) == {"/ext4/copy/large": 507}
    assert members(disks["ext4"] / "copy") == ["a"]


@pytest.mark.parametrize("digits", ["9" * 18, "9" * 19, "9" * 5000, "0" * 5000 + "9" * 5000])
def test_numbers_of_any_length(here: Place, digits: str) -> None:
    """Each has its status at once: no number is too long to be refused."""
    make(here.folder, {"file": b"0123456789"})
    is_large = len(digits.lstrip("0")) > 18
    for where in (f"bytes 0-9/{digits}", f"bytes 0-{digits}/{digits}", f"bytes {digits}-9/10"):
        refused = 400 if is_large or not where.startswith("bytes 0-9/") else 413
        assert put(here, "file", where).status == refused
    for where in (f"bytes={digits}-", f"bytes={digits}-{digits}", f"bytes=-{digits}"):
        assert patch(here, "file", where, b"x").status in (413, 416)
    assert here.ask("GET", "file", {"Range": f"bytes={digits}-"}).status == 416
    got = here.ask("GET", "file", {"Range": f"bytes=0-{digits}"})
    assert (got.status, got.body) == (206, b"0123456789")
    assert here.ask("PUT", "file", {"X-OC-Mtime": digits}, b"new").status == 400
    assert members(here.folder) == ["file"]
    assert (here.folder / "file").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("kind", "moment", "is_accepted"),
    [
        ("ext4", -3_000_000_000, False),
        ("ext4", 5_000_000_000, True),
        ("xfs", -3_000_000_000, False),
        ("btrfs", -3_000_000_000, True),
    ],
)
def test_a_time_that_the_disk_does_not_have(
    on_disks: RunningServer,
    disks: dict[str, Path],
    wire: Any,
    kind: str,
    moment: int,
    is_accepted: bool,
) -> None:
    """Only what is stored is accepted: ext4 and XFS begin in 1901, whatever they are asked for."""
    client, path = wire(on_disks), f"/{kind}/file"
    fields = {"X-OC-Mtime": f"{moment}.5"}
    answers = [
        client.ask("PUT", path, fields, b"1"),
        client.ask("PUT", path, {**fields, **ranged(0, 1, 1)}, b"2"),
        client.ask("PATCH", path, {**fields, **KIND, "X-Update-Range": "append"}, b"3"),
    ]
    assert {answer.status for answer in answers} <= {201, 204}
    told = "accepted" if is_accepted else None
    assert [answer.fields.get("X-Oc-Mtime") for answer in answers] == [told] * 3
    # What is accepted is accepted to the second; less than that a disk may not have.
    asked = moment - 1 if moment < 0 else moment
    stored = (disks[kind] / "file").stat().st_mtime_ns // 10**9
    assert (stored == asked) is is_accepted
