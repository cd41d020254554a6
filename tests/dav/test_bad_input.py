"""Requests that are wrong: each is refused shortly, tells nothing, and changes nothing."""

import os
from collections.abc import Iterator

import pytest

from harness.dav import Place, exchange, make, patch, setting, snapshot
from harness.server import RunningServer
from harness.trees import members

#: Bytes of a refusal's content at most.
SHORT = 600

SENTINEL = b"still in step"

LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10)
)
BOMB = b'<!DOCTYPE x [<!ENTITY l0 "ha">' + LAUGHS + b"]>"


@pytest.fixture
def bad(here: Place) -> Iterator[Place]:
    """A collection with something in it, of which nothing may have changed in the end."""
    tree = {"file": SENTINEL, "old": b"old", "tree": {"a": b"1", "b": {"c": b"2"}}}
    make(here.folder, tree)
    before, names = snapshot(here.folder), members(here.folder.parent)
    yield here
    after = snapshot(here.folder)
    if here.has_staged:
        # What came and went beside them is all that may be seen of an upload.
        for seen in (before, after):
            seen.pop(os.fsencode(here.folder))
    assert after == before
    assert members(here.folder.parent) == names


def refuse(
    place: Place,
    method: str,
    target: str,
    *fields: str,
    body: bytes = b"",
    status: int | tuple[int, ...] = 400,
) -> None:
    """Send a request and one after it: the first is refused, the second answered or not at all."""
    statuses = (status,) if isinstance(status, int) else status
    lines = [f"{method} {target} HTTP/1.1", f"Host: {place.wire.host}", *fields]
    framed = ("content-length", "transfer-encoding")
    if body and not any(field.lower().startswith(framed) for field in fields):
        lines.append(f"Content-Length: {len(body)}")
    follower = f"GET {place.path('file')} HTTP/1.1\r\nHost: {place.wire.host}\r\n\r\n"
    raw = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
    answers = exchange(place.server, raw + follower.encode())
    first = answers[0]
    assert first.status in statuses, (first.status, first.body)
    is_head = method == "HEAD"
    assert is_head or 0 < len(first.body) <= SHORT
    tells_nothing(place.server, first.body, *first.fields.values())
    if first.fields.get("Connection") == "close":
        assert len(answers) == 1
    else:
        assert [answer.body for answer in answers[1:]] == [SENTINEL]


def tells_nothing(server: RunningServer, body: bytes, *fields: str) -> None:
    """No path of the machine, nor how the program looks inside."""
    text = body.decode("utf-8", "replace") + "".join(fields)
    for secret in (str(server.root), str(server.folder), "Traceback", ".py", "site-packages"):
        assert secret not in text


@pytest.mark.parametrize("method", ["PROPFIND", "COPY", "MOVE", "DELETE", "LOCK", "PROPPATCH"])
@pytest.mark.parametrize("depth", ["", "2", "-1", "00", "0, 1", "infinite", "1;noroot", "\xff"])
def test_depth(bad: Place, method: str, depth: str) -> None:
    """Anything but 0, 1 and infinity."""
    body = {"LOCK": lockinfo(), "PROPPATCH": setting(a="b")}.get(method, b"")
    to = f"Destination: {bad.path('new')}"
    refuse(bad, method, bad.path("tree"), f"Depth: {depth}", to, body=body)


@pytest.mark.parametrize(
    ("method", "depth"),
    [("DELETE", "0"), ("DELETE", "1"), ("MOVE", "0"), ("MOVE", "1"), ("COPY", "1"), ("LOCK", "1")],
)
def test_a_depth_that_the_method_does_not_have(bad: Place, method: str, depth: str) -> None:
    """RFC 4918 9.6.1, 9.8.3, 9.9.2, 9.10.3."""
    body = lockinfo() if method == "LOCK" else b""
    to = f"Destination: {bad.path('new')}"
    refuse(bad, method, bad.path("tree"), f"Depth: {depth}", to, body=body)


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize("overwrite", ["", "X", "true", "T, F", "TF", "1"])
def test_overwrite(bad: Place, method: str, overwrite: str) -> None:
    """Anything but T and F."""
    to = f"Destination: {bad.path('old')}"
    refuse(bad, method, bad.path("file"), f"Overwrite: {overwrite}", to)


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize(
    ("destination", "status"),
    [
        (None, 400),
        ("", 400),
        ("new", 400),
        ("./new", 400),
        ("//{host}{here}new", 400),
        ("http:///{here}new", 400),
        ("http:{here}new", 400),
        ("http://user@{host}{here}new", 400),
        ("http://{host}{here}new?x=1", 400),
        ("http://{host}{here}new#part", 400),
        ("{here}new?x", 400),
        ("{here}new#x", 400),
        ("{here}new name", 400),
        ("{here}new%", 400),
        ("{here}new%4", 400),
        ("{here}new%zz", 400),
        ("{here}new%00", 400),
        ("{here}a%2Fb", 400),
        ("{here}tree/../new", 400),
        ("{here}%2e%2e/new", 400),
        ("{here}./new", 400),
        ("{here}" + "n" * 256, 400),
        ("http://elsewhere.example{here}new", 502),
        ("http://{host}.example{here}new", (400, 502)),
        ("http://127.0.0.1:1{here}new", 502),
        ("ftp://{host}{here}new", 502),
        ("file:///etc/passwd", (400, 502)),
        ("http://{host}:99999{here}new", 400),
        ("{here}.davkeep-x", 403),
        ("{here}.DavKeep", 403),
        ("{here}%2edavkeep%2dx", 403),
        ("{here}%ef%bc%8edavkeep", 403),
        ("{here}.dav%e2%80%8bkeep", 403),
        ("{here}.davkeep/new", 403),
        ("{here}.d%EF%BD%81vkeep/new", 403),
        ("/.davkeep/new", 403),
        ("{here}missing/new", 409),
        ("{here}old/new", 409),
    ],
)
def test_destination(
    bad: Place, method: str, destination: str | None, status: int | tuple[int, ...]
) -> None:
    """Absent, malformed, elsewhere, reserved, or below what is no collection."""
    fields = []
    if destination is not None:
        named = destination.replace("{here}", bad.url).replace("{host}", bad.wire.host)
        fields.append(f"Destination: {named}")
    refuse(bad, method, bad.path("file"), *fields, status=status)


@pytest.mark.parametrize("length", ["-1", "+1", "1e3", "0x1", "1, 2", "1 1", "", "9" * 30, "\xb2"])
def test_content_length(bad: Place, length: str) -> None:
    """The connection closes, for nobody can tell where the next request begins."""
    refuse(bad, "PUT", bad.path("new"), f"Content-Length: {length}")
    refuse(bad, "PUT", bad.path("old"), f"Content-Length: {length}", body=b"x")


def test_content_length_with_transfer_encoding(bad: Place) -> None:
    """Two lengths are none."""
    both = ("Content-Length: 3", "Transfer-Encoding: chunked")
    refuse(bad, "PUT", bad.path("old"), *both, body=b"0\r\n\r\n")
    refuse(bad, "PUT", bad.path("old"), "Transfer-Encoding: gzip", status=501)


def test_chunks(bad: Place) -> None:
    """A body whose chunks are broken is no body."""
    bad.has_staged = True
    for chunks in (b"z\r\n", b"-1\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"ffffffffffffffffffff\r\nx"):
        refuse(bad, "PUT", bad.path("old"), "Transfer-Encoding: chunked", body=chunks)


XML_METHODS = {
    "PROPFIND": ("propfind", b"<D:allprop/>"),
    "PROPPATCH": ("propertyupdate", b"<D:set><D:prop><x/></D:prop></D:set>"),
    "LOCK": (
        "lockinfo",
        b"<D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>",
    ),
}


def lockinfo() -> bytes:
    """A LOCK body that is right."""
    return b'<D:lockinfo xmlns:D="DAV:">' + XML_METHODS["LOCK"][1] + b"</D:lockinfo>"


@pytest.mark.parametrize("method", XML_METHODS)
@pytest.mark.parametrize(
    "body",
    [
        b"<",
        b"no xml",
        b" ",
        b"\0",
        b"\xff\xfe",
        b'<D:{root} xmlns:D="DAV:">{inside}',
        b'<D:{root} xmlns:D="DAV:">{inside}</D:{root}><more/>',
        b"<D:{root}>{inside}</D:{root}>",
        b'<{root} xmlns:D="DAV:">{inside}</{root}>',
        b'<D:other xmlns:D="DAV:">{inside}</D:other>',
        b'<D:{root} xmlns:D="DAV:"/>',
        b'<D:{root} xmlns:D="DAV:">{inside}&nothing;</D:{root}>',
        b'<!DOCTYPE x><D:{root} xmlns:D="DAV:">{inside}</D:{root}>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><D:{root} xmlns:D="DAV:">{inside}</D:{root}>',
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        b'<D:{root} xmlns:D="DAV:">{inside}&e;</D:{root}>',
        BOMB + b'<D:{root} xmlns:D="DAV:">{inside}&l9;</D:{root}>',
        BOMB + b'<D:{root} xmlns:D="DAV:" a="&l9;">{inside}</D:{root}>',
        b'<D:{root} xmlns:D="DAV:">' + b"<a>" * 5000 + b"</a>" * 5000 + b"{inside}</D:{root}>",
        b'<?xml version="1.0" encoding="nonsense"?><D:{root} xmlns:D="DAV:">{inside}</D:{root}>',
        b'<D:{root} xmlns:D="DAV:">{inside}\xff</D:{root}>',
    ],
    ids=range(20),
)
def test_xml(bad: Place, method: str, body: bytes) -> None:
    """Malformed, another root, a document type, entities that grow, too deep."""
    root, inside = XML_METHODS[method]
    filled = body.replace(b"{root}", root.encode()).replace(b"{inside}", inside)
    refuse(bad, method, bad.path("file"), "Depth: 0", body=filled)


def test_xml_that_is_too_long(bad: Place) -> None:
    """413, however it is sent."""
    long = b'<D:propfind xmlns:D="DAV:">' + b" " * 2**20 + b"<D:allprop/></D:propfind>"
    refuse(bad, "PROPFIND", bad.path("file"), body=long, status=413)


def test_more_names_than_anybody_asks_for(bad: Place) -> None:
    """A request cannot make an answer thousands of times its size."""
    names = b"".join(b"<n%d/>" % number for number in range(2000))
    body = b'<D:propfind xmlns:D="DAV:"><D:prop>' + names + b"</D:prop></D:propfind>"
    refuse(bad, "PROPFIND", bad.path("tree"), body=body)


@pytest.mark.parametrize(
    ("method", "inside"),
    [
        ("PROPFIND", "<D:nothing/>"),
        ("PROPPATCH", "<D:set/>"),
        ("PROPPATCH", "<D:set><D:prop/></D:set>"),
        ("LOCK", "<D:lockscope><D:exclusive/></D:lockscope>"),
        ("LOCK", "<D:locktype><D:write/></D:locktype>"),
        (
            "LOCK",
            "<D:lockscope><D:other/></D:lockscope><D:locktype><D:write/></D:locktype>",
        ),
    ],
)
def test_xml_that_asks_for_nothing(bad: Place, method: str, inside: str) -> None:
    """A root element without what the method needs."""
    root = XML_METHODS[method][0]
    body = f'<D:{root} xmlns:D="DAV:">{inside}</D:{root}>'.encode()
    refuse(bad, method, bad.path("file"), body=body)


METHODS = ["GET", "HEAD", "PUT", "DELETE", "MKCOL", "PROPFIND", "PROPPATCH", "LOCK", "COPY", "MOVE"]


def whole(place: Place, method: str, target: str, status: int | tuple[int, ...]) -> None:
    """Refuse ``target`` in a request that is right otherwise."""
    bodies = {"PUT": b"x", "PROPPATCH": setting(a="b"), "LOCK": lockinfo()}
    to = [f"Destination: {place.path('new')}"] if method in ("COPY", "MOVE") else []
    refuse(place, method, target, *to, body=bodies.get(method, b""), status=status)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "target",
    [
        "{here}../x",
        "/../../etc/passwd",
        "{here}./file",
        "{here}tree/..",
        "{here}%2e%2e/file",
        "{here}%2E/file",
        "{here}a%2Fb",
        "{here}a%2fb",
        "{here}%00",
        "{here}file%00.txt",
        "{here}%",
        "{here}%4",
        "{here}%zz",
        "{here}%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    ],
)
def test_paths(bad: Place, method: str, target: str) -> None:
    """NUL, dot segments, encoded slashes, escapes that are none."""
    whole(bad, method, target.replace("{here}", bad.url), 400)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "HEAD"])
@pytest.mark.parametrize("target", ["{here}a#b", "relative"])
def test_targets_that_are_no_paths(bad: Place, method: str, target: str) -> None:
    """The server itself refuses them."""
    whole(bad, method, target.replace("{here}", bad.url), 400)


@pytest.mark.parametrize("method", METHODS)
def test_a_name_that_is_too_long(bad: Place, method: str) -> None:
    """414 for more than 255 bytes, told before the file system is asked."""
    whole(bad, method, bad.path("n" * 256), 414)
    whole(bad, method, bad.path("%C3%A9" * 128), 414)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name",
    [
        ".davkeep",
        ".davkeep-x",
        ".DAVKEEP-X",
        "%2eDavKeep",
        ".davkeep/x",
        "%EF%BC%8Edavkeep",
        ".%EF%BD%84avkeep",
        ".dav%C2%ADkeep",
        ".davk%E2%84%AEep-not",
        ".dav%E2%84%AAeep",
    ],
)
def test_reserved_names(bad: Place, method: str, name: str) -> None:
    """404 for reading and 403 for the rest, in any case, width or encoding."""
    if name == ".davk%E2%84%AEep-not":
        # U+212E is no compatibility form of "e", so that name is anybody's.
        if method in ("GET", "HEAD", "DELETE", "PROPFIND", "PROPPATCH", "COPY", "MOVE"):
            whole(bad, method, bad.path(name), 404)
        return
    is_reading = method in ("GET", "HEAD", "PROPFIND")
    whole(bad, method, bad.path(name), 404 if is_reading else 403)


@pytest.mark.parametrize("method", METHODS)
def test_the_state_of_the_server_is_no_resource(bad: Place, method: str) -> None:
    """Nothing below /.davkeep/ can be written."""
    is_reading = method in ("GET", "HEAD", "PROPFIND")
    whole(bad, method, "/.davkeep/x", 404 if is_reading else (403, 404, 405))


@pytest.mark.parametrize("method", ["POST", "TRACE", "REPORT", "get", "XYZZY"])
def test_unknown_methods(bad: Place, method: str) -> None:
    """405 with what there is."""
    refuse(bad, method, bad.path("file"), status=405)
    answer = bad.ask(method, "file")
    assert {"GET", "PUT", "PROPFIND", "LOCK"} <= set(answer.fields["Allow"].split(", "))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "(",
        "()",
        "(<urn:x>",
        "<urn:x>",
        "(<urn:x>))",
        "(urn:x)",
        "([etag])",
        '(["etag)',
        "(Not)",
        "(Not Not <urn:x>)",
        "(<urn:x>) <http://x/> (<urn:y>)",
        "<http://x/>",
        "(<>)",
        '("etag")',
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "COPY", "PROPPATCH", "LOCK", "MKCOL"])
def test_if(bad: Place, method: str, value: str) -> None:
    """A malformed If is 400, never a condition that holds."""
    to = f"Destination: {bad.path('old')}"
    body = {"PUT": b"x", "PROPPATCH": setting(a="b"), "LOCK": lockinfo()}.get(method, b"")
    name = "new" if method == "MKCOL" else "file"
    refuse(bad, method, bad.path(name), f"If: {value}", to, body=body)


@pytest.mark.parametrize("field", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["", "x", '"a', '"a" "b"', "**", 'w/"a"'])
def test_lists_of_entity_tags(bad: Place, field: str, value: str) -> None:
    """A malformed condition never lets a change pass."""
    refuse(bad, "PUT", bad.path("file"), f"{field}: {value}", body=b"x")


@pytest.mark.parametrize(
    "value",
    ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "lines=1-2", "bytes=1-2-3", "-1"],
)
def test_a_range_that_makes_no_sense_is_ignored(bad: Place, value: str) -> None:
    """RFC 9110 14.2: the whole content is sent."""
    answer = bad.ask("GET", "file", {"Range": value})
    assert (answer.status, answer.body) == (200, SENTINEL)


@pytest.mark.parametrize("value", ["bytes=100-", "bytes=13-", "bytes=-0", "bytes=99-100, 200-"])
def test_a_range_outside_is_416(bad: Place, value: str) -> None:
    """With the length there is."""
    refuse(bad, "GET", bad.path("file"), f"Range: {value}", status=416)
    answer = bad.ask("GET", "file", {"Range": value})
    assert answer.fields["Content-Range"] == f"bytes */{len(SENTINEL)}"


@pytest.mark.parametrize("value", ["", "x", "<x>", "urn:x", "<urn:x", "<urn:x> <urn:y>"])
def test_lock_token(bad: Place, value: str) -> None:
    """UNLOCK with a malformed token, and without one."""
    refuse(bad, "UNLOCK", bad.path("file"), f"Lock-Token: {value}")
    refuse(bad, "UNLOCK", bad.path("file"))


@pytest.mark.parametrize("method", ["GET", "DELETE", "COPY", "MOVE", "MKCOL"])
def test_a_body_where_none_is_understood(bad: Place, method: str) -> None:
    """415, for files and for collections."""
    to = f"Destination: {bad.path('new')}"
    for name in ("file", "tree") if method != "MKCOL" else ("new",):
        refuse(bad, method, bad.path(name), to, body=b"<x/>", status=415)


def test_get_of_a_collection_with_a_body(bad: Place) -> None:
    """The stock server answers 500."""
    refuse(bad, "GET", bad.path("tree/"), body=b"x", status=415)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "bytes",
        "bytes 0-0/*",
        "bytes */1",
        "bytes 0-0",
        "bytes=0-0/1",
        "bytes 1-0/2",
        "bytes 0-1/1",
        "bytes 1-1/1",
        "bytes 0-0/1, bytes 0-0/1",
        "bytes -1/1",
        "lines 0-0/1",
        "bytes 0-1/2",
        f"bytes 0-0/{'9' * 30}",
        "bytes 0-0/0x1",
    ],
)
def test_content_range_in_put(bad: Place, value: str) -> None:
    """RFC 9110 14.5: what is not understood must not be taken for the whole content."""
    refuse(bad, "PUT", bad.path("file"), f"Content-Range: {value}", body=b"x")


@pytest.mark.parametrize(
    "field",
    [
        "Content-Digest: sha-256=x",
        "Content-Digest: sha-256=:eA==:",
        "Repr-Digest: sha-256",
        "Repr-Digest: SHA-256=:eA==:",
        "Repr-Digest: =",
        "Digest: SHA-256=x",
        "Digest: SHA-256",
        "Digest: ,",
        "Content-MD5: x",
        "Content-MD5: eA==",
        "OC-Checksum: SHA1:xyz",
        "OC-Checksum: SHA1",
        "OC-Checksum: SHA1:00112233445566778899aabbccddeeff0011223344",
        "Digest: adler32=123456789",
        "X-OC-Mtime: now",
        "X-OC-Mtime: 0x10",
        "X-OC-Mtime: 1e9",
        "X-OC-Mtime: 1700000000000",
        "X-OC-Mtime:",
        "X-OC-Mtime: -",
        "X-OC-Mtime: NaN",
    ],
)
def test_malformed_words_about_an_upload(bad: Place, field: str) -> None:
    """Who sends a digest or a time is told that it means nothing."""
    refuse(bad, "PUT", bad.path("file"), field, body=b"x")


def test_host(bad: Place) -> None:
    """Without one, and with two."""
    (answer,) = exchange(bad.server, f"GET {bad.path('file')} HTTP/1.1\r\n\r\n".encode())
    assert answer.status == 400
    refuse(bad, "GET", bad.path("file"), "Host: other")
    old = f"GET {bad.path('file')} HTTP/1.0\r\n\r\n".encode()
    assert [answer.body for answer in exchange(bad.server, old)] == [SENTINEL]


def test_a_copy_without_a_host_knows_paths_only(here: Place) -> None:
    """HTTP/1.0 has no Host, so no absolute URI is this server's."""
    make(here.folder, {"file": b"1"})
    for destination, status in ((f"http://x{here.url}new", 502), (f"{here.url}new", 201)):
        raw = f"COPY {here.url}file HTTP/1.0\r\nDestination: {destination}\r\n\r\n"
        (answer,) = exchange(here.server, raw.encode())
        assert answer.status == status


@pytest.mark.parametrize(
    ("method", "name", "status"),
    [
        ("MKCOL", "tree", 405),
        ("MKCOL", "file", 405),
        ("MKCOL", "missing/new", 409),
        ("MKCOL", "file/new", 409),
        ("PUT", "tree", 405),
        ("PUT", "missing/new", 409),
        ("PUT", "file/new", 409),
        ("LOCK", "missing/new", 409),
        ("LOCK", "file/new", 409),
        ("GET", "missing", 404),
        ("GET", "%ff%fe", 404),
        ("PROPFIND", "%ff%fe", 404),
        ("DELETE", "%ff%fe", 404),
        ("GET", "file/x", 404),
        ("PROPFIND", "missing", 404),
        ("PROPFIND", "file/x", 404),
        ("PROPPATCH", "missing", 404),
        ("DELETE", "missing", 404),
        ("DELETE", "file/x", 404),
        ("COPY", "missing", 404),
        ("COPY", "missing/x", 404),
        ("MOVE", "file/x", 404),
        ("DELETE", "/", 403),
        ("MOVE", "/", 403),
        ("COPY", "/", 403),
    ],
)
def test_what_is_not_there_or_in_the_way(bad: Place, method: str, name: str, status: int) -> None:
    """The statuses of RFC 4918 9."""
    whole(bad, method, bad.path(name), status)


def test_trees_in_themselves(bad: Place) -> None:
    """COPY and MOVE into itself, onto itself, and onto what holds it: 403."""
    for method in ("COPY", "MOVE"):
        for source, to in (("tree", "tree/b/new"), ("tree", "tree"), ("file", "file")):
            refuse(bad, method, bad.path(source), f"Destination: {bad.path(to)}", status=403)
        refuse(bad, method, bad.path("tree/b"), f"Destination: {bad.path('tree')}", status=403)
        refuse(bad, method, bad.path("tree/b/c"), f"Destination: {bad.path('tree')}", status=403)
        refuse(bad, method, bad.path("tree"), "Destination: /", status=403)


def test_protected_properties_are_told_in_a_207(bad: Place) -> None:
    """It is no request that is refused, but nothing changes either."""
    body = patch("<D:set><D:prop><D:getetag>x</D:getetag><x:a>1</x:a></D:prop></D:set>")
    assert bad.ask("PROPPATCH", "file", {}, body).status == 207
    assert bad.dead("file") == {}
