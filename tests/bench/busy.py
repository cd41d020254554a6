"""Every worker busy in long COPYs: what is short must not notice much of it."""

import itertools
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.client import Connection, copying, request
from bench.measures import Figure, median, milliseconds, percentile, ratio, timed
from bench.servers import Davkeep, Server
from bench.trees import make_tree, throw_away

#: Long operations at a time, davkeep's default.
WORKERS = 2
#: Bytes of the file that is read.
SMALL = 4096
GROUP = "2 long COPYs at full speed"

#: With two copying threads on two cores a request waits for the interpreter now and then. A wait
#: for a worker would be thousands of times as long as the request.
MOST_TIMES_MEDIAN = 12
MOST_TIMES_P99 = 25


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    #: Files of the tree that is copied; long enough that both COPYs go on all the time.
    files: int
    #: MOVEs, and DELETEs, in each round.
    changes: int
    gets: int
    rounds: int


def measure(folder: Path, size: Size) -> Iterator[Figure]:
    """All figures with busy workers, each against idle in the same round."""
    with Davkeep(folder) as server, Connection(server) as probe:
        make_tree(server.share / "tree", size.files, 4096)
        (server.share / "small").write_bytes(b"x" * SMALL)
        idle, busy = _Samples(), _Samples()
        for _ in range(size.rounds):
            _sample(server, probe, size, idle)
            with _copying(server):
                _sample(server, probe, size, busy)
        yield from _compared("MOVE of a file", "median", idle.move, busy.move, 0.5)
        yield from _compared("DELETE of a file", "median", idle.delete, busy.delete, 0.5)
        yield from _compared("GET of 4 KiB", "99 %", idle.get, busy.get, 0.99)


class _Samples:
    """The seconds of every request, by round."""

    def __init__(self) -> None:
        self.move: list[list[float]] = []
        self.delete: list[list[float]] = []
        self.get: list[list[float]] = []


def _sample(server: Davkeep, probe: Connection, size: Size, samples: _Samples) -> None:
    for number in range(size.changes):
        (server.share / f"old-{number}").write_bytes(b"x")

    def move(number: int) -> Callable[[], None]:
        to = ("Destination", f"{server.url}new-{number}")
        head = request(server, "MOVE", f"/old-{number}", to)
        return lambda: probe.expect(201, head)

    def delete(number: int) -> Callable[[], None]:
        head = request(server, "DELETE", f"/new-{number}")
        return lambda: probe.expect(204, head)

    get = request(server, "GET", "/small")
    samples.move.append([timed(move(number)) for number in range(size.changes)])
    samples.delete.append([timed(delete(number)) for number in range(size.changes)])
    samples.get.append([timed(lambda: probe.expect(200, get)) for _ in range(size.gets)])


def _compared(
    what: str, name: str, idle: list[list[float]], busy: list[list[float]], part: float
) -> Iterator[Figure]:
    """The median of the rounds."""
    without = median([percentile(each, part) for each in idle])
    with_them = median([percentile(each, part) for each in busy])
    yield milliseconds(GROUP, f"{what}, idle, {name}", without)
    yield milliseconds(GROUP, f"{what}, {name}", with_them)
    most = MOST_TIMES_MEDIAN if part == 0.5 else MOST_TIMES_P99
    yield ratio(GROUP, f"{what}, {name}, against idle", with_them, without, most)


@contextmanager
def _copying(server: Davkeep) -> Iterator[None]:
    """Keep every worker copying, each time to another place."""
    numbers = itertools.count()
    try:
        with kept_busy(
            server, WORKERS, lambda _: copying(server, "/tree", f"/copy-{next(numbers)}"), (201,)
        ):
            yield
    finally:
        for copy in server.share.glob("copy-*"):
            throw_away(copy)


@contextmanager
def kept_busy(
    server: Server, clients: int, head: Callable[[int], bytes], statuses: Collection[int]
) -> Iterator[None]:
    """Have so many clients ask again and again: each answered request is followed by another one.

    ``head`` gives each client's next request, ``statuses`` are the answers that are right.
    """
    ended = threading.Event()
    failures: list[BaseException] = []

    def ask_on(number: int) -> None:
        try:
            while not ended.is_set():
                # A connection for each, since some servers close those that they kept open.
                with Connection(server) as connection:
                    status = connection.ask(head(number))
                assert status in statuses, f"{status} to {head(number)!r}"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask_on, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    # Until all have left their first moments, which the threads of their requests drive.
    ended.wait(0.5)
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not failures, failures
