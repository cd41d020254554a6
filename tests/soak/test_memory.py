"""Six clients whose requests and departures are mixed, and how much memory the server takes.

    pytest tests/soak/test_memory.py --memory-seconds 3600 --timeout 4000

is the long form, in which 10,000 results are kept.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from statistics import median

import pytest

from harness.disks import folder_in_memory
from harness.server import RunningServer
from harness.visits import KINDS, SETTINGS, Guest, furnish, pay, requests

CLIENTS = 6
#: Seconds from which on 10,000 results come in the first third, after which memory is to level off.
LONG = 1800
#: Seconds from which on results are kept; in less there would be more of them all the time.
FILLING = 120
#: By which part of itself resident memory may grow in the last third, in the long form and before.
GROWTH, GROWTH_AT_FIRST = 0.02, 0.15
#: Seconds that results are kept then, and else.
KEPT, KEPT_FOR_A_MOMENT = 3600, 1
#: How often memory is looked at.
SAMPLES = 300


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """How long it lasts."""
    given: float = request.config.getoption("--memory-seconds")
    return given


@pytest.fixture
def server(seconds: float) -> Iterator[RunningServer]:
    """A server for visits."""
    kept = KEPT if seconds >= FILLING else KEPT_FOR_A_MOMENT
    operations = {**SETTINGS["operations"], "keep_results": kept}
    # So many threads that the pool need not grow.
    config = {
        "server_args": {"numthreads": 4 * CLIENTS},
        "davkeep": {**SETTINGS, "operations": operations},
    }
    with folder_in_memory() as folder:
        (folder / "root").mkdir()
        furnish(folder / "root")
        running = RunningServer(folder, folder / "root", config)
        yield running
        running.close()
        assert "Traceback" not in running.log


def _resident(server: RunningServer) -> float:
    """MiB of memory that the process takes."""
    lines = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("Rss:")]
    return int(line.split()[1]) / 1024


def _visit(guest: Guest, is_over: threading.Event) -> int:
    """Pay visits until it is over; most of them are ordinary requests."""
    mixed = [*KINDS, *[requests] * len(KINDS)]
    try:
        while not is_over.is_set():
            pay(guest, guest.dice.choice(mixed))
    finally:
        is_over.set()
    return guest.visits


def _watch(server: RunningServer, seconds: float, is_over: threading.Event) -> list[float]:
    """Look at the memory again and again until it is over."""
    began = time.monotonic()
    seen = []
    for _ in takewhile(lambda _: time.monotonic() - began < seconds, range(2 * SAMPLES)):
        seen.append(_resident(server))
        if is_over.wait(seconds / SAMPLES):
            break
    is_over.set()
    return seen


def test_memory_levels_off(server: RunningServer, seconds: float, figures: Counter[str]) -> None:
    """In the last third of the time resident memory hardly grows any more."""
    guests = [Guest(server.host, server.port, number) for number in range(CLIENTS)]
    is_over = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as together:
        visiting = [together.submit(_visit, guest, is_over) for guest in guests]
        seen = _watch(server, seconds, is_over)
        visits = sum(each.result() for each in visiting)
    tenth = max(1, len(seen) // 30)
    # A sample may meet a moment in which much is under way, so some are taken together.
    marks = [median(seen[max(0, at - tenth) : at]) for at in _thirds(len(seen))]
    figures["visits (memory)"] += visits
    figures["seconds of visits (memory)"] += round(seconds)
    for name, mark in zip(("one third", "two thirds", "the end"), marks, strict=True):
        figures[f"MiB resident at {name} (memory)"] += round(mark)
    most = GROWTH if seconds >= LONG else GROWTH_AT_FIRST
    assert marks[2] <= marks[1] * (1 + most), seen


def _thirds(number: int) -> list[int]:
    return [max(1, number // 3), max(1, 2 * number // 3), number]
