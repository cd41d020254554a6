import pytest

from davkeep.operations.throttle import Limits, Pace, Throttle


def _drive(throttle: Throttle, costs: list[float], size: int = 0) -> list[float]:
    """Do members that take ``costs`` seconds; return the moments at which they began."""
    now, began = 100.0, []
    for number, cost in enumerate(costs):
        now += throttle.pause_after(now, number, number * size)
        throttle.resume(now)
        began.append(now - 100.0)
        now += cost
    return began


@pytest.mark.parametrize("bad", [0, -1])
def test_a_limit_is_positive(bad: float) -> None:
    """A limit at which nothing moves is refused at birth."""
    with pytest.raises(ValueError, match="limit"):
        Limits(members_per_second=bad)
    with pytest.raises(ValueError, match="limit"):
        Limits(bytes_per_second=bad)


def test_no_limit_no_pause() -> None:
    """Without limits nothing waits."""
    assert _drive(Throttle(Limits()), [0.0] * 4) == [0.0] * 4


def test_n_members_take_at_least_n_minus_one_intervals() -> None:
    """Members that cost nothing begin exactly 1/limit apart, without a burst at the start."""
    began = _drive(Throttle(Limits(members_per_second=4)), [0.0] * 5)
    assert began == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_time_that_a_member_takes_counts() -> None:
    """A member slower than the interval is followed at once, one that is faster is not."""
    began = _drive(Throttle(Limits(members_per_second=4)), [1.0, 0.125, 0.0, 0.0])
    assert began == [0.0, 1.0, 1.25, 1.5]


def test_a_slow_member_gives_no_credit() -> None:
    """After a member of 10 s the next ones go at the limit, not in a heap."""
    began = _drive(Throttle(Limits(members_per_second=2)), [10.0, 0.0, 0.0])
    assert began == [0.0, 10.0, 10.5]


def test_bytes_are_limited_likewise() -> None:
    """The next block begins when the last one's bytes are paid for."""
    began = _drive(Throttle(Limits(bytes_per_second=1000)), [0.0] * 3, size=500)
    assert began == [0.0, 0.5, 1.0]


def test_the_stricter_limit_holds() -> None:
    """With both limits the longer pause counts."""
    limits = Limits(members_per_second=4, bytes_per_second=1000)
    assert _drive(Throttle(limits), [0.0] * 3, size=500) == [0.0, 0.5, 1.0]
    assert _drive(Throttle(limits), [0.0] * 3, size=125) == [0.0, 0.25, 0.5]


def test_a_pause_that_was_cut_short_goes_on() -> None:
    """Asking again before the time is up gives what is left of it."""
    pace = Pace(1.0)
    assert pace.pause_after(0.0, 0) == 0.0
    pace.resume(0.0)
    assert pace.pause_after(0.0, 1) == 1.0
    assert pace.pause_after(0.75, 1) == 0.25
    assert pace.pause_after(2.0, 1) == 0.0


def test_blocks_of_one_member_do_not_wait() -> None:
    """A checkpoint without a finished member costs nothing and moves nothing."""
    pace = Pace(1.0)
    pace.pause_after(0.0, 0)
    pace.resume(0.0)
    for now in (0.25, 0.5, 0.75):
        assert pace.pause_after(now, 0) == 0.0
        pace.resume(now)
    assert pace.pause_after(0.75, 1) == 0.25


def test_time_in_a_line_gives_no_credit() -> None:
    """Work that was due long ago begins one member when it is resumed, not two."""
    pace = Pace(1.0)
    pace.pause_after(0.0, 0)
    pace.resume(0.0)
    assert pace.pause_after(50.0, 1) == 0.0
    pace.resume(50.0)
    assert pace.pause_after(50.0, 2) == 1.0


def test_what_comes_before_bulk_work_costs_nothing() -> None:
    """Members counted before the first bulk step are neither paid for nor a credit."""
    pace = Pace(1.0)
    pace.rest()
    assert pace.pause_after(30.0, 5) == 0.0
    pace.resume(30.0)
    assert pace.pause_after(30.0, 6) == 1.0


def test_being_woken_late_costs_nothing() -> None:
    """A pause that lasted too long by less than an interval does not delay what comes later."""
    pace = Pace(10.0)
    pace.pause_after(0.0, 0)
    pace.resume(0.0)
    for number in range(1, 5):
        assert pace.pause_after(number / 10 - 0.05, number) == pytest.approx(0.05)
        pace.resume(number / 10 + 0.04)
    assert pace.pause_after(0.5, 5) == 0.0


def test_being_woken_much_too_late_makes_no_burst() -> None:
    """Of a pause that lasted long, one interval is made up for."""
    pace = Pace(10.0)
    pace.pause_after(0.0, 0)
    pace.resume(0.0)
    assert pace.pause_after(0.0, 1) > 0
    pace.resume(5.0)
    assert pace.pause_after(5.0, 2) == 0.0
    pace.resume(5.0)
    assert pace.pause_after(5.0, 3) == pytest.approx(0.1)
