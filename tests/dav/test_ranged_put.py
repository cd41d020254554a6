"""PUT with Content-Range (RFC 9110 14.5): parts are collected out of sight until the last one."""

import random
from typing import Any

import pytest

from harness.dav import DAV, Place, condition, make
from harness.trees import members
from harness.uploads import offset, put_part, ranged, upload_path
from harness.waiting import until

CONTENT = random.Random(5).randbytes(1000)
ETAG = "<D:prop><D:getetag/></D:prop>"


def put(here: Place, first: int, stop: int, fields: dict[str, str] | None = None) -> Any:
    """PUT a part of the content of ``file``."""
    return put_part(here, "file", CONTENT, first, stop, fields)


def standing(here: Place, name: str = "file") -> Any:
    """HEAD of the upload."""
    return here.ask("HEAD", upload_path(here.path(name)))


@pytest.mark.parametrize("existing", [None, b"old"])
def test_three_parts(here: Place, existing: bytes | None) -> None:
    """202 with what has arrived, and then 201 or 204 with the entity tag; until then the old."""
    if existing is not None:
        (here.folder / "file").write_bytes(existing)
    for first, stop in ((0, 300), (300, 301)):
        answer = put(here, first, stop)
        assert (answer.status, answer.body) == (202, b"")
        assert offset(answer) == stop
        assert answer.fields["Upload-Length"] == "1000"
        assert answer.fields["Location"] == upload_path(here.path("file"))
        got = here.ask("GET", "file")
        assert (got.status, got.body) == (200, b"old") if existing else got.status == 404
        assert len(here.propfind(depth="1")) == (2 if existing else 1)
    done = put(here, 301, 1000)
    assert done.status == (204 if existing else 201)
    got = here.ask("GET", "file")
    assert got.body == CONTENT
    assert done.fields["Etag"] == got.fields["Etag"] == here.one("file", ETAG).text(f"{DAV}getetag")
    assert members(here.folder) == ["file"]
    assert standing(here).status == 404


def test_one_part_that_is_all(here: Place) -> None:
    """An ordinary PUT, as `curl -T FILE -C -` sends it."""
    assert put(here, 0, 1000).status == 201
    assert put(here, 0, 1000).status == 204
    assert (here.folder / "file").read_bytes() == CONTENT


def test_in_chunks(here: Place) -> None:
    """A part whose length only its range tells."""
    head = ranged(0, 500, 1000)
    assert here.ask("PUT", "file", head, iter([CONTENT[:1], CONTENT[1:500]])).status == 202
    for body in ([CONTENT[500:], b"x"], [CONTENT[500:999]]):
        assert here.ask("PUT", "file", ranged(500, 1000, 1000), iter(body)).status == 400
        assert offset(standing(here)) == 500
    assert here.ask("PUT", "file", ranged(500, 1000, 1000), iter([CONTENT[500:]])).status == 201
    assert (here.folder / "file").read_bytes() == CONTENT


def test_a_length_that_is_not_that_of_the_range(here: Place) -> None:
    """400 before the content is asked for, and nothing has changed."""
    put(here, 0, 100)
    for length in (0, 99, 101, 900):
        answer = here.ask("PUT", "file", ranged(100, 200, 1000), b"x" * length)
        assert answer.status == 400
        assert offset(standing(here)) == 100


def test_a_gap(here: Place) -> None:
    """409, which says where to go on."""
    refused = put(here, 1, 1000)
    assert refused.status == 409
    assert offset(refused) == 0
    assert members(here.folder) == []
    put(here, 0, 100)
    refused = put(here, 101, 1000)
    assert (refused.status, offset(refused)) == (409, 100)
    assert b"Go on at byte 100." in refused.body
    assert put(here, 100, 1000).status == 201


def test_what_came_twice(here: Place) -> None:
    """A part that is sent again, or overlaps, is written again; what lay behind it is gone."""
    put(here, 0, 600)
    assert offset(put(here, 0, 600)) == 600
    assert offset(put(here, 400, 700)) == 700
    assert offset(put(here, 100, 200)) == 200
    assert put(here, 300, 1000).status == 409
    assert put(here, 150, 1000).status == 201
    assert (here.folder / "file").read_bytes() == CONTENT


def test_a_request_without_content_loses_nothing(here: Place) -> None:
    """What has arrived is given up only for what comes in its place."""
    put(here, 0, 600)
    head = f"PUT {here.path('file')} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    with here.server_wire() as wire:
        wire.socket.sendall(f"{head}Content-Range: bytes 0-999/1000\r\n\r\n".encode())
    assert offset(standing(here)) == 600


def test_another_length(here: Place) -> None:
    """From the start it is another upload; in the middle it is a mistake."""
    put(here, 0, 600)
    refused = here.ask("PUT", "file", ranged(600, 700, 2000), b"x" * 100)
    assert (refused.status, offset(refused), refused.fields["Upload-Length"]) == (409, 600, "1000")
    assert here.ask("PUT", "file", ranged(0, 5, 7), b"12345").status == 202
    found = standing(here)
    assert (offset(found), found.fields["Upload-Length"]) == (5, "7")
    assert len(here.server.staging(here.folder)) == 1
    assert here.ask("PUT", "file", ranged(5, 7, 7), b"67").status == 201
    assert (here.folder / "file").read_bytes() == b"1234567"


def test_a_plain_put_in_between(here: Place) -> None:
    """It is another matter; both end well."""
    put(here, 0, 600)
    assert here.ask("PUT", "file", {}, b"plain").status == 201
    assert put(here, 600, 1000).status == 204
    assert (here.folder / "file").read_bytes() == CONTENT


def test_conditions_at_every_part(here: Place) -> None:
    """412 for one that does not hold, and the upload goes on when it does."""
    etag = here.ask("PUT", "file", {}, b"old").fields["Etag"]
    assert put(here, 0, 500, {"If-Match": '"other"'}).status == 412
    assert put(here, 0, 500, {"If-None-Match": "*"}).status == 412
    assert put(here, 0, 500, {"If-Match": etag}).status == 202
    here.ask("PUT", "file", {}, b"newer")
    assert put(here, 500, 1000, {"If-Match": etag}).status == 412
    assert (here.folder / "file").read_bytes() == b"newer"
    assert offset(standing(here)) == 500
    assert put(here, 500, 1000, {"If-Match": here.etag("file")}).status == 204


def test_locks_at_every_part(here: Place) -> None:
    """423 without the token, also where the lock came in between."""
    here.ask("PUT", "file", {}, b"old")
    assert put(here, 0, 500).status == 202
    token = here.lock("file")
    refused = put(here, 500, 1000)
    assert refused.status == 423
    assert condition(refused) == ("lock-token-submitted", [here.path("file")])
    assert offset(standing(here)) == 500
    assert put(here, 500, 1000, {"If": f"(<{token}>)"}).status == 204


def test_where_nothing_can_be_put(here: Place) -> None:
    """As for any PUT: 405 for a collection, 409 without one above, 403 for a reserved name."""
    make(here.folder, {"tree": {}})
    for name, status in (("tree", 405), ("missing/file", 409), (".davkeep", 403)):
        assert put_part(here, name, CONTENT, 0, 500).status == status
    assert members(here.folder) == ["tree"]


def test_in_a_collection_that_is_renamed(here: Place) -> None:
    """What has arrived goes along with the collection, and is gone with it."""
    make(here.folder, {"tree": {}, "other": {}})
    put_part(here, "tree/file", CONTENT, 0, 500)
    put_part(here, "other/file", CONTENT, 0, 700)
    assert here.transfer("MOVE", "tree", "moved").status == 201
    assert standing(here, "tree/file").status == 404
    assert offset(standing(here, "moved/file")) == 500
    assert here.transfer("MOVE", "moved", "other").status == 204
    assert offset(standing(here, "other/file")) == 500
    assert put_part(here, "other/file", CONTENT, 500, 1000).status == 201
    put_part(here, "other/file", CONTENT, 0, 500)
    assert here.ask("DELETE", "other").status == 204
    assert here.ask("MKCOL", "other").status == 201
    assert standing(here, "other/file").status == 404
    refused = put_part(here, "other/file", CONTENT, 500, 1000)
    assert (refused.status, offset(refused)) == (409, 0)
    assert here.ask("DELETE", "other").status == 204


def test_a_copy_takes_nothing_along(here: Place) -> None:
    """An upload is no member."""
    make(here.folder, {"tree": {"a": b"1"}})
    put_part(here, "tree/file", CONTENT, 0, 500)
    assert here.transfer("COPY", "tree", "copied").status == 201
    assert members(here.folder / "copied") == ["a"]
    assert standing(here, "copied/file").status == 404


def test_the_collection_is_removed_while_a_part_arrives(here: Place) -> None:
    """409: what arrived went with it."""
    make(here.folder, {"tree": {}})
    head = f"PUT {here.path('tree/file')} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
    with here.server_wire() as wire:
        wire.socket.sendall(f"{head}Content-Range: bytes 0-499/1000\r\n\r\n".encode())
        wire.socket.sendall(CONTENT[:100])
        until(lambda: here.server.staging(here.folder / "tree"), "the upload has begun")
        assert here.ask("DELETE", "tree").status == 204
        wire.socket.sendall(CONTENT[100:500])
        assert wire.socket.recv(65536).startswith(b"HTTP/1.1 409 ")


def test_names_of_every_kind(here: Place) -> None:
    """The upload's URL is made from the target's, whatever bytes that has."""
    for name in ("a%20b%25", "%C3%A4", "%ff%fe", "%3F%23%3B", "n" * 255):
        assert put_part(here, name, CONTENT, 0, 500).status == 202
        assert offset(here.ask("HEAD", upload_path(here.path(name)))) == 500
        assert put_part(here, name, CONTENT, 500, 1000).status == 201
