"""PATCH as SabreDAV has it: one request changes all of its part or nothing."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.dav import Place, make
from harness.trees import members
from harness.wire import Wire

KIND = {"Content-Type": "application/x-sabredav-partialupdate"}
DIGITS = b"1234567890"


def patch(
    client: Any, name: str, where: str, body: bytes = b"----", fields: dict[str, str] | None = None
) -> Any:
    """PATCH; ``client`` is a Place or a Wire."""
    return client.ask("PATCH", name, {**KIND, "X-Update-Range": where, **(fields or {})}, body)


@pytest.mark.parametrize(
    ("where", "result"),
    [
        ("bytes=0-3", b"----567890"),
        ("bytes=1-4", b"1----67890"),
        ("bytes=0-", b"----567890"),
        ("bytes=-4", b"123456----"),
        ("bytes=-2", b"12345678----"),
        ("bytes=2-", b"12----7890"),
        ("bytes=12-", b"1234567890\0\0----"),
        ("append", b"1234567890----"),
    ],
)
def test_the_table_of_sabredav(here: Place, where: str, result: bytes) -> None:
    """204 with the new entity tag; properties stay."""
    here.ask("PUT", "file", {}, DIGITS)
    here.set("file", color="red")
    answer = patch(here, "file", where)
    assert (answer.status, answer.body) == (204, b"")
    got = here.ask("GET", "file")
    assert (got.body, got.fields["Etag"]) == (result, answer.fields["Etag"])
    assert here.dead("file") == {"color": "red"}
    assert members(here.folder) == ["file"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"X-Update-Range": "foo"}, 400),
        ({"X-Update-Range": "bytes=0-1,2-3"}, 400),
        ({"X-Update-Range": ""}, 400),
        ({"X-Update-Range": "bytes=4-1"}, 416),
        ({"X-Update-Range": "bytes=0-4"}, 416),
        ({"X-Update-Range": "bytes=-11"}, 416),
        ({"X-Update-Range": "append", "Content-Type": "text/plain"}, 415),
        ({"X-Update-Range": "append", "If-Match": '"other"'}, 412),
        ({"X-Update-Range": "append", "If-None-Match": "*"}, 412),
        ({"X-Update-Range": "append", "If": "(<urn:x>)"}, 412),
        ({"X-Update-Range": "append", "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400),
    ],
)
def test_what_is_refused(here: Place, fields: dict[str, str], status: int) -> None:
    """And nothing has changed."""
    here.ask("PUT", "file", {}, DIGITS)
    etag = here.etag("file")
    assert here.ask("PATCH", "file", {**KIND, **fields}, b"----").status == status
    assert here.etag("file") == etag
    assert members(here.folder) == ["file"]


def test_without_a_range_a_type_or_a_length(here: Place) -> None:
    """400, 415 and 411; nothing at all is as bad as chunks."""
    here.ask("PUT", "file", {}, DIGITS)
    assert here.ask("PATCH", "file", KIND, b"----").status == 400
    answer = here.ask("PATCH", "file", {"X-Update-Range": "append"}, b"----")
    assert (answer.status, answer.fields["Accept-Patch"]) == (415, KIND["Content-Type"])
    head = {**KIND, "X-Update-Range": "append"}
    assert here.ask("PATCH", "file", head, iter([b"----"])).status == 411
    assert here.ask("PATCH", "file", head, b"").status == 411
    assert here.ask("PATCH", "file", head).status == 411
    typed = {**KIND, "Content-Type": "Application/X-SabreDAV-PartialUpdate; charset=x"}
    assert here.ask("PATCH", "file", {**head, **typed}, b"-").status == 204


def test_what_is_no_file(here: Place) -> None:
    """404 for nothing, 405 for a collection, 403 for a reserved name."""
    make(here.folder, {"tree": {}})
    for name, status in (("new", 404), ("missing/new", 404), ("tree", 405), (".davkeep", 403)):
        assert patch(here, name, "append").status == status
    assert members(here.folder) == ["tree"]


def test_locks(here: Place) -> None:
    """423 without the token."""
    here.ask("PUT", "file", {}, DIGITS)
    token = here.lock("file")
    assert patch(here, "file", "append").status == 423
    assert patch(here, "file", "append", fields={"If": f"(<{token}>)"}).status == 204


def test_a_part_that_ends_early_changes_nothing(here: Place) -> None:
    """PATCH is atomic: there is nothing to go on with."""
    here.ask("PUT", "file", {}, DIGITS)
    head = f"PATCH {here.path('file')} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
    head += f"X-Update-Range: append\r\nContent-Type: {KIND['Content-Type']}\r\n\r\n"
    with here.server_wire() as wire:
        wire.socket.sendall(head.encode() + b"x" * 50)
        wire.socket.shutdown(1)
        assert wire.socket.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert members(here.folder) == ["file"]
    assert here.ask("GET", "file").body == DIGITS


def test_many_at_once_lose_nothing(here: Place) -> None:
    """Each is done to what the one before has made."""
    here.ask("PUT", "file", {}, b"")
    marks = [b"%04d" % number for number in range(16)]

    def append(mark: bytes) -> int:
        with Wire(here.server.host, here.server.port) as wire:
            status = 423
            while status == 423:
                status = patch(wire, here.path("file"), "append", mark).status
            return status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(append, marks)) == {204}
    got = here.ask("GET", "file").body
    assert sorted(got[place : place + 4] for place in range(0, 64, 4)) == marks


def test_an_upload_by_appending(here: Place) -> None:
    """How such clients go on with an upload: in parts, each where the file ends."""
    content = random.Random(7).randbytes(50_000)
    here.ask("PUT", "file", {}, b"")
    for first in range(0, len(content), 20_000):
        assert int(here.ask("HEAD", "file").fields["Content-Length"]) == first
        block = content[first : first + 20_000]
        where = f"bytes={first}-{first + len(block) - 1}"
        assert patch(here, "file", where, block).status == 204
    got = here.ask("GET", "file").body
    assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()


def test_with_a_time(here: Place) -> None:
    """X-OC-Mtime counts here too."""
    here.ask("PUT", "file", {}, DIGITS)
    answer = patch(here, "file", "append", fields={"X-OC-Mtime": "1000000000"})
    assert (answer.status, answer.fields["X-Oc-Mtime"]) == (204, "accepted")
    assert (here.folder / "file").stat().st_mtime == 1_000_000_000
