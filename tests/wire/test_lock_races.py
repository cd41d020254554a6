"""A LOCK of the collection /c beside a request that changes what is in it (RFC 4918 7.4, 7.5).

The request stands after its checks and before it does anything, or the LOCK does.
"""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from davkeep.dav.methods import delete, lock, mkcol, proppatch
from davkeep.trees.renaming import Renaming
from davkeep.trees.staging import Swap
from harness.dav import LOCK, condition, make, setting
from harness.inside import Inside, Start
from harness.server import DEADLINE
from harness.standing import Standing, is_waiting
from harness.wire import Response

LOCKINFO = LOCK.format(scope="exclusive").encode()
USERS = {
    "simple_dc": {"user_mapping": {"*": {"ann": {"password": "a"}, "bob": {"password": "b"}}}},
    "http_authenticator": {"accept_basic": True, "accept_digest": False},
}
DEPTHS = ("0", "infinity")


class Change(NamedTuple):
    """What Ann asks, where that stands, and which LOCKs of /c wait for it."""

    method: str
    path: str
    status: int
    #: The depths that wait when somebody else asks for them, and when Ann does.
    others: tuple[str, ...]
    owner: Any
    name: str
    own: tuple[str, ...] = ()
    destination: str | None = None
    body: bytes | None = None


CHANGES = {
    "MKCOL in it": Change("MKCOL", "/c/new", 201, DEPTHS, mkcol, "make_collection"),
    "MKCOL below": Change("MKCOL", "/c/d/new", 201, ("infinity",), mkcol, "make_collection"),
    "PUT of a new file": Change("PUT", "/c/new", 201, DEPTHS, Swap, "make", body=b"new"),
    "PUT over a file": Change("PUT", "/c/file", 204, DEPTHS, Swap, "make", body=b"new"),
    "PUT below": Change("PUT", "/c/d/new", 201, ("infinity",), Swap, "make", body=b"new"),
    "COPY into it": Change("COPY", "/tree", 201, DEPTHS, Swap, "make", destination="/c/new"),
    "COPY over a member": Change("COPY", "/tree", 204, DEPTHS, Swap, "make", destination="/c/d"),
    "COPY out of it": Change("COPY", "/c/d", 201, (), Swap, "make", destination="/new"),
    "MOVE into it": Change("MOVE", "/tree", 201, DEPTHS, Renaming, "make", destination="/c/new"),
    "MOVE out of it": Change("MOVE", "/c/d", 201, DEPTHS, Renaming, "make", destination="/new"),
    "MOVE beside it": Change("MOVE", "/tree", 201, (), Renaming, "make", destination="/new"),
    "DELETE in it": Change("DELETE", "/c/d", 204, DEPTHS, delete, "remove"),
    "DELETE below": Change("DELETE", "/c/d/file", 204, ("infinity",), delete, "remove"),
    "PROPPATCH of it": Change(
        "PROPPATCH", "/c", 207, DEPTHS, proppatch, "_apply", DEPTHS, body=setting(colour="red")
    ),
    "PROPPATCH of a member": Change(
        "PROPPATCH",
        "/c/file",
        207,
        ("infinity",),
        proppatch,
        "_apply",
        ("infinity",),
        body=setting(colour="red"),
    ),
}

Stand = Callable[..., Standing]
Client = Callable[..., "Future[Response]"]


@pytest.fixture
def server(inside: Start, root: Path) -> Inside:
    """A server on which a conflict is waited for as long as a test may take."""
    make(root, {"c": {"file": b"1", "d": {"file": b"2"}}, "tree": {"file": b"3"}})
    return inside(USERS, operations={"conflict_wait": DEADLINE})


@pytest.fixture
def client(server: Inside) -> Iterator[Client]:
    """Ask on a connection of its own, in a thread: user, method, path, fields, body."""

    def asked(user: str, method: str, path: str, fields: Any, body: Any) -> Response:
        secret = base64.b64encode(f"{user}:{user[0]}".encode()).decode()
        with server.wire() as wire:
            return wire.ask(method, path, {"Authorization": f"Basic {secret}", **fields}, body)

    with ThreadPoolExecutor(8) as threads:

        def submit(
            user: str, method: str, path: str, fields: Any = None, body: Any = None
        ) -> "Future[Response]":
            return threads.submit(asked, user, method, path, fields or {}, body)

        yield submit


def _begin(server: Inside, client: Client, change: Change) -> "Future[Response]":
    to = change.destination
    fields = {} if to is None else {"Destination": server.url.rstrip("/") + to}
    return client("ann", change.method, change.path, fields, change.body)


def _lock(client: Client, user: str, depth: str) -> "Future[Response]":
    return client(user, "LOCK", "/c", {"Depth": depth}, LOCKINFO)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("user", ["ann", "bob"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_lock_is_granted_when_the_change_is_over(
    name: str,
    user: str,
    depth: str,
    server: Inside,
    client: Client,
    standing: Stand,
) -> None:
    """What was admitted before a LOCK is done before it too; who does it need not wait for it."""
    change = CHANGES[name]
    stands = standing(change.owner, change.name)
    changed = _begin(server, client, change)
    stands.wait()
    locked = _lock(client, user, depth)
    assert is_waiting(server, locked) == (depth in (change.own if user == "ann" else change.others))
    stands.go()
    assert changed.result(DEADLINE).status == change.status
    assert locked.result(DEADLINE).status == 200


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_waits_for_a_lock_that_is_being_granted(
    name: str, root: Path, server: Inside, client: Client, standing: Stand
) -> None:
    """What comes while a LOCK is granted waits for that, and is refused by the lock then."""
    change = CHANGES[name]
    stands = standing(lock, "_granted")
    locked = _lock(client, "bob", "infinity")
    stands.wait()
    changed = _begin(server, client, change)
    assert is_waiting(server, changed) == bool(change.others)
    stands.go()
    assert locked.result(DEADLINE).status == 200
    answer = changed.result(DEADLINE)
    if not change.others:
        assert answer.status == change.status
        return
    assert answer.status == 423
    assert condition(answer) == ("lock-token-submitted", ["/c/"])
    assert sorted(path.name for path in (root / "c").rglob("*")) == ["d", "file", "file"]


def test_a_lock_that_makes_a_file_waits_for_one_of_its_collection(
    server: Inside, client: Client, standing: Stand, root: Path
) -> None:
    """LOCK of a free name adds to the collection: beside a LOCK of that it is refused."""
    stands = standing(lock, "_granted")
    locked = _lock(client, "bob", "0")
    stands.wait()
    made = client("ann", "LOCK", "/c/new", {}, LOCKINFO)
    assert is_waiting(server, made)
    stands.go()
    assert locked.result(DEADLINE).status == 200
    assert made.result(DEADLINE).status == 423
    assert not (root / "c/new").exists()


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_lock_waits_for_a_lock_that_makes_a_file_in_its_collection(
    depth: str, server: Inside, client: Client, standing: Stand
) -> None:
    """And the other way round: the file is there, and locked, before its collection may be."""
    stands = standing(lock, "_make_file")
    made = client("ann", "LOCK", "/c/new", {}, LOCKINFO)
    stands.wait()
    locked = _lock(client, "bob", depth)
    assert is_waiting(server, locked)
    stands.go()
    assert made.result(DEADLINE).status == 201
    assert locked.result(DEADLINE).status == (200 if depth == "0" else 423)


def test_refresh_and_unlock_pass(server: Inside, client: Client, standing: Stand) -> None:
    """LOCK's refresh and UNLOCK of the collection wait for nothing that is done in it."""
    locked = _lock(client, "bob", "infinity").result(DEADLINE)
    token = locked.fields["Lock-Token"]
    stands = standing(Swap, "make")
    made = client("bob", "PUT", "/c/new", {"If": f"</c/> ({token})"}, b"new")
    stands.wait()
    refreshed = client("bob", "LOCK", "/c", {"If": f"({token})"})
    assert refreshed.result(DEADLINE).status == 200
    assert client("bob", "UNLOCK", "/c", {"Lock-Token": token}).result(DEADLINE).status == 204
    stands.go()
    assert made.result(DEADLINE).status == 201
