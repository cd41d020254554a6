"""The judge: davkeep against stock WsgiDAV in one run, for every change that is to be taken."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.measures import Figure, ratio
from bench.speed.rounds import WORKS, measure
from bench.speed.rows import rows
from bench.speed.site import QUICK

#: By row, what part of stock WsgiDAV's time davkeep may take at most: about twice what it takes,
#: for a run is short and machines are noisy. Where davkeep gets faster, lower it.
AGREED = {
    "copy": 0.35,
    "copy over": 0.35,
    "move": 0.1,
    "delete": 0.2,
    "out of sight": 0.05,
    "infinity": 0.2,
    "allprop": 0.2,
    "named": 0.2,
    "put": 0.8,
    "get": 0.7,
    "puts": 1.6,
    "gets": 0.9,
    "deletes": 1.6,
    "options": 0.8,
    "empty": 0.8,
    "copies": 0.15,
}
GROUP = "davkeep against stock WsgiDAV"


def judged(
    davkeep: Mapping[str, float], stock: Mapping[str, float], agreed: Mapping[str, float]
) -> Iterator[Figure]:
    """A figure for each row that was agreed upon, from the seconds by row.

    A row that was not measured raises KeyError: what is not looked at is not in order.
    """
    titles = {row.key: row.title for row in rows(QUICK)}
    for key, most in agreed.items():
        yield ratio(GROUP, titles[key], davkeep[key], stock[key], most)


def compare(folder: Path, rounds: int = 4) -> Iterator[Figure]:
    """Measure both and judge by the best round of each, with which others interfered least."""
    samples = measure(folder, list(WORKS), ["davkeep", "stock"], QUICK, rounds, is_disk=False)
    yield from judged(samples.least("davkeep"), samples.least("stock"), AGREED)
