"""The list of very many operations: those that are over, and those that wait or run."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.client import Connection, copying, request
from bench.crowd import make_room
from bench.measures import Figure, median, milliseconds, percentile, timed
from bench.servers import Davkeep
from bench.trees import make_tree

#: What the list may take, in milliseconds.
MOST = 100
#: Files of what each COPY copies, and members a second: longer than the measurement.
FILES, MEMBERS_PER_SECOND = 500, 5
BEAT = {"interim": "always", "first_after": 0.1, "interval": 60.0}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    finished: int
    pending: int
    requests: int


def measure(folder: Path, size: Size) -> Iterator[Figure]:
    """The list as JSON."""
    group = f"The list of {size.finished} finished and {size.pending} pending operations"
    make_room(size.pending)
    limits = {"max_members_per_second": MEMBERS_PER_SECOND, "on_disconnect": "cancel"}
    with ExitStack() as opened:
        server = opened.enter_context(Davkeep(folder, keepalive=BEAT, operations=limits))
        probe = opened.enter_context(Connection(server))
        make_tree(server.share / "source", FILES, 64)
        for number in range(size.finished):
            probe.expect(201, request(server, "PUT", f"/file-{number}"))
        waiting = [opened.enter_context(Connection(server)) for _ in range(size.pending)]
        for number, connection in enumerate(waiting):
            connection.socket.sendall(copying(server, "/source", f"/copy-{number}"))
        for connection in waiting:
            connection.interim()
        look = request(server, "GET", "/.davkeep/operations")
        probe.expect(200, look)
        samples = [timed(lambda: probe.expect(200, look)) for _ in range(size.requests)]
        yield milliseconds(group, "median", median(samples), MOST)
        yield milliseconds(group, "99 %", percentile(samples, 0.99))
        for connection in waiting:
            connection.reset()
