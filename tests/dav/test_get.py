"""OPTIONS, GET and HEAD: conditions and ranges (RFC 9110 13, 14)."""

import email
import os
import time
from email.utils import formatdate

import pytest

from harness.dav import Place, make

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def file(here: Place) -> Place:
    """A collection with a file in it."""
    make(here.folder, {"file.txt": CONTENT, "tree": {"a": b"1"}})
    os.utime(here.folder / "file.txt", ns=(10**18, 10**18 + 5))
    return here


def test_options(file: Place) -> None:
    """The classes, and what may be done to files, collections, new names and the server.

    PATCH is told of in `test_invitation.py`.
    """
    for name in ("file.txt", "tree/", "new", "*"):
        answer = file.ask("OPTIONS", name) if name != "*" else file.wire.ask("OPTIONS", "*")
        assert answer.status == 200
        assert answer.fields["Dav"].startswith("1, 2, 3")
        assert answer.fields["Ms-Author-Via"] == "DAV"
    allowed = set(file.ask("OPTIONS", "file.txt").fields["Allow"].split(", "))
    assert {"GET", "HEAD", "PUT", "DELETE", "COPY", "MOVE", "LOCK", "UNLOCK"} <= allowed
    assert {"PROPFIND", "PROPPATCH", "OPTIONS"} <= allowed
    of_tree = file.ask("OPTIONS", "tree").fields
    assert not {"PUT", "PATCH"} & set(of_tree["Allow"].split(", "))
    assert "Accept-Patch" not in of_tree
    assert {"PUT", "MKCOL", "LOCK"} <= set(file.ask("OPTIONS", "new").fields["Allow"].split(", "))


def test_get_and_head(file: Place) -> None:
    """The same fields, and content for GET alone."""
    got, head = file.ask("GET", "file.txt"), file.ask("HEAD", "file.txt")
    assert (got.status, got.body) == (200, CONTENT)
    assert (head.status, head.body) == (200, b"")
    for name in ("Etag", "Last-Modified", "Content-Length", "Content-Type", "Accept-Ranges"):
        assert got.fields[name] == head.fields[name]
    assert got.fields["Content-Type"] == "text/plain"
    assert got.fields["Last-Modified"] == formatdate(10**9, usegmt=True)
    assert file.ask("GET", "new").status == 404
    assert file.ask("HEAD", "new").status == 404


def test_an_empty_file(file: Place) -> None:
    """No content, and no range of it."""
    (file.folder / "empty").touch()
    assert file.ask("GET", "empty").fields["Content-Length"] == "0"
    assert file.ask("GET", "empty", {"Range": "bytes=0-"}).status == 416
    assert file.ask("GET", "empty", {"Range": "bytes=-5"}).status == 200


def test_if_none_match_and_if_match(file: Place) -> None:
    """304 and 412 by entity tag."""
    etag = file.etag("file.txt")
    for value in (etag, f'"x", {etag}', "*", f"W/{etag}"):
        answer = file.ask("GET", "file.txt", {"If-None-Match": value})
        assert (answer.status, answer.body, answer.fields["Etag"]) == (304, b"", etag)
        assert file.ask("HEAD", "file.txt", {"If-None-Match": value}).status == 304
    assert file.ask("GET", "file.txt", {"If-None-Match": '"x"'}).status == 200
    assert file.ask("GET", "file.txt", {"If-Match": etag}).status == 200
    assert file.ask("GET", "file.txt", {"If-Match": '"x"'}).status == 412
    assert file.ask("GET", "file.txt", {"If-Match": f"W/{etag}"}).status == 412


def test_if_modified_since_is_304_for_the_exact_date(file: Place) -> None:
    """The stock server answers 200 to its own Last-Modified (defect 25)."""
    same = file.ask("GET", "file.txt").fields["Last-Modified"]
    assert file.ask("GET", "file.txt", {"If-Modified-Since": same}).status == 304
    for other in (formatdate(10**9 - 1, usegmt=True), formatdate(time.time(), usegmt=True), "x"):
        assert file.ask("GET", "file.txt", {"If-Modified-Since": other}).status == 200
    before = formatdate(10**9 - 1, usegmt=True)
    assert file.ask("GET", "file.txt", {"If-Unmodified-Since": before}).status == 412
    assert file.ask("GET", "file.txt", {"If-Unmodified-Since": same}).status == 200
    # RFC 9110 13.2.2: the entity tag decides where both are sent.
    both = {"If-Modified-Since": same, "If-None-Match": '"x"'}
    assert file.ask("GET", "file.txt", both).status == 200


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("5-9", 5, 9),
        ("10000-", 10000, 10239),
        ("-3", 10237, 10239),
        ("10000-99999", 10000, 10239),
        ("-99999", 0, 10239),
    ],
)
def test_one_range(file: Place, asked: str, first: int, last: int) -> None:
    """206 with exactly those bytes."""
    answer = file.ask("GET", "file.txt", {"Range": f"bytes={asked}"})
    assert (answer.status, answer.body) == (206, CONTENT[first : last + 1])
    assert answer.fields["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert file.ask("HEAD", "file.txt", {"Range": f"bytes={asked}"}).body == b""


def test_several_ranges_come_as_several_parts(file: Place) -> None:
    """The stock server sends the last one only (defect 25)."""
    answer = file.ask("GET", "file.txt", {"Range": "bytes=0-1, 100-104, -2"})
    assert answer.status == 206
    head = f"Content-Type: {answer.fields['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + answer.body).get_payload()
    assert isinstance(parts, list)
    seen = [(part["Content-Range"], part.get_payload(decode=True)) for part in parts]  # type: ignore[union-attr, index]
    size = len(CONTENT)
    assert [each for each, _ in seen] == [
        f"bytes 0-1/{size}",
        f"bytes 100-104/{size}",
        f"bytes {size - 2}-{size - 1}/{size}",
    ]
    for piece in (CONTENT[:2], CONTENT[100:105], CONTENT[-2:]):
        assert piece in answer.body


def test_if_range(file: Place) -> None:
    """The range only while the content is the one that the client has."""
    own = file.ask("HEAD", "file.txt").fields
    for value in (own["Etag"], own["Last-Modified"]):
        answer = file.ask("GET", "file.txt", {"Range": "bytes=0-1", "If-Range": value})
        assert answer.status == 206
    for value in ('"x"', f"W/{own['Etag']}", formatdate(1, usegmt=True), "nonsense"):
        answer = file.ask("GET", "file.txt", {"Range": "bytes=0-1", "If-Range": value})
        assert (answer.status, answer.body) == (200, CONTENT)
    # Ranges outside matter only if the range is to be obeyed at all.
    outside = {"Range": "bytes=99999-", "If-Range": '"x"'}
    assert file.ask("GET", "file.txt", outside).status == 200


def test_the_entity_tag_tells_two_writes_within_a_second_apart(here: Place) -> None:
    """The stock server's has one second's resolution (defect 7)."""
    seen = set()
    for number in range(5):
        answer = here.ask("PUT", "file", {}, b"same length %d" % number)
        assert answer.fields["Etag"] == here.etag("file")
        seen.add(answer.fields["Etag"])
    assert len(seen) == 5
