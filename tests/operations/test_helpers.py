"""Helpers: threads that copy single members beside the thread that drives."""

import threading
from collections.abc import Iterator

import pytest

from davkeep.operations import Limits, Operation
from davkeep.operations.helpers import Helpers
from davkeep.operations.lanes import Lanes
from davkeep.trees.steps import Result, Steps

DEADLINE = 10.0


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    """Give three of them."""
    made = Helpers(3)
    yield made
    made.stop()


def test_answers_and_errors_go_to_who_waits(helpers: Helpers) -> None:
    """A call that raises, whatever that is, harms neither its thread nor another call."""

    def fails() -> None:
        raise KeyboardInterrupt

    futures = [helpers.submit(fails) for _ in range(9)]
    assert helpers.submit(lambda: 7).result(DEADLINE) == 7
    for future in futures:
        assert isinstance(future.exception(DEADLINE), KeyboardInterrupt)


def test_there_are_no_more_threads_than_agreed(helpers: Helpers) -> None:
    """They are started when they are needed, and what is too much waits."""
    assert helpers.count() == 0
    meeting = threading.Barrier(3)
    inside: set[int] = set()

    def meet() -> None:
        inside.add(threading.get_ident())
        meeting.wait(DEADLINE)

    for future in [helpers.submit(meet) for _ in range(9)]:
        future.result(DEADLINE)
    assert helpers.count() == len(inside) == 3


def test_what_was_taken_is_done_before_they_end(helpers: Helpers) -> None:
    """A stop loses no call that somebody waits for."""
    futures = [helpers.submit(lambda: 1) for _ in range(20)]
    helpers.stop()
    assert sum(future.result(DEADLINE) for future in futures) == 20


@pytest.mark.parametrize("limits", [None, Limits(members_per_second=10)])
def test_they_are_lent_to_work_that_waits_and_is_not_throttled(limits: Limits | None) -> None:
    """In memory one thread is faster, and a throttle looks at each member."""
    lanes = Lanes(limits=limits)
    operation = Operation(owner="ann", method="COPY", source="/a", created=0.0)

    def work(_: Operation) -> Steps:
        yield None
        return Result(created=True, complete=True)

    lanes.add(operation, work, lambda _: None, lambda: None)  # type: ignore[arg-type, return-value]
    assert operation.helpers() is None
    lanes._works[operation].gate.is_free = True
    assert (operation.helpers() is None) == (limits is not None)
    assert operation.cancel()
    lanes.stop(DEADLINE)
