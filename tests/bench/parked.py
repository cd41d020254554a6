"""Thousands of COPYs that wait: what they cost, and what others notice of them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.client import Connection, copying, request
from bench.crowd import Crowd, make_room
from bench.measures import (
    MIB,
    Figure,
    median,
    memory,
    milliseconds,
    percentile,
    ratio,
    timed,
)
from bench.servers import Davkeep
from bench.trees import contents, make_file, make_tree
from davkeep.operations.lanes import SHORT_THREADS
from davkeep.server.pool import GROWTH_STEP
from harness.server import DEADLINE

#: The 99th percentile of a PROPFIND Depth: 0 then, in milliseconds.
MOST_LATENCY = 100
#: The same against an idle server of the same run, with room: what is compared is the worst of a
#: hundred requests of about a millisecond.
MOST_TIMES_IDLE = 20
#: Threads that may be started meanwhile: those of the short lane, when it is first used, and two
#: steps of the pool where other programs kept it from the processor. A quiet machine needs none.
MOST_THREADS = SHORT_THREADS + 2 * GROWTH_STEP
#: How often the latency is measured; the median counts.
ROUNDS = 3
#: Files of what each COPY copies: more than is done in one's first moments, which no throttle
#: slows down, so that each has begun, and has to wait for a worker.
FILES = 40
#: The throttle: it makes two long COPYs hold the workers, and costs the others little later. A
#: member takes 0.1 to 0.2 ms where the machine is slow; no COPY is to be done before it would rest.
LIMITS = {"max_bytes_per_second": 4 * MIB, "max_members_per_second": 2000}
#: Seconds between two interim responses, half of the default, so that the beat is part of it.
BEAT = {"interim": "always", "first_after": 1.0, "interval": 5.0}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    operations: int
    #: Bytes of what the two long COPYs copy, at 4 MiB a second each.
    held: int
    #: Clients that read, and as many that write, at 10 KB/s.
    slow: int
    requests: int
    #: MiB that the server may take with everybody waiting.
    memory: int = 150


def measure(folder: Path, size: Size) -> Iterator[Figure]:
    """All figures of a crowd of COPYs."""
    make_room(size.operations)
    with ExitStack() as opened:
        server = opened.enter_context(
            Davkeep(folder, keepalive=BEAT, operations={**LIMITS, "on_disconnect": "cancel"})
        )
        make_tree(server.share / "source", FILES, 64)
        make_file(server.share / "held", size.held)
        yield from _Measurement(server, size, opened).figures()


class _Measurement:
    """One server, and those who wait."""

    def __init__(self, server: Davkeep, size: Size, opened: ExitStack) -> None:
        self._server = server
        self._size = size
        self._group = f"{size.operations} parked COPYs"
        self._long = [opened.enter_context(Connection(server)) for _ in range(2)]
        self._probe = opened.enter_context(Connection(server))
        self._crowd = Crowd()
        opened.callback(self._crowd.close)

    def figures(self) -> Iterator[Figure]:
        """Idle, parked, with slow clients as well, and the results."""
        idle = self._latency()
        yield milliseconds(self._group, "PROPFIND Depth: 0, idle, 99 %", idle)
        self._hold_workers()
        threads, descriptors = self._server.threads, self._server.descriptors
        before = memory(self._server.pid)
        yield self._figure("memory before", before, "MiB")
        yield from self._admission()
        yield from self._while_parked("", idle, before, threads)
        each = (self._server.descriptors - descriptors) / self._size.operations
        yield self._figure("descriptors of each, its socket included", each, "")
        if self._size.slow:
            yield from self._beside_slow_clients(idle, before)
        yield from self._results()

    def _beside_slow_clients(self, idle: float, before: float) -> Iterator[Figure]:
        with self._slow_clients():
            with_slow = f" with {self._size.slow} slow readers and {self._size.slow} slow writers"
            yield from self._while_parked(with_slow, idle, before, None)

    def _hold_workers(self) -> None:
        for number, connection in enumerate(self._long):
            connection.socket.sendall(copying(self._server, "/held", f"/held-{number}"))
        for connection in self._long:
            connection.interim()

    def _admission(self) -> Iterator[Figure]:
        requests = [
            copying(self._server, "/source", f"/copy-{number}")
            for number in range(self._size.operations)
        ]
        begun = time.perf_counter()
        self._crowd.join(self._server, requests)
        parked = self._crowd.wait_until_parked()
        seconds = time.perf_counter() - begun
        yield self._figure("until all were admitted and had an interim response", seconds, "s")
        missing = self._size.operations - parked
        # A COPY whose members take long by themselves is not slowed down, and may be over at once.
        most = self._size.operations // 50
        yield Figure(self._group, "of these not parked", missing, "", most=most, is_ratio=True)

    def _while_parked(
        self, how: str, idle: float, before: float, threads: int | None
    ) -> Iterator[Figure]:
        latency = self._latency()
        name = f"PROPFIND Depth: 0{how}, 99 %"
        yield milliseconds(self._group, name, latency, MOST_LATENCY)
        yield ratio(self._group, f"{name}, against idle", latency, idle, MOST_TIMES_IDLE)
        most = memory(self._server.pid, "VmHWM")
        yield self._figure(f"memory at most{how}", most, "MiB", self._size.memory)
        if threads is None:
            yield self._figure(f"threads{how}", self._server.threads, "")
        else:
            grown = self._server.threads - threads
            yield self._figure("threads before", threads, "")
            yield Figure(self._group, "threads more", grown, "", most=MOST_THREADS, is_ratio=True)
            each = (memory(self._server.pid) - before) * 1024 / self._size.operations
            yield self._figure("memory of each", each, "KiB")

    def _latency(self) -> float:
        head = request(self._server, "PROPFIND", "/source", ("Depth", "0"))
        self._probe.expect(207, head)
        return median([self._round(head) for _ in range(ROUNDS)])

    def _round(self, head: bytes) -> float:
        samples = [timed(lambda: self._probe.expect(207, head)) for _ in range(self._size.requests)]
        return percentile(samples, 0.99)

    @contextmanager
    def _slow_clients(self) -> Iterator[None]:
        server, slow = self._server, str(self._size.slow)
        script = str(Path(__file__).with_name("slow.py"))
        command = [sys.executable, script, server.host, str(server.port), slow, slow, "/held"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield
            process.stdin.close()
            alive = int(process.stdout.readline())
            assert alive == 2 * self._size.slow, f"only {alive} slow clients were served"
        finally:
            process.kill()
            process.wait(DEADLINE)
            process.stdout.close()

    def _results(self) -> Iterator[Figure]:
        """Let the workers go on, and compare what came of it."""
        for connection in self._long:
            connection.reset()
        begun = time.perf_counter()
        statuses = self._crowd.wait_for_results()
        yield self._figure("until all have their 201", time.perf_counter() - begun, "s")
        source = contents(self._server.share / "source")
        wrong = sum(
            status != 201 or contents(self._server.share / f"copy-{number}") != source
            for number, status in enumerate(statuses)
        )
        yield Figure(self._group, "copies that differ", wrong, "", most=0, is_ratio=True)
        yield self._figure("memory afterwards", memory(self._server.pid), "MiB")

    def _figure(self, name: str, value: float, unit: str, most: float | None = None) -> Figure:
        return Figure(self._group, name, value, unit, most)
