"""Every method, on everything around the trees of an operation that runs (the promises).

Each cell has an operation of its own that runs meanwhile: {top}/p/a is its source, {top}/q/b its
destination. `above` is p or q, `top` holds both, `member` lies in a or b, `sibling` is beside it.
"""

import base64
import itertools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.dav import LOCK, setting
from harness.disks import folder_in_memory
from harness.server import RunningServer
from harness.trees import plant
from harness.waiting import until
from harness.wire import Response, Wire

#: Seconds that a conflicting request waits before its 423.
CONFLICT_WAIT = 0.3
#: Members a second of one operation, and how many each has: it takes two and a half seconds.
RATE = 20
MEMBERS = 50
#: Bytes a second, and in the PUT whose commit takes two and a half seconds.
BYTES_A_SECOND = 2**18
BODY = b"x" * (BYTES_A_SECOND * 5 // 2)

ANN, BOB = (
    {"Authorization": "Basic " + base64.b64encode(f"{name}:{name[0]}".encode()).decode()}
    for name in ("ann", "bob")
)

USERS_FIELDS = {"Ann": ANN, "Bob": BOB}

USERS = {
    "simple_dc": {"user_mapping": {"*": {"ann": {"password": "a"}, "bob": {"password": "b"}}}},
    "http_authenticator": {"accept_basic": True, "accept_digest": False},
}
BLOCK = {
    "fsync": False,
    "keepalive": {"first_after": 0.1, "interval": 0.5},
    "operations": {
        "grace": 0,
        "workers": 100,
        "conflict_wait": CONFLICT_WAIT,
        "max_members_per_second": RATE,
        "max_bytes_per_second": BYTES_A_SECOND,
    },
}

BODIES = {
    "PUT": b"bob's",
    "PROPPATCH": setting(color="red"),
    "LOCK": LOCK.format(scope="exclusive").encode(),
}

#: The columns of the tables: a place around the source, then around the destination.
PLACES = {
    "source": "p/a",
    "above": "p",
    "member": "p/a/sub/m",
    "sibling": "p/s",
    "top": "",
    "dest": "q/b",
    "above'": "q",
    "member'": "q/b/sub/m",
    "sibling'": "q/s",
    "top'": "",
}

#: What somebody else gets for a method on each place. 423 is a conflict with the operation; 404,
#: 405 and 409 are of a request that is wrong at any time; the rest passes.
#:
#: A COPY shares its source: what reads passes, and so do PUT, MKCOL and PROPPATCH. Its new
#: destination is nobody else's; as nothing is there yet, what reads above it passes.
COPY_NEW = """
             source above member sibling dest above' member' sibling'
COPY from    201    201   201    201     404  201    404     201
COPY to      423    423   204    204     423  423    409     204
MOVE from    423    423   423    201     404  423    404     201
MOVE to      423    423   423    204     423  423    409     204
DELETE       423    423   423    204     404  423    404     204
PUT          405    405   204    204     423  405    409     204
MKCOL        405    405   405    405     423  405    409     405
PROPPATCH    207    207   207    207     423  207    404     207
"""
#: A destination that is replaced is nobody else's with all that is in it.
COPY_OVER = """
             source above member sibling dest above' member' sibling'
COPY from    201    201   201    201     423  423    423     201
COPY to      423    423   204    204     423  423    423     204
MOVE from    423    423   423    201     423  423    423     201
MOVE to      423    423   423    204     423  423    423     204
DELETE       423    423   423    204     423  423    423     204
PUT          405    405   204    204     405  405    423     204
MKCOL        405    405   405    405     423  405    423     405
PROPPATCH    207    207   207    207     423  207    423     207
"""
#: A MOVE across file systems keeps its source to itself as well.
MOVE_OVER = """
             source above member sibling dest above' member' sibling'
COPY from    423    423   423    201     423  423    423     201
COPY to      423    423   423    204     423  423    423     204
MOVE from    423    423   423    201     423  423    423     201
MOVE to      423    423   423    204     423  423    423     204
DELETE       423    423   423    204     423  423    423     204
PUT          405    405   423    204     405  405    423     204
MKCOL        423    405   423    405     423  405    423     405
PROPPATCH    423    207   423    207     423  207    423     207
"""
#: The tree of a DELETE is out of sight, and may come back to its name.
DELETE = """
             source above member sibling
COPY from    404    423   404    201
COPY to      423    423   409    204
MOVE from    404    423   404    201
MOVE to      423    423   409    204
DELETE       404    423   404    204
PUT          423    405   409    204
MKCOL        423    405   409    405
PROPPATCH    423    207   404    207
"""
#: A PUT that is being committed: its file may be read meanwhile.
PUT = """
             dest above' sibling'
COPY from    201  201    201
COPY to      423  423    204
MOVE from    423  423    201
MOVE to      423  423    204
DELETE       423  423    204
PUT          423  405    204
MKCOL        423  405    405
PROPPATCH    423  207    207
"""

#: What LOCK gets by its depth, from Bob and from Ann, whose operation it is. What is granted on a
#: collection is kept: so Bob waits for what Ann does directly in it (depth 0) or below it, while
#: a tree that is read is not changed.
LOCK_COPY_NEW = """
             source above top member sibling dest above' top' member' sibling'
Bob 0        200    200   200 200    200     423  423    200  409     200
Bob infinity 200    200   423 200    200     423  423    423  409     200
Ann 0        200    200   200 200    200     423  200    200  409     200
Ann infinity 200    200   200 200    200     423  200    200  409     200
"""
LOCK_COPY_OVER = """
             source above top member sibling dest above' top' member' sibling'
Bob 0        200    200   200 200    200     423  423    200  423     200
Bob infinity 200    200   423 200    200     423  423    423  423     200
Ann 0        200    200   200 200    200     423  200    200  423     200
Ann infinity 200    200   200 200    200     423  200    200  423     200
"""
LOCK_MOVE_OVER = """
             source above top member sibling dest above' top' member' sibling'
Bob 0        423    423   200 423    200     423  423    200  423     200
Bob infinity 423    423   423 423    200     423  423    423  423     200
Ann 0        423    200   200 423    200     423  200    200  423     200
Ann infinity 423    200   200 423    200     423  200    200  423     200
"""
LOCK_DELETE = """
             source above top member sibling
Bob 0        423    423   200 409    200
Bob infinity 423    423   423 409    200
Ann 0        423    200   200 409    200
Ann infinity 423    200   200 409    200
"""
LOCK_PUT = """
             dest above' top' sibling'
Bob 0        423  423    200  200
Bob infinity 423  423    423  200
Ann 0        423  200    200  200
Ann infinity 423  200    200  200
"""

TABLES = {
    "COPY to a new name": COPY_NEW,
    "COPY over a collection": COPY_OVER,
    "MOVE over a collection": MOVE_OVER,
    "DELETE": DELETE,
    "PUT": PUT,
}
LOCKS = {
    "COPY to a new name": LOCK_COPY_NEW,
    "COPY over a collection": LOCK_COPY_OVER,
    "MOVE over a collection": LOCK_MOVE_OVER,
    "DELETE": LOCK_DELETE,
    "PUT": LOCK_PUT,
}


class Cell(NamedTuple):
    """One request beside one operation."""

    method: str
    place: str


def cells(table: str) -> dict[Cell, int]:
    """The statuses of a table."""
    header, *rows = table.strip().splitlines()
    found = {}
    for row in rows:
        method, statuses = row[:13].strip(), row[13:].split()
        for place, status in zip(header.split(), statuses, strict=True):
            found[Cell(method, place)] = int(status)
    return found


class Shares(NamedTuple):
    """A server over two file systems."""

    server: RunningServer
    disk: Path
    memory: Path


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shares]:
    """Slow operations, and workers for all."""
    with folder_in_memory() as elsewhere:
        disk, memory = tmp_path_factory.mktemp("share") / "disk", elsewhere / "memory"
        for folder in (disk, memory, elsewhere / "spool"):
            folder.mkdir()
        config = {
            "provider_mapping": {"/disk": str(disk), "/memory": str(memory)},
            **USERS,
            "davkeep": {**BLOCK, "put": {"spool": str(elsewhere / "spool")}},
        }
        running = RunningServer(tmp_path_factory.mktemp("server"), None, config)
        yield Shares(running, disk, memory)
        running.close()
        assert "Traceback" not in running.log
        assert running.staging(disk) == running.staging(elsewhere) == []


_numbers = itertools.count()


class Scene:
    """The trees of one cell, and the operation that runs among them."""

    def __init__(self, shares: Shares, running: str, cell: Cell) -> None:
        """``running`` is a key of the tables."""
        self.server = shares.server
        self.running = running
        self.cell = cell
        top = f"{running.replace(' ', '-')}-{next(_numbers)}"
        there = shares.memory if running.startswith("MOVE") else shares.disk
        self.source, self.target = shares.disk / top, there / top
        self._urls = (f"/disk/{top}/", f"/{there.name}/{top}/")

    def prepare(self) -> None:
        """Make what is around, and in the source as many members as take their time."""
        for folder in (self.source / "p", self.target / "q"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "s").write_bytes(b"s")
        for folder in {self.source, self.target}:
            (folder / "other").write_bytes(b"other")
        _plant(self.source / "p/a")
        if "over" in self.running:
            _plant(self.target / "q/b")
        if self.running == "PUT":
            (self.target / "q/b").write_bytes(b"old")

    def begin(self, client: Wire) -> None:
        """Begin the operation and see that it runs."""
        destination = {"Destination": self._whole(self._urls[1] + "q/b")}
        if self.running == "PUT":
            client.send("PUT", self._urls[1] + "q/b", ANN, BODY)
        else:
            fields = ANN if self.running == "DELETE" else ANN | destination
            client.send(self.running.split()[0], self._urls[0] + "p/a", fields)
        assert client.interim() == 102
        if self.running == "DELETE":
            until(self._is_out_of_sight, "its effective point")

    def _is_out_of_sight(self) -> bool:
        with Wire(self.server.host, self.server.port) as ann:
            return ann.ask("HEAD", self._urls[0] + "p/a", ANN).status == 404

    def ask(self) -> Response:
        """Bob's request; or that of a LOCK of Bob or Ann, with its depth."""
        method, _, direction = self.cell.method.partition(" ")
        path = PLACES[self.cell.place]
        share = self._urls[path.startswith("q")]
        place, other, away = share + path, share + "other", share + "away"
        with Wire(self.server.host, self.server.port) as bob:
            if method in USERS_FIELDS:
                fields = USERS_FIELDS[method] | {"Depth": direction}
                return bob.ask("LOCK", place, fields, BODIES["LOCK"])
            if direction == "from":
                return bob.ask(method, place, BOB | {"Destination": self._whole(away)})
            if direction == "to":
                return bob.ask(method, other, BOB | {"Destination": self._whole(place)})
            return bob.ask(method, place, BOB, BODIES.get(method))

    def _whole(self, path: str) -> str:
        return self.server.url.rstrip("/") + path


def _plant(tree: Path) -> None:
    plant(tree, MEMBERS)
    (tree / "sub").mkdir()
    (tree / "sub" / "m").write_bytes(b"m")


def _connection(server: RunningServer) -> Wire:
    return Wire(server.host, server.port)


@pytest.mark.parametrize("running", TABLES)
def test_every_method_around_a_running_operation(
    running: str, shares: Shares, figures: Counter[str]
) -> None:
    """What is shared is shared, what is taken is 423 with Retry-After, what is beside is free."""
    _compare(cells(TABLES[running]), running, shares, figures)


@pytest.mark.parametrize("running", LOCKS)
def test_locks_around_a_running_operation(
    running: str, shares: Shares, figures: Counter[str]
) -> None:
    """Nobody gets a lock on what somebody else is changing; who changes it may lock it."""
    _compare(cells(LOCKS[running]), running, shares, figures)


def _compare(table: dict[Cell, int], running: str, shares: Shares, figures: Counter[str]) -> None:
    """Ask every cell beside an operation of its own."""
    scenes = [Scene(shares, running, cell) for cell in table]
    for scene in scenes:
        scene.prepare()
    seen: dict[Cell, Any] = {}
    with ExitStack() as opened, ThreadPoolExecutor(len(scenes)) as together:
        clients = [opened.enter_context(_connection(shares.server)) for _ in scenes]
        list(together.map(Scene.begin, scenes, clients))
        for scene, answer in zip(scenes, together.map(Scene.ask, scenes), strict=True):
            is_right = answer.status != 423 or int(answer.fields["Retry-After"]) >= 1
            seen[scene.cell] = answer.status if is_right else answer
        ends = [client.response().status for client in clients]
    differing = {cell: (seen[cell], table[cell]) for cell in table if seen[cell] != table[cell]}
    assert not differing
    figures["requests beside a running operation"] += len(table)
    assert set(ends) <= {201, 204}
