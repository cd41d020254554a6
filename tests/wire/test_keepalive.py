"""Operations of about 6 s, as they look on the wire and on the disk meanwhile."""

import os
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from harness.disks import folder_in_memory, mounted
from harness.server import RunningServer
from harness.trees import Contents, contents, count, plant
from harness.wire import Response, Wire

#: Files of each tree, and members a second: 6 s.
FILES = 2000
MEMBERS_PER_SECOND = 340
#: Bytes of the uploaded file, and bytes a second: 6 s.
SIZE = 6 * 2**20
BYTES_PER_SECOND = 2**20

BLOCK = {
    "keepalive": {"first_after": 1, "interval": 1},
    "operations": {
        "workers": 4,
        "max_members_per_second": MEMBERS_PER_SECOND,
        "max_bytes_per_second": BYTES_PER_SECOND,
    },
}

needs_mount = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")


@dataclass
class Seen:
    """What a client saw of one operation, and the disk at each interim response."""

    response: Response
    #: Seconds from the request to its final response.
    lasted: float
    #: Seconds since the request, and how much was done by then.
    moments: list[tuple[float, int]] = field(default_factory=list)
    #: What the same connection answered next.
    following: Response | None = None
    expected: Contents = field(default_factory=dict)
    found: Contents = field(default_factory=dict)

    @property
    def paces(self) -> list[float]:
        """What was done in a second, between each two interim responses."""
        pairs = zip(self.moments, self.moments[1:], strict=False)
        return [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairs]

    def check(self, status: int, pace: float) -> None:
        """The interim responses, the steady work at ``pace``, the end and what it left."""
        assert self.response.status == status
        count = len(self.response.interims)
        assert self.response.interims == (102,) * count
        assert 5 <= count <= self.lasted
        assert count >= 0.7 * self.lasted
        # At the last one the entry may have got its name.
        assert len(self.moments) >= 4
        assert 0.4 <= median(self.paces) / pace <= 1.6, self.paces
        assert all(0 <= each / pace <= 2 for each in self.paces), self.paces
        assert self.following is not None
        assert self.following.status == 200
        assert self.found == self.expected


class Stage:
    """A server with four collections, in each of which one long operation runs."""

    def __init__(self, server: RunningServer, root: Path, tls: ssl.SSLContext | None) -> None:
        self.server = server
        self.root = root
        self.tls = tls

    def watch(
        self,
        method: str,
        path: str,
        folder: Path,
        done: Callable[[Path], int],
        following: str,
        fields: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Seen:
        """Ask for an operation and look at ``folder``'s hidden entry whenever a 102 comes."""
        moments: list[tuple[float, int]] = []
        with Wire(self.server.host, self.server.port, tls=self.tls, agent="curl/7.88.1") as client:
            client.send(method, path, fields, body)
            began = time.monotonic()

            def look() -> None:
                hidden = [done(entry) for entry in folder.glob(".davkeep-*")]
                moments.extend((time.monotonic() - began, each) for each in hidden)

            response = client.response(look)
            lasted = time.monotonic() - began
            return Seen(response, lasted, moments, client.ask("GET", following))

    def copy(self) -> Seen:
        folder = self.root / "copy"
        before = plant(folder / "a", FILES)
        to = {"Destination": f"{self.server.url}copy/b"}
        seen = self.watch("COPY", "/copy/a", folder, count, "/copy/b/00007", to)
        seen.expected, seen.found = before, contents(folder / "b")
        assert contents(folder / "a") == before
        return seen

    def move(self) -> Seen:
        before = plant(self.root / "move" / "a", FILES)
        to = {"Destination": f"{self.server.url}mounted/b"}
        mounted = self.root / "mounted"
        seen = self.watch("MOVE", "/move/a", mounted, count, "/mounted/b/00007", to)
        seen.expected, seen.found = before, contents(mounted / "b")
        assert contents(self.root / "move") == {}
        return seen

    def delete(self) -> Seen:
        folder = self.root / "delete"
        plant(folder / "a", FILES)
        (folder / "kept").write_bytes(b"kept")
        seen = self.watch("DELETE", "/delete/a", folder, count, "/delete/kept")
        seen.expected, seen.found = {"kept": b"kept"}, contents(folder)
        return seen

    def put(self) -> Seen:
        folder = self.root / "put"
        folder.mkdir()
        body = os.urandom(SIZE)
        seen = self.watch("PUT", "/put/new", folder, _size, "/put/new", body=body)
        seen.expected, seen.found = {"new": body}, contents(folder)
        return seen


def _size(file: Path) -> int:
    return file.stat().st_size


@pytest.fixture(scope="module", params=["http", "https"])
def seen(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certified: dict[str, Any],
    trusting: ssl.SSLContext,
) -> Iterator[dict[str, Seen]]:
    """All four operations at the same time, each on a connection of its own."""
    root = tmp_path_factory.mktemp("root")
    is_secure = request.param == "https"
    with ExitStack() as opened:
        methods = ["copy", "delete", "put"]
        if os.geteuid() == 0:
            opened.enter_context(mounted(root / "mounted"))
            methods.append("move")
        spool = opened.enter_context(folder_in_memory())
        config = {"davkeep": {**BLOCK, "put": {"spool": str(spool)}}}
        server = RunningServer(
            tmp_path_factory.mktemp("server"), root, config | (certified if is_secure else {})
        )
        opened.callback(server.close)
        stage = Stage(server, root, trusting if is_secure else None)
        threads = opened.enter_context(ThreadPoolExecutor())
        running = {method: threads.submit(getattr(stage, method)) for method in methods}
        yield {method: future.result() for method, future in running.items()}


def test_copy(seen: dict[str, Seen]) -> None:
    """A COPY of 6 s gets five or six 102s and a 201; its members appear steadily."""
    seen["copy"].check(201, MEMBERS_PER_SECOND)


def test_delete(seen: dict[str, Seen]) -> None:
    """The same for DELETE, whose members vanish steadily from the hidden entry."""
    seen["delete"].check(204, -MEMBERS_PER_SECOND)


@needs_mount
def test_move_across_file_systems(seen: dict[str, Seen]) -> None:
    """The same for MOVE to another file system: members appear there, then the source is gone."""
    seen["move"].check(201, MEMBERS_PER_SECOND)


def test_commit_of_a_put(seen: dict[str, Seen]) -> None:
    """The same for the commit of a PUT whose spool is on another file system."""
    seen["put"].check(201, BYTES_PER_SECOND)
