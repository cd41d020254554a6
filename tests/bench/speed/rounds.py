"""The rounds: in each of them every peer has its turn at a work, while the others rest."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.measures import median
from bench.speed.folders import Copies, Folders
from bench.speed.listing import Listing
from bench.speed.peers import PEERS, SHARE
from bench.speed.site import Scale, Site
from bench.speed.transfers import Empty, Large, Small
from bench.speed.work import Work

#: By the name that ``--work`` has for them.
WORKS: dict[str, type[Work]] = {
    work.name: work for work in (Folders, Listing, Large, Small, Empty, Copies)
}


@dataclass
class Samples:
    """The seconds of every row and peer, by round, and what was found wrong."""

    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    lapses: dict[str, set[str]] = field(default_factory=dict)

    def add(self, peer: str, took: dict[str, float]) -> None:
        """Take down one turn."""
        for row, seconds in took.items():
            self.seconds.setdefault(row, {}).setdefault(peer, []).append(seconds)

    def medians(self, row: str) -> dict[str, float]:
        """By peer."""
        return {peer: median(each) for peer, each in self.seconds.get(row, {}).items()}

    def least(self, peer: str) -> dict[str, float]:
        """By row: the shortest time that a peer took."""
        return {row: min(each[peer]) for row, each in self.seconds.items() if peer in each}


def measure(
    folder: Path,
    works: Sequence[str],
    peers: Sequence[str],
    scale: Scale,
    rounds: int,
    is_disk: bool,
) -> Samples:
    """Do the works in ``folder``, with one round more that does not count."""
    samples = Samples()
    for name in works:
        work = WORKS[name](scale)
        able = [peer for peer in peers if not set(work.rows) <= PEERS[peer].skips]
        with started(folder, able, is_disk) as sites:
            for site in sites:
                work.prepare(site)
            for number in range(rounds + 1):
                _round(work, sites, number, samples)
        for site in sites:
            samples.lapses.setdefault(site.peer.name, set()).update(site.lapses)
    return samples


def _round(work: Work, sites: list[Site], number: int, samples: Samples) -> None:
    """Let each have its turn; another one begins each time."""
    first = number % max(len(sites), 1)
    for site in sites[first:] + sites[:first]:
        took = work.turn(site)
        if number:
            samples.add(site.peer.name, took)


@contextmanager
def started(folder: Path, peers: Sequence[str], is_disk: bool) -> Iterator[list[Site]]:
    """Start them, each over a share of its own."""
    with ExitStack() as opened:
        sites = []
        for name in peers:
            own = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=folder)))
            peer = PEERS[name]
            (own / SHARE).mkdir()
            peer.hand_over(own)
            sites.append(Site(peer, opened.enter_context(peer.start(own)), own, is_disk))
        yield sites
