import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.webhooks.retries import (
    LATE_SECONDS,
    LONGEST_PAUSE,
    REFUSED_SECONDS,
    Ages,
    Course,
    Verdict,
    lifetime,
    pause_after,
    verdict,
)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_a_delivery(status: int) -> None:
    """Receivers answer with the 2xx that they like."""
    assert verdict(status) is Verdict.DELIVERED


def test_gone_is_gone() -> None:
    """410 is final, by its definition."""
    assert verdict(410) is Verdict.GIVE_UP


@pytest.mark.parametrize("status", [None, 103, 301, 307, 400, 401, 404, 409, 429, 500, 503])
def test_everything_else_is_tried_again(status: int | None) -> None:
    """No answer, redirections and errors of either side may be over the next time."""
    assert verdict(status) is Verdict.AGAIN


def test_pauses_grow() -> None:
    """Each is four times as long as the one before, up to six hours."""
    pauses = [pause_after(failed, 1.0, 0.5) for failed in range(1, 12)]
    assert pauses == [1, 4, 16, 64, 256, 1024, 4096, 16384, 21600, 21600, 21600]


def test_twelve_attempts_take_a_day() -> None:
    """What the documentation says of the defaults."""
    assert sum(pause_after(failed, 1.0, 0.5) for failed in range(1, 12)) == pytest.approx(
        24 * 3600, rel=0.01
    )


def test_chance_moves_them_by_a_quarter() -> None:
    """Who failed together is not tried together."""
    assert [pause_after(2, 10.0, chance) for chance in (0.0, 0.5, 1.0)] == [30, 40, 50]


def test_a_receiver_may_ask_for_more_time() -> None:
    """Retry-After makes a pause longer, never shorter, and not longer than six hours."""
    assert pause_after(1, 1.0, 0.5, wished=30.0) == 30
    assert pause_after(4, 1.0, 0.5, wished=30.0) == 64
    assert pause_after(1, 1.0, 0.5, wished=1e9) == LONGEST_PAUSE


@given(
    st.integers(1, 100),
    st.floats(0.001, LONGEST_PAUSE),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1e9),
)
def test_a_pause_has_bounds(failed: int, first: float, chance: float, wished: float) -> None:
    """However often it failed, a pause is above nothing and at most six hours."""
    assert 0 < pause_after(failed, first, chance, wished) <= LONGEST_PAUSE


def test_one_is_tried_after_a_failure() -> None:
    """Up to sixteen are under way where all goes well, and one after a pause where not."""
    course = Course(1.0)
    windows = []
    for moment in range(6):
        windows.append(course.window)
        course.succeeded(float(moment))
    assert windows == [1, 2, 4, 8, 16, 16]
    assert course.failed(9.0, 10.0, 0.5) == 1.0
    assert (course.window, course.not_before) == (1, 11.0)


def test_failures_together_are_one() -> None:
    """What began before the receiver rested says nothing new of it, failure or success."""
    course = Course(1.0)
    for _ in range(5):
        assert course.failed(9.0, 10.0, 0.5) == 1.0
    course.succeeded(9.5)
    assert course.window == 1
    assert course.failed(11.0, 11.0, 0.5) == 4.0
    assert course.failed(15.0, 15.0, 0.5, wished=100.0) == 100.0


def test_a_success_forgets_failures() -> None:
    """The next failure has a short pause again."""
    course = Course(1.0)
    course.failed(0.0, 0.0, 0.5)
    course.failed(1.0, 1.0, 0.5)
    course.succeeded(5.0)
    assert course.failed(6.0, 6.0, 0.5) == 1.0


def test_a_receiver_that_takes_few_connections() -> None:
    """It gets no more than it bore, and after a while more are tried again."""
    course = Course(1.0)
    course.narrow(2, 100.0, LATE_SECONDS)
    course.narrow(3, 100.0, REFUSED_SECONDS)
    for _ in range(5):
        course.succeeded(101.0)
    assert course.window == 2
    for _ in range(5):
        course.succeeded(100.0 + LATE_SECONDS)
    assert course.window == 16


def test_a_receiver_that_was_wrongly_taken_for_one_of_few() -> None:
    """It gets as many as usual again, one success after the other."""
    course = Course(1.0)
    course.narrow(1, 100.0, LATE_SECONDS)
    course.succeeded(101.0)
    assert course.window == 1
    course.widen()
    for window in (2, 4, 8, 16, 16):
        course.succeeded(101.0)
        assert course.window == window


def test_what_waits_grows_old_by_what_passes() -> None:
    """An event is too old once it was known for that long; what came later is not."""
    ages = Ages(100.0)
    assert ages.over(1e9) == 0
    ages.note(0.0, 7)
    ages.note(1.0, 8)
    ages.note(60.0, 9)
    assert [ages.over(now) for now in (99.9, 100.0, 100.0, 160.0)] == [0, 7, 0, 9]
    for now in range(1000):
        ages.note(200.0 + now / 10, 10 + now)
    assert len(ages._marks) <= 51


def test_an_event_lives_as_long_as_its_attempts() -> None:
    """With the defaults a little more than a day; never less than an hour."""
    assert 24 * 3600 < lifetime(12, 1.0, 10.0) < 31 * 3600
    assert lifetime(2, 0.05, 1.0) == 3600
