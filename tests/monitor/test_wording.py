"""What people are told of numbers and states. That scripts say the same is tested in a browser."""

from typing import Any

import pytest

from davkeep.monitor import wording
from davkeep.monitor.html import BLANK


def told(**given: Any) -> dict[str, Any]:
    """What is told of an operation."""
    return {**BLANK, "state": "running", **given}


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_999, "99.9 kB"),
        (999_999, "999 kB"),
        (1_234_567_890, "1.2 GB"),
        (10**21, "1000 EB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    """In decimal units, rounded down, so that the last byte is not there before it is."""
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "a few seconds left"),
        (12, "about 10 seconds left"),
        (54.9, "about 55 seconds left"),
        (55, "about a minute left"),
        (150, "about 3 minutes left"),
        (3600, "about 1 h left"),
        (7500, "about 2 h 5 min left"),
        (100_000, "about a day left"),
        (10 * 86400, "about 10 days left"),
    ],
)
def test_what_remains(seconds: float, text: str) -> None:
    """No more exactly than it can be known."""
    assert wording.remaining(seconds) == text


def test_counting() -> None:
    """While a total is unknown there is no share, and that it is counted is said."""
    each = told(members_done=5, bytes_done=2000, members_per_second=2.5)
    assert wording.fraction(each) is None
    assert wording.percent(each) == ""
    assert wording.counts(each) == "5 members · 2.0 kB so far"
    assert wording.pace(each) == "2.5 members/s · counting…"


def test_on_the_way() -> None:
    """Members and bytes, the rate and what remains."""
    each = told(
        members_done=5,
        members_total=10,
        bytes_done=2000,
        bytes_total=4000,
        members_per_second=1.0,
        bytes_per_second=400,
        estimatedSeconds=20.0,
    )
    assert wording.percent(each) == "50%"
    assert wording.counts(each) == "5 of 10 members · 2.0 kB of 4.0 kB"
    assert wording.pace(each) == "400 bytes/s · about 20 seconds left"
    assert wording.pace({**each, "members_per_second": 0.0, "bytes_per_second": 0}) == wording.STILL


def test_nearly_done() -> None:
    """99 % is not all; and all is not yet the end, for it is still put in place."""
    each = told(members_done=999, members_total=1000, bytes_total=0, members_per_second=5.0)
    assert wording.percent(each) == "99%"
    assert wording.pace({**each, "members_done": 1000}) == "finishing…"


def test_ends() -> None:
    """How it went, how long it took, and why not."""
    times = {"created": "2026-11-21T08:00:00.900Z", "ended": "2026-11-21T09:02:03.100Z"}
    done = told(state="succeeded", status=201, members_done=3, explanation="", **times)
    assert wording.counts(done) == "3 members · took 1 h 2 min"
    assert wording.result(done) == ""
    assert wording.result({**done, "left_behind": True}) == wording.LEFT_BEHIND
    failed = {**done, "state": "failed", "status": 507, "explanation": "The disk is full."}
    assert wording.result(failed) == "The disk is full. (HTTP 507)"
    part = {**failed, "status": 207, "errors_total": 1}
    assert (wording.state(part), wording.result(part)) == (
        "Failed in part",
        "1 member failed (HTTP 207).",
    )
    cancelled = {**done, "state": "cancelled", "status": 409, "explanation": wording.CANCELLED}
    assert (wording.counts(cancelled), wording.result(cancelled)) == ("", "")


def test_every_method_says_what_a_cancel_does() -> None:
    """Before it is done."""
    assert wording.CONSEQUENCES.keys() == wording.METHODS.keys()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (900, "15 minutes"),
        (3600, "1 hour"),
        (86400, "24 hours"),
    ],
)
def test_configured_spans(seconds: float, text: str) -> None:
    """In the unit that people would use."""
    assert wording.span(seconds) == text
