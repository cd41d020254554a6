"""One peer, its share, and what it was caught at."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from bench.client import Connection, request
from bench.measures import MIB
from bench.servers import Server
from bench.speed.peers import SHARE, Peer

#: What an answer to a change may be; lighttpd says 200 where others say 201 or 204.
DONE = (200, 201, 204)
#: Seconds between two looks whether something is out of sight, or purged.
LOOK = 0.0002
#: What the names begin with under which davkeep hides work.
HIDDEN = ".davkeep-"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    #: Files of the tree that is copied, moved, removed and listed.
    files: int
    #: Files of the one collection that is listed.
    listed: int
    #: Bytes of the large file.
    large: int
    #: Small requests on one connection.
    requests: int
    #: COPYs at once, and the files of each.
    copies: int
    copied: int
    #: Files of the trees whose cost and memory are compared.
    trees: tuple[int, ...]
    #: Operations that wait at the same time.
    parked: int
    #: Bytes of a small file.
    small: int = 4096


FULL = Scale(
    files=10_000,
    listed=1_000,
    large=512 * MIB,
    requests=1_000,
    copies=16,
    copied=2_000,
    trees=(1_000, 10_000, 100_000, 1_000_000),
    parked=10_000,
)
QUICK = Scale(
    files=1_000,
    listed=1_000,
    large=64 * MIB,
    requests=200,
    copies=16,
    copied=100,
    trees=(1_000, 10_000),
    parked=200,
)


class Site:
    """A peer at work. What a peer does wrong is a lapse, and with davkeep an error."""

    def __init__(self, peer: Peer, server: Server | None, folder: Path, is_disk: bool) -> None:
        """``server`` is running over ``folder/root``; the plain tools have none."""
        self.peer, self._server, self._is_disk = peer, server, is_disk
        self.share = folder / SHARE
        self.lapses: set[str] = set()

    @property
    def server(self) -> Server:
        """The server; nobody asks the plain tools for theirs."""
        assert self._server is not None
        return self._server

    @property
    def is_plain(self) -> bool:
        """Whether these are the plain tools."""
        return self._server is None

    def connect(self) -> Connection:
        """Open a connection that has been used once, so that no row begins with accepting it."""
        connection = Connection(self.server)
        connection.expect(200, request(self.server, "OPTIONS", "/"))
        return connection

    def seconds(self, connection: Connection, head: bytes, body: Iterable[bytes] = ()) -> float:
        """How long a request takes until it is answered and nothing hidden is left of it."""
        self.calm()
        begun = perf_counter()
        status = connection.ask(head, body)
        self.settle()
        took = perf_counter() - begun
        self.require(status in DONE, f"{status} to {head!r}")
        return took

    def settle(self) -> None:
        """Wait until what is hidden has been purged."""
        while any(name.startswith(HIDDEN) for name in os.listdir(self.share)):
            sleep(LOOK)

    def calm(self) -> None:
        """Have what was written before written out, so that nobody pays for somebody else."""
        if self._is_disk:
            os.sync()

    def require(self, is_so: bool, otherwise: str) -> None:
        """Fail unless it is so."""
        if not is_so:
            raise AssertionError(f"{self.peer.title}: {otherwise}")

    def found(self, lapses: Iterable[str]) -> None:
        """Take down what a check has found; davkeep may not have any."""
        seen = set(lapses)
        self.require(not (seen and self.peer.name.startswith("davkeep")), "; ".join(sorted(seen)))
        self.lapses |= seen

    def make(self, name: str, fill: Callable[[Path], object]) -> Path:
        """Make something in the share that the peer may change."""
        top = self.share / name
        fill(top)
        self.peer.hand_over(top)
        return top
