"""The experiments of `davkeep probe`: which ones, and in which order.

How a probe is asked for is an argument, so that the order can be tested without a network.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from davkeep.client.documents import parsed
from davkeep.client.wire import Heard

#: Numbers of interim responses at which something is known to break: Go's 5 and Apache's 9.
STEPS = (5, 6, 9, 10, 50, 100)

#: How much longer than the named patience an answer is kept back.
BEYOND = 1.5

#: Interim responses in that time: so many that none of the silences between is longer than a
#: third of the patience, and not more than Caddy bears.
BEATS = 4


@dataclass(frozen=True)
class Trial:
    """One request for a number of interim responses, and what came back."""

    count: int
    seconds: float
    heard: Heard

    @cached_property
    def report(self) -> dict[str, Any] | None:
        """What the server says that it saw; None if no such answer came."""
        found = parsed(self.heard) if self.heard.status == 200 else None
        return found if isinstance(found, dict) and found.get("probe") == 1 else None

    @property
    def passed(self) -> bool:
        """Whether the server's own final response arrived."""
        return self.report is not None

    @property
    def arrived(self) -> int:
        """How many 102 arrived."""
        return sum(each.status == 102 for each in self.heard.interims)


Ask = Callable[[int, float], Trial]


@dataclass
class Findings:
    """What was tried, and what it showed."""

    #: Without an interim response; it has passed.
    control: Trial
    trials: list[Trial] = field(default_factory=list)
    #: The most interim responses with which the final one arrived.
    passed: int = 0
    #: The fewest with which it did not; None: none failed.
    failed: int | None = None
    #: The patience that was asked about, in seconds.
    patience: float | None = None
    #: Whether a silence longer than it passed, and whether interim responses made the same time
    #: pass; None: not tried.
    silence_passed: bool | None = None
    renewed: bool | None = None

    @property
    def one(self) -> Trial:
        """The first with an interim response."""
        return self.trials[0]


def run(ask: Ask, control: Trial, most: int, seconds: float, patience: float | None) -> Findings:
    """Try one, then more, up to `most` interim responses, each time within `seconds`.

    With a `patience`, the proxy's timeout in seconds, also a silence that is longer.
    """
    findings = Findings(control)

    def tried(count: int, lasting: float) -> Trial:
        trial = ask(count, lasting)
        findings.trials.append(trial)
        return trial

    if tried(1, seconds).passed:
        findings.passed = 1
        if findings.one.arrived:
            _grow(tried, findings, most, seconds)
    else:
        findings.failed = 1
    if patience is not None:
        findings.patience = patience
        _outlast(tried, findings, patience)
    return findings


def _grow(tried: Ask, findings: Findings, most: int, seconds: float) -> None:
    for count in sorted({*(step for step in STEPS if step < most), most} - {0, 1}):
        if not tried(count, seconds).passed:
            findings.failed = count
            break
        findings.passed = count
    while findings.failed is not None and findings.failed - findings.passed > 1:
        middle = (findings.passed + findings.failed) // 2
        if tried(middle, seconds).passed:
            findings.passed = middle
        else:
            findings.failed = middle


def _outlast(tried: Ask, findings: Findings, patience: float) -> None:
    findings.silence_passed = tried(0, patience * BEYOND).passed
    beats = min(BEATS, findings.passed)
    if not findings.silence_passed and findings.one.arrived and beats:
        findings.renewed = tried(beats, patience * BEYOND).passed
