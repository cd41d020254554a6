"""What is stored about a name while it is made, and about what had it before.

Each request that makes a name stands in the moment in which the name can be seen already and
nobody has been answered.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from davkeep.dav.methods import lock, mkcol
from davkeep.dav.site import Site
from davkeep.operations import Stored
from davkeep.trees import copy, move, upload
from davkeep.trees.member import MemberCopy
from harness.dav import DAV, LOCK, make, multistatus, setting
from harness.inside import Inside, Start
from harness.server import DEADLINE
from harness.standing import Standing, is_waiting
from harness.wire import Response

LOCKINFO = LOCK.format(scope="exclusive").encode()


class Ask(NamedTuple):
    """A request, and the status that is expected."""

    method: str
    path: str
    status: int
    body: bytes | None = None
    fields: tuple[tuple[str, str], ...] = ()


class Maker(NamedTuple):
    """A request that makes /new, and the function in which it stands, and when."""

    ask: Ask
    owner: Any
    name: str
    after: bool = False


MAKERS = {
    "MKCOL": Maker(Ask("MKCOL", "/new", 201), mkcol, "make_collection", after=True),
    "LOCK": Maker(Ask("LOCK", "/new", 201, LOCKINFO), lock, "_make_file", after=True),
    "PUT": Maker(Ask("PUT", "/new", 201, b"new"), upload, "announce"),
    "PUT in parts": Maker(
        Ask("PUT", "/new", 201, b"new", (("Content-Range", "bytes 0-2/3"),)), upload, "announce"
    ),
    "COPY": Maker(Ask("COPY", "/old", 201, fields=(("Destination", "/new"),)), copy, "announce"),
    "MOVE": Maker(Ask("MOVE", "/old", 201, fields=(("Destination", "/new"),)), move, "announce"),
}
#: What makes the name in a moment, rather than in one step with what is stored.
MOMENTS = ("MKCOL", "LOCK", "PUT", "PUT in parts")

#: What others do at and below a collection that is being made.
BESIDE = [
    Ask("PROPPATCH", "/new", 207, setting(colour="red")),
    Ask("LOCK", "/new", 200, LOCKINFO),
    Ask("MKCOL", "/new", 405),
    Ask("PUT", "/new/file", 201, b"file"),
    Ask("MKCOL", "/new/below", 201),
    Ask("LOCK", "/new/file", 201, LOCKINFO),
    Ask("COPY", "/old", 201, fields=(("Destination", "/new/copy"),)),
    Ask("MOVE", "/old", 201, fields=(("Destination", "/new/moved"),)),
]

Stand = Callable[..., Standing]
Client = Callable[[Ask], "Future[Response]"]


@pytest.fixture
def server(inside: Start, root: Path) -> Inside:
    """A server on which a conflict is waited for as long as a test may take."""
    (root / "old").write_bytes(b"old")
    return inside(operations={"conflict_wait": DEADLINE})


@pytest.fixture
def client(server: Inside) -> Iterator[Client]:
    """Ask on a connection of its own, in a thread."""

    def asked(ask: Ask) -> Response:
        fields = {name: _absolute(server, value) for name, value in ask.fields}
        with server.wire() as wire:
            return wire.ask(ask.method, ask.path, fields, ask.body)

    with ThreadPoolExecutor(8) as threads:
        yield lambda ask: threads.submit(asked, ask)


def _absolute(server: Inside, value: str) -> str:
    return server.url.rstrip("/") + value if value.startswith("/") else value


def _dead(client: Client, path: str) -> set[str]:
    """The names of the dead properties that a member has."""
    answer = client(Ask("PROPFIND", path, 207, fields=(("Depth", "0"),))).result(DEADLINE)
    (found,) = multistatus(answer).values()
    return {name for name in found.properties if not name.startswith(DAV)}


@pytest.mark.parametrize("name", MAKERS)
def test_a_property_set_beside_the_making_of_a_name_stays(
    name: str, server: Inside, client: Client, standing: Stand
) -> None:
    """A PROPPATCH that is answered 207 beside what makes the name is not lost with that."""
    maker = MAKERS[name]
    stands = standing(maker.owner, maker.name, after=maker.after)
    made = client(maker.ask)
    stands.wait()
    token = "" if name != "LOCK" else _token(client)
    fields = (("If", f"(<{token}>)"),) if token else ()
    changed = client(Ask("PROPPATCH", "/new", 207, setting(colour="red"), fields))
    is_waiting(server, changed)
    stands.go()
    assert made.result(DEADLINE).status == 201
    assert changed.result(DEADLINE).status == 207
    assert _dead(client, "/new") == {"{urn:x}colour"}


def _token(client: Client) -> str:
    """The token of the lock on /new, which its owner is not told yet."""
    answer = client(Ask("PROPFIND", "/new", 207, fields=(("Depth", "0"),))).result(DEADLINE)
    (found,) = multistatus(answer).values()
    _, discovered = found.properties[f"{DAV}lockdiscovery"]
    return discovered.findtext(f".//{DAV}locktoken/{DAV}href") or ""


@pytest.mark.parametrize("ask", BESIDE, ids=lambda ask: f"{ask.method} {ask.path}")
def test_what_is_done_in_a_new_collection_waits_for_it(
    ask: Ask, server: Inside, client: Client, standing: Stand
) -> None:
    """Before MKCOL is answered, and durable, nothing at or below its name is."""
    stands = standing(mkcol, "make_collection", after=True)
    made = client(Ask("MKCOL", "/new", 201))
    stands.wait()
    beside = client(ask)
    assert is_waiting(server, beside)
    stands.go()
    assert made.result(DEADLINE).status == 201
    assert beside.result(DEADLINE).status == ask.status


@pytest.mark.parametrize("name", MOMENTS)
def test_what_a_predecessor_left_is_gone_before_the_name_is_seen(
    name: str, root: Path, client: Client, standing: Stand
) -> None:
    """Who sees a new name never sees the properties of what was removed behind the server."""
    for ask in (
        Ask("MKCOL", "/new", 201),
        Ask("PROPPATCH", "/new", 207, setting(colour="red")),
        Ask("PUT", "/new/file", 201, b"1"),
        Ask("PROPPATCH", "/new/file", 207, setting(colour="red")),
        Ask("LOCK", "/new/file", 200, LOCKINFO),
    ):
        assert client(ask).result(DEADLINE).status == ask.status
    shutil.rmtree(root / "new")
    maker = MAKERS[name]
    stands = standing(maker.owner, maker.name, after=maker.after)
    made = client(maker.ask)
    stands.wait()
    assert _dead(client, "/new") == set()
    stands.go()
    assert made.result(DEADLINE).status == 201
    if name == "MKCOL":
        # Nobody has a lock here any more.
        assert client(Ask("PUT", "/new/file", 201, b"2")).result(DEADLINE).status == 201
        assert _dead(client, "/new/file") == set()


def test_a_name_that_is_made_between_two_looks(client: Client, standing: Stand) -> None:
    """A MKCOL that has seen a free name, which another one takes, is told that it is taken."""
    stands = standing(Site, "reserving")
    late = client(Ask("MKCOL", "/new", 405))
    stands.wait()
    assert client(Ask("MKCOL", "/new", 201)).result(DEADLINE).status == 201
    stands.go()
    assert late.result(DEADLINE).status == 405


def test_failed_members_are_forgotten_before_anybody_is_answered(
    root: Path,
    server: Inside,
    client: Client,
    standing: Stand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The properties of what a COPY could not copy go while its destination is still reserved."""
    make(root, {"tree": {"bad": b"1", "good": b"2"}})
    changed = client(Ask("PROPPATCH", "/tree/bad", 207, setting(colour="red")))
    assert changed.result(DEADLINE).status == 207
    original = MemberCopy.file

    def failing(copy: MemberCopy, parent_fd: int, name: str, *to: Any) -> Any:
        if name == "bad":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return original(copy, parent_fd, name, *to)

    monkeypatch.setattr(MemberCopy, "file", failing)
    stands = standing(Stored, "forget_vanished")
    copied = client(Ask("COPY", "/tree", 207, fields=(("Destination", "/new"),)))
    stands.wait()
    assert server.last().early_outcome is None
    made = client(Ask("PUT", "/new/bad", 201, b"3"))
    assert is_waiting(server, made)
    stands.go()
    assert copied.result(DEADLINE).status == 207
    assert made.result(DEADLINE).status == 201
    assert _dead(client, "/new/bad") == set()


def test_a_part_of_an_upload_beside_the_move_of_its_collection(
    client: Client, standing: Stand
) -> None:
    """What was answered 202 is there: a part is refused until what is entered there stays."""
    assert client(Ask("MKCOL", "/tree", 201)).result(DEADLINE).status == 201
    stands = standing(move, "announce")
    moved = client(Ask("MOVE", "/tree", 201, fields=(("Destination", "/new"),)))
    stands.wait()

    def part(content: bytes, status: int, span: str) -> None:
        ask = Ask("PUT", "/new/file", status, content, (("Content-Range", f"bytes {span}/4"),))
        answer = client(ask).result(DEADLINE)
        assert answer.status == status
        assert status != 423 or answer.fields["Retry-After"]

    part(b"ab", 423, "0-1")
    stands.go()
    assert moved.result(DEADLINE).status == 201
    part(b"ab", 202, "0-1")
    part(b"cd", 201, "2-3")
