"""What is measured besides the table: other works, of which most look at davkeep alone."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench import parked
from bench.measures import MIB, Figure
from bench.speed import fairness, growth
from bench.speed.site import Scale

#: Figures from a folder, for the peers named.
Further = Callable[[Path, Sequence[str], Scale], Iterable[Figure]]

#: MiB that the server may take while 10,000 operations wait: 200 MB.
MOST_MEMORY = 190


def _parked(folder: Path, peers: Sequence[str], scale: Scale) -> Iterable[Figure]:
    """Operations that wait, without the slow clients of the other benchmark."""
    # What holds the workers, at 4 MiB a second, has to outlast the arrival of all of them.
    held = max(scale.parked // 20, 64) * MIB
    size = parked.Size(scale.parked, held, slow=0, requests=scale.requests, memory=MOST_MEMORY)
    return parked.measure(folder, size)


#: By the name that ``--work`` has for them.
FURTHER: dict[str, Further] = {
    "fairness": fairness.measure,
    "growth": lambda folder, peers, scale: growth.measure(folder, scale),
    "start": lambda folder, peers, scale: growth.start(folder),
    "parked": _parked,
}
