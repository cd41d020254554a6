"""PUT: all or nothing, and what is kept of the old file (the promises, PUT)."""

import os
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.dav import DAV, Place, exchange, make
from harness.server import RunningServer
from harness.trees import members
from harness.waiting import until
from harness.wire import Wire

ETAG = "<D:prop><D:getetag/><D:getcontentlength/></D:prop>"


def test_new_and_existing_and_its_entity_tag(here: Place) -> None:
    """201, then 204; the ETag is the one that GET and PROPFIND tell."""
    for status, content in ((201, b"first"), (204, b"second"), (204, b"")):
        answer = here.ask("PUT", "file", {}, content)
        assert answer.status == status
        got = here.ask("GET", "file")
        assert got.body == content
        found = here.one("file", ETAG)
        assert answer.fields["Etag"] == got.fields["Etag"] == found.text(f"{DAV}getetag")
        assert answer.fields["Etag"].startswith('"')
        assert found.text(f"{DAV}getcontentlength") == str(len(content))


def test_chunks(here: Place) -> None:
    """A body whose length nobody told."""
    assert here.ask("PUT", "file", {}, iter([b"a" * 70000, b"b"])).status == 201
    assert (here.folder / "file").read_bytes() == b"a" * 70000 + b"b"


def test_if_match(here: Place) -> None:
    """412 keeps the old content, and a missing file matches nothing (defect 7)."""
    assert here.ask("PUT", "file", {"If-Match": "*"}, b"x").status == 412
    assert here.ask("PUT", "file", {"If-Match": '"x"'}, b"x").status == 412
    assert not (here.folder / "file").exists()
    etag = here.ask("PUT", "file", {"If-None-Match": "*"}, b"1").fields["Etag"]
    assert here.ask("PUT", "file", {"If-None-Match": "*"}, b"x").status == 412
    assert here.ask("PUT", "file", {"If-None-Match": etag}, b"x").status == 412
    assert here.ask("PUT", "file", {"If-Match": '"other"'}, b"x").status == 412
    assert here.ask("GET", "file").body == b"1"
    assert here.ask("PUT", "file", {"If-Match": etag}, b"2").status == 204
    assert here.ask("PUT", "file", {"If-Match": etag}, b"3").status == 412
    assert here.ask("PUT", "file", {"If-Match": "*"}, b"4").status == 204


def race(server: RunningServer, fields: dict[str, str], path: str) -> list[int]:
    """The statuses of eight PUTs at the same moment."""

    def put(number: int) -> int:
        with Wire(server.host, server.port) as wire:
            wire.send("PUT", path, {**fields, "Content-Length": "10"}, b"%010d" % number)
            return wire.response().status

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(put, range(8)))


@pytest.mark.parametrize("attempt", range(5))
def test_of_many_conditional_puts_one_wins(here: Place, attempt: int) -> None:
    """If-None-Match: * and If-Match, with everybody at the same moment."""
    made = race(here.server, {"If-None-Match": "*"}, here.path("new"))
    assert sorted(made) == [201] + [412] * 7
    changed = race(here.server, {"If-Match": here.etag("new")}, here.path("new"))
    assert sorted(changed) == [204] + [412] * 7


def half(here: Place, fields: str, body: bytes, end: Callable[[socket.socket], None]) -> None:
    """Send a part of a PUT over ``file`` and end the connection."""
    head = f"PUT {here.path('file')} HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n".encode()
    with socket.create_connection((here.server.host, here.server.port)) as sock:
        sock.sendall(head + body)
        end(sock)


def finish(sock: socket.socket) -> None:
    """End our side and read what the server says."""
    sock.shutdown(socket.SHUT_WR)
    received = b""
    while block := sock.recv(65536):
        received += block
    assert not received.startswith(b"HTTP/1.1 2"), received


def reset(sock: socket.socket) -> None:
    """End it with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("end", [finish, reset])
@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ("Content-Length: 100", b"x" * 50),
        ("Content-Length: 10000000", b"x" * 3_000_000),
        ("Content-Length: 100", b""),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\nhel"),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n"),
        ("Transfer-Encoding: chunked", b""),
    ],
)
def test_a_body_that_ends_early_leaves_no_trace(
    here: Place,
    fields: str,
    body: bytes,
    end: Callable[[socket.socket], None],
    exists: bool,
) -> None:
    """The stock server answers 201 and keeps the part (defect 1)."""
    if exists:
        (here.folder / "file").write_bytes(b"old")
    half(here, fields, body, end)
    wanted = ["file"] if exists else []
    until(lambda: members(here.folder) == wanted, "nothing of it is left")
    answer = here.ask("GET", "file")
    assert (answer.status, answer.body) == (200, b"old") if exists else answer.status == 404


def test_the_collection_is_replaced_while_the_content_arrives(here: Place) -> None:
    """409: the URL means another collection now, and neither of them gets the file."""
    make(here.folder, {"tree": {"kept": b"1"}, "other": {"kept": b"2"}})
    head = f"PUT {here.path('tree/file')} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n"
    with socket.create_connection((here.server.host, here.server.port)) as sock:
        sock.sendall(head.encode() + b"half")
        until(lambda: here.server.staging(here.folder / "tree"), "the upload has begun")
        assert here.transfer("MOVE", "tree", "aside").status == 201
        assert here.transfer("MOVE", "other", "tree").status == 201
        sock.sendall(b"half")
        assert sock.recv(65536).startswith(b"HTTP/1.1 409 ")
    until(lambda: not here.server.staging(here.folder / "aside"), "nothing of it is left")
    assert members(here.folder / "tree") == ["kept"]
    assert members(here.folder / "aside") == ["kept"]


def test_mode_and_attributes_of_an_existing_file_are_kept(here: Place) -> None:
    """And its owner; a hard link is broken."""
    file = here.folder / "file"
    file.write_bytes(b"old")
    (here.folder / "link").hardlink_to(file)
    file.chmod(0o640)
    os.setxattr(file, "user.color", b"red")
    os.chown(file, 1234, 2345)
    assert here.ask("PUT", "file", {}, b"new").status == 204
    status = file.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o640, 1234, 2345)
    assert os.getxattr(file, "user.color") == b"red"
    assert (here.folder / "link").read_bytes() == b"old"
    assert here.ask("PUT", "fresh", {}, b"").status == 201
    assert (here.folder / "fresh").stat().st_mode & 0o777 == 0o644


def test_a_file_that_its_owner_may_not_write(theirs: Place, give: Callable[..., Any]) -> None:
    """403, before the body is asked for, and nothing changes."""
    make(theirs.folder, {"file": b"old", "shut": {"inside": b"1"}})
    give(theirs.folder)
    (theirs.folder / "file").chmod(0o444)
    (theirs.folder / "shut").chmod(0o555)
    answer = theirs.ask("PUT", "file", {}, b"new")
    assert answer.status == 403
    assert str(theirs.folder).encode() not in answer.body
    assert theirs.ask("PUT", "shut/new", {}, b"new").status == 403
    assert theirs.ask("MKCOL", "shut/new").status == 403
    assert theirs.ask("DELETE", "shut/inside").status == 403
    assert theirs.transfer("MOVE", "shut/inside", "out").status == 403
    assert theirs.lock_answer("shut/new").status == 403
    assert (theirs.folder / "file").read_bytes() == b"old"
    assert sorted(members(theirs.folder)) == ["file", "shut"]


def test_a_put_that_fails_its_checks_never_uploads(here: Place) -> None:
    """No 100 Continue for a collection, a missing parent, or a condition that fails."""
    make(here.folder, {"tree": {}, "file": b""})
    for name, condition, status in (
        ("tree", "", 405),
        ("missing/new", "", 409),
        ("file", 'If-Match: "x"\r\n', 412),
        (".davkeep", "", 403),
    ):
        head = (
            f"PUT {here.path(name)} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
            f"Expect: 100-continue\r\n{condition}\r\n"
        )
        (answer,) = exchange(here.server, head.encode())
        assert answer.status == status


def test_a_new_file_has_no_properties_of_one_that_was_removed_elsewhere(here: Place) -> None:
    """What is stored about a name ends with the file, also where nobody told the server."""
    here.ask("PUT", "file", {}, b"1")
    here.set("file", color="red")
    (here.folder / "file").unlink()
    assert here.ask("PUT", "file", {}, b"2").status == 201
    assert here.dead("file") == {}
    here.set("file", color="red")
    (here.folder / "file").unlink()
    here.lock("file", status=201)
    assert here.dead("file") == {}


def test_put_keeps_dead_properties(here: Place) -> None:
    """They belong to the resource, not to its content."""
    here.ask("PUT", "file", {}, b"1")
    here.set("file", color="red")
    assert here.ask("PUT", "file", {}, b"2").status == 204
    assert here.dead("file") == {"color": "red"}


def test_a_name_of_255_bytes(here: Place) -> None:
    """The longest there is works everywhere."""
    name = "n" * 255
    assert here.ask("PUT", name, {}, b"1").status == 201
    assert here.ask("PUT", name, {}, b"2").status == 204
    assert here.transfer("COPY", name, "m" * 255).status == 201
    assert here.transfer("COPY", name, "m" * 255).status == 204
    assert here.transfer("MOVE", "m" * 255, name).status == 204
    assert here.ask("DELETE", name).status == 204
