"""Fairness: what a small GET notices of many COPYs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

from bench.busy import kept_busy
from bench.client import copying, request
from bench.measures import Figure, median, milliseconds, percentile, timed
from bench.speed.peers import PEERS
from bench.speed.rounds import started
from bench.speed.site import DONE, Scale, Site
from bench.trees import make_tree

#: The 99th percentile may be this many times the idle one, and so many milliseconds.
MOST_TIMES, MOST_LATENCY = 5, 20
#: Seconds of one round; a server whose threads all copy answers a few requests in it.
PATIENCE = 15
#: The percentiles that are told.
PARTS = {"50 %": 0.50, "99 %": 0.99}


def measure(folder: Path, peers: Sequence[str], scale: Scale) -> Iterator[Figure]:
    """Idle and busy in turn, for each peer that is a server; medians of the rounds."""
    group = f"GET of 4 KiB, idle and beside {scale.copies} COPYs of {scale.copied:,} files"
    for name in peers:
        if PEERS[name].is_server:
            yield from _of_peer(folder, name, scale, group)


def _of_peer(folder: Path, name: str, scale: Scale, group: str) -> Iterator[Figure]:
    with started(folder, [name], is_disk=False) as (site,):
        site.make("tree", lambda top: make_tree(top, scale.copied, scale.small))
        site.make("small.bin", lambda file: file.write_bytes(b"x" * scale.small))
        idle, busy = [], []
        for _ in range(3):
            idle.append(_samples(site, scale))
            with kept_busy(site.server, scale.copies, lambda n: _copying(site, n), DONE):
                busy.append(_samples(site, scale))
    is_judged = name == "davkeep"
    for part, share in PARTS.items():
        without = median([percentile(each, share) for each in idle])
        beside = median([percentile(each, share) for each in busy])
        title = f"{PEERS[name].title}, {part}"
        yield milliseconds(group, f"{title}, idle", without)
        is_last = is_judged and part == "99 %"
        yield milliseconds(group, f"{title}, busy", beside, MOST_LATENCY if is_last else None)
        most = MOST_TIMES if is_last else None
        yield Figure(group, f"{title}, busy against idle", beside / without, "times", most)


def _copying(site: Site, number: int) -> bytes:
    """Each client's COPY goes to the same place again, which costs a purge as well."""
    return copying(site.server, "/tree/", f"/copy-{number}/")


def _samples(site: Site, scale: Scale) -> list[float]:
    """So many, or as many as there is time for."""
    head = request(site.server, "GET", "/small.bin")
    samples: list[float] = []
    with site.connect() as probe:
        until = perf_counter() + PATIENCE
        while len(samples) < scale.requests and perf_counter() < until:
            samples.append(timed(lambda: probe.expect(200, head)))
    return samples
