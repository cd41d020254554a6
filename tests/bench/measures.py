"""What is measured: seconds of requests, memory of a process, and the figures of a report."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

MIB = 1024 * 1024


def percentile(seconds: Sequence[float], part: float) -> float:
    """The value that ``part`` of the samples do not exceed, by nearest rank."""
    return sorted(seconds)[max(math.ceil(part * len(seconds)), 1) - 1]


def timed(step: Callable[[], object]) -> float:
    """Seconds that ``step`` takes."""
    begun = perf_counter()
    step()
    return perf_counter() - begun


def median(values: Sequence[float]) -> float:
    """The middle one, so that what else the machine does in one round does not count."""
    return statistics.median(values)


def memory(pid: int, field: str = "VmRSS") -> float:
    """MiB of a process, from /proc/PID/status: VmRSS is now, VmHWM was the most so far."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / MIB
    raise LookupError(field)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    ``most`` is what it should not exceed. Only a figure that compares two things of the same run
    (``is_ratio``) makes a run fail; how fast a machine is tells nothing about a change.
    """

    group: str
    name: str
    value: float
    unit: str
    most: float | None = None
    is_ratio: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the value is within what was agreed."""
        return self.most is None or self.value <= self.most

    @property
    def verdict(self) -> str:
        """What the table says about it."""
        if self.most is None:
            return ""
        return "yes" if self.is_met else "**no**"


def ratio(group: str, name: str, value: float, base: float, most: float | None = None) -> Figure:
    """How many times ``base`` something takes."""
    return Figure(group, name, value / base, "times", most, is_ratio=True)


def milliseconds(group: str, name: str, seconds: float, most: float | None = None) -> Figure:
    """A latency; ``most`` in milliseconds as well."""
    return Figure(group, name, seconds * 1000, "ms", most)
