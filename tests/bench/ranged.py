"""PUTs of one range that is all of the file, as `curl -T FILE -C -` sends them, against plain ones.

What such an upload costs more is that it could be gone on with.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.client import Connection, request
from bench.measures import Figure, median, ratio, timed
from bench.servers import Davkeep

#: Clients at the same time.
CLIENTS = 16
#: Bytes of each file.
SMALL = 4096
#: Agreed: ranged PUTs come at four fifths of the rate of plain ones, or faster.
MOST_TIMES = 1.25

#: Makes the head of a request that puts a file of that name.
Head = Callable[[Davkeep, str], bytes]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    #: PUTs of each client in each round.
    files: int
    rounds: int


def plain(server: Davkeep, name: str) -> bytes:
    """The head of a PUT."""
    return request(server, "PUT", f"/{name}", length=SMALL)


def whole_range(server: Davkeep, name: str) -> bytes:
    """The same as one range."""
    field = ("Content-Range", f"bytes 0-{SMALL - 1}/{SMALL}")
    return request(server, "PUT", f"/{name}", field, length=SMALL)


def measure(folder: Path, size: Size) -> Iterator[Figure]:
    """Both in turns, so that what else the machine does meets them alike."""
    group = f"PUT of {SMALL // 1024} KiB by {CLIENTS} clients, flushed"
    with Davkeep(folder, fsync=True) as server:
        seconds: dict[Head, list[float]] = {plain: [], whole_range: []}
        for number in range(size.rounds):
            for kind, head in enumerate(seconds):
                seconds[head].append(_round(server, head, f"{number}-{kind}", size.files))
        each = {head: median(rounds) / (CLIENTS * size.files) for head, rounds in seconds.items()}
    yield Figure(group, "plain", 1 / each[plain], "a second")
    yield Figure(group, "as one range", 1 / each[whole_range], "a second")
    yield ratio(group, "as one range, against plain", each[whole_range], each[plain], MOST_TIMES)


def _round(server: Davkeep, head: Head, name: str, files: int) -> float:
    """Seconds until every client has put so many files of its own."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        ask = partial(_put_all, server, head, name, files)
        return timed(lambda: list(pool.map(ask, range(CLIENTS))))


def _put_all(server: Davkeep, head: Head, name: str, files: int, client: int) -> None:
    with Connection(server) as connection:
        for number in range(files):
            content = head(server, f"{name}-{client}-{number}") + b"x" * SMALL
            connection.expect(201, content)
