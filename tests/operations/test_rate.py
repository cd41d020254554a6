"""How fast an operation is going, and how long the rest will take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.operations import Limits, Operation, Outcome, Rate, State
from davkeep.operations.rate import (
    MEMBER_COST,
    MEMORY,
    NO_RATE,
    SAMPLE_EVERY,
    SILENCE,
    RecentRate,
    estimated_seconds,
)
from davkeep.words.progress import Progress

#: Seconds between two looks of a driver, from one step of small files to a slow block.
STEPS = st.lists(st.floats(min_value=0.001, max_value=5.0), min_size=20, max_size=200)
RATES = st.integers(min_value=1, max_value=10**6)


class Driven:
    """Work whose time passes step by step, with its samples."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.members = 0.0
        self.bytes = 0.0
        self.recent = RecentRate()
        self._take()

    def go(self, seconds: float, members: float = 0.0, size: float = 0.0) -> None:
        """Go on for so long at so many members and bytes a second."""
        self.now += seconds
        self.members += members * seconds
        self.bytes += size * seconds
        self._take()

    def _take(self) -> None:
        # Whole units would only add their rounding to what is tested.
        self.recent.sample(self.now, self.members, self.bytes)  # type: ignore[arg-type]

    @property
    def rate(self) -> Rate:
        """The rate at this moment."""
        return self.recent.at(self.now, self.members, self.bytes)  # type: ignore[arg-type]


@given(
    steps=st.lists(
        st.tuples(
            st.floats(min_value=0.0, max_value=1000.0),
            st.integers(min_value=0, max_value=10**6),
            st.integers(min_value=0, max_value=10**12),
        ),
        max_size=50,
    )
)
def test_it_is_never_negative_and_never_beyond_what_was_seen(
    steps: list[tuple[float, int, int]],
) -> None:
    """Whatever happens when, the rate lies between nothing and all of it within one sample."""
    driven = RecentRate()
    now, members, size = 0.0, 0, 0
    driven.sample(now, members, size)
    for seconds, more_members, more_bytes in steps:
        now, members, size = now + seconds, members + more_members, size + more_bytes
        driven.sample(now, members, size)
        rate = driven.at(now, members, size)
        assert 0 <= rate.members <= members / SAMPLE_EVERY * 1.001
        assert 0 <= rate.bytes <= size / SAMPLE_EVERY * 1.001


@given(steps=STEPS, members=RATES, size=RATES)
def test_a_constant_rate_is_told_as_it_is(steps: list[float], members: int, size: int) -> None:
    """However irregular the samples are, a constant rate is found from the first one on."""
    driven = Driven()
    driven.go(SAMPLE_EVERY, members, size)
    for seconds in steps:
        driven.go(seconds, members, size)
        assert driven.rate == pytest.approx(Rate(members, size), rel=1e-6)


@given(steps=STEPS, before=RATES, after=RATES)
def test_a_changed_rate_is_followed(steps: list[float], before: int, after: int) -> None:
    """Three times the memory later, 95 % of the change has arrived; it never overshoots."""
    driven = Driven()
    driven.go(100.0, before)
    began = driven.now
    for seconds in [*steps, 3 * MEMORY + SAMPLE_EVERY]:
        driven.go(seconds, after)
        low, high = sorted((before, after))
        assert low * (1 - 1e-6) <= driven.rate.members <= high * (1 + 1e-6)
    assert driven.now - began >= 3 * MEMORY
    assert abs(driven.rate.members - after) <= 0.05 * abs(before - after) + 1e-6 * high


@given(run=st.floats(min_value=0.1, max_value=2.0), wait=st.floats(min_value=0.1, max_value=2.0))
def test_waiting_for_a_turn_is_in_it(run: float, wait: float) -> None:
    """Work that runs for a while and waits for a while has the rate of both together."""
    driven = Driven()
    while driven.now < 1060.0:
        driven.go(run, 100.0)
        driven.go(wait)
    mean = 100.0 * run / (run + wait)
    assert driven.rate.members == pytest.approx(mean, rel=(run + wait) / MEMORY)


def test_a_scan_before_the_work_is_left_out() -> None:
    """Seconds in which nothing could be done yet do not slow the rate down."""
    driven = Driven()
    for _ in range(100):
        driven.go(0.3)
    driven.go(0.25, 400.0)
    assert driven.rate.members == pytest.approx(400.0)


def test_what_was_done_before_does_not_count() -> None:
    """An upload that had arrived when its commit began was not done in no time."""
    recent = RecentRate()
    recent.sample(10.0, 0, 10**9)
    assert recent.at(11.0, 0, 10**9) == NO_RATE
    assert recent.at(11.0, 0, 10**9 + 50) == Rate(0.0, 50.0)


def test_asking_changes_nothing() -> None:
    """Between two samples the rate falls as time passes, and asking leaves no trace."""
    driven = Driven()
    driven.go(10.0, 100.0)
    asked = [driven.recent.at(driven.now + later, 1000, 0).members for later in (0, 1, 2, 5)]
    assert asked == sorted(asked, reverse=True)
    assert driven.rate.members == pytest.approx(100.0)


def test_what_stands_still_has_no_rate() -> None:
    """After a silence nothing is said, rather than a time that grows without end."""
    driven = Driven()
    driven.go(10.0, 100.0)
    driven.now += SILENCE - 1
    assert driven.rate.members > 0
    driven.now += 1
    assert driven.rate == NO_RATE


@pytest.mark.parametrize("progress", [Progress(1, 1), Progress(1, 1, 5, None)])
def test_nothing_is_estimated_while_it_is_counted(progress: Progress) -> None:
    """Without both totals nobody knows how much is left."""
    assert estimated_seconds(progress, Rate(1.0, 1.0), Limits()) is None


def test_nothing_is_estimated_while_nothing_moves() -> None:
    """What stands may stand for ever."""
    assert estimated_seconds(Progress(1, 1, 5, 5), NO_RATE, Limits()) is None


def test_nothing_left_takes_no_time() -> None:
    """Flushing is not in it."""
    assert estimated_seconds(Progress(5, 5, 5, 5), Rate(1.0, 1.0), Limits()) == 0.0


@pytest.mark.parametrize("each", [0, 4096, 10**8])
def test_equal_files_take_equal_times(each: int) -> None:
    """Of files that are all alike, and of collections in a DELETE, the estimate is exact."""
    progress = Progress(100, 100 * each, 1000, 1000 * each)
    assert estimated_seconds(progress, Rate(10.0, 10.0 * each), Limits()) == pytest.approx(90.0)


def test_one_large_file_goes_by_its_bytes() -> None:
    """No member is done until it is over; its bytes tell."""
    progress = Progress(0, 10**9, 1, 10**10)
    told = estimated_seconds(progress, Rate(0.0, 10**8), Limits())
    assert told == pytest.approx(90.0, rel=0.001)


def test_large_files_tell_of_the_small_ones_that_follow() -> None:
    """Many small files after a few large ones are neither nothing nor hours."""
    left = 100_000
    progress = Progress(10, 10**10, 10 + left, 10**10 + left * 4096)
    told = estimated_seconds(progress, Rate(0.1, 10**9), Limits())
    assert told == pytest.approx(left * (MEMBER_COST + 4096) / 10**9, rel=0.01)


def test_a_limit_is_kept() -> None:
    """A throttle that has not been felt yet will be."""
    progress = Progress(0, 0, 1000, 10**6)
    assert estimated_seconds(progress, Rate(10**6, 10**9), Limits(10.0, None)) == 100.0
    assert estimated_seconds(progress, Rate(10**6, 10**9), Limits(None, 1000.0)) == 1000.0


def test_only_what_runs_has_a_rate() -> None:
    """A pending operation has none, and one that is over has none any more."""
    operation = Operation(owner="ann", method="COPY", source="/a", created=0.0)
    operation.progress.members_total, operation.progress.bytes_total = 100, 0
    operation.recent.sample(0.0, 0, 0)
    operation.progress.members_done = 50
    assert (operation.rate(1.0), operation.estimated_seconds(1.0)) == (NO_RATE, None)
    operation.begin()
    assert operation.rate(1.0) == Rate(50.0, 0.0)
    assert operation.estimated_seconds(1.0) == 1.0
    operation.end(State.FAILED, Outcome(500))
    assert (operation.rate(1.0), operation.estimated_seconds(1.0)) == (NO_RATE, None)
