"""Webhooks whose receivers refuse every connection: small PUTs must not notice them."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.client import Connection, request
from bench.measures import Figure, median, ratio, timed
from bench.servers import Davkeep, Server
from harness.ports import LOOPBACK, refusing_ports

GROUP = "webhooks that are refused"
CLIENTS = 4
CONTENT = b"x" * 1024
#: What was agreed: PUTs at least 0.85 times as fast as without. Few rounds need more room.
MOST_TIMES = 1 / 0.85
MOST_TIMES_IN_SHORT = 1.5


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    #: PUTs altogether, to each server.
    puts: int
    #: In which the servers take turns, so what else the machine does meets all.
    rounds: int
    most_times: float = MOST_TIMES


def measure(folder: Path, size: Size) -> Iterator[Figure]:
    """PUTs beside one and ten receivers that refuse, each against none in the same round."""
    counts = (0, 1, 10)
    with ExitStack() as opened:
        ports = opened.enter_context(refusing_ports(max(counts)))
        servers = [
            opened.enter_context(Davkeep(folder / str(count), webhooks=_told(ports[:count])))
            for count in counts
        ]
        seconds: list[list[float]] = [[] for _ in servers]
        share = size.puts // size.rounds
        for number in range(size.rounds):
            # A server that is always the first of a round would always be measured in its place.
            for place in ((number + each) % len(servers) for each in range(len(servers))):
                seconds[place].append(timed(partial(_put, servers[place], number, share)))
    none, *told = (median(each) for each in seconds)
    yield Figure(GROUP, "PUTs of 1 KiB a second, none", share / none, "")
    for count, taken in zip(counts[1:], told, strict=True):
        yield ratio(
            GROUP, f"PUTs of 1 KiB, {count} refused, against none", taken, none, size.most_times
        )


def _told(ports: list[int]) -> list[dict[str, str]]:
    return [{"url": f"http://{LOOPBACK}:{port}/{port}", "secret": "told"} for port in ports]


def _put(server: Server, number: int, count: int) -> None:
    """Have so many files made by all clients together."""

    def make(client: int) -> None:
        with Connection(server) as connection:
            for each in range(count // CLIENTS):
                name = f"/{number}-{client}-{each}"
                head = request(server, "PUT", name, length=len(CONTENT))
                connection.expect(201, head + CONTENT)

    threads = [threading.Thread(target=make, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
