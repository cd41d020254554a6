"""How many operations may wait after they have begun."""

from collections.abc import Callable
from typing import Any

import pytest

from davkeep.operations import Operation, Outcome, State, most_begun
from davkeep.operations.crowd import DESCRIPTORS_EACH, MOST_BEGUN
from davkeep.operations.lanes import Lanes
from davkeep.trees.descent import OPEN_LEVELS
from davkeep.trees.steps import Lane, Result, Steps

DEADLINE = 10.0
DONE = Result(created=True, complete=True)


def _copy(_: Operation) -> Steps:
    yield Lane.LONG
    yield None
    return DONE


class Crowd:
    """Lanes whose only worker is busy, and in which one operation that has begun may wait."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.gate = bench.busy()
        self.begun = bench.queue(_copy)

    def admit(self, *, is_bulk: Callable[[], bool], start: Any = _copy) -> Operation:
        """Admit one more, and have it driven by the thread of its request."""
        operation = Operation(owner="ann", method="COPY", source="/b", created=0.0)
        self.bench.lanes.add(operation, start, lambda _: Outcome(201), lambda _: None, is_bulk)
        self.bench.lanes.drive_inline(operation, 0.25)
        return operation


@pytest.fixture
def crowd(bench: Any) -> Crowd:
    """Give lanes that are crowded."""
    bench.lanes._most_begun = 1
    return Crowd(bench)


@pytest.mark.parametrize(
    ("descriptors", "expected"),
    [(1024, 9), (20_000, 181), (1_048_576, MOST_BEGUN), (-1, MOST_BEGUN), (16, 1)],
)
def test_half_of_the_descriptors_are_for_those_that_wait(descriptors: int, expected: int) -> None:
    """The number follows the limit of descriptors, is never 0, and has an end."""
    assert most_begun(descriptors) == expected


def test_the_descriptors_of_each_cover_two_descents() -> None:
    """What the number rests on: both descents, their parents and roots, and what is open there."""
    assert DESCRIPTORS_EACH == 2 * OPEN_LEVELS + 2 + 2 + 1 + 2


def test_bulk_work_in_a_crowd_waits_unbegun(crowd: Crowd) -> None:
    """It is pending, holds nothing, and is done when a worker comes to it."""
    late = crowd.admit(is_bulk=lambda: True)
    assert late.state is State.PENDING
    counts = crowd.bench.lanes.counts()
    assert (counts.long_waiting, counts.begun_waiting) == (2, 1)
    crowd.gate.opened.set()
    assert crowd.begun.wait(DEADLINE) == Outcome(201)
    assert late.wait(DEADLINE) == Outcome(201)
    assert crowd.bench.lanes.counts().begun_waiting == 0


def test_short_work_in_a_crowd_begins_at_once(crowd: Crowd) -> None:
    """Nothing short waits for something long, however many wait."""

    def rename(_: Operation) -> Steps:
        yield None
        return DONE

    assert crowd.admit(is_bulk=lambda: False, start=rename).outcome == Outcome(201)


def test_without_a_crowd_nobody_looks(bench: Any) -> None:
    """The look costs something, so it is taken only where it matters."""

    def look() -> bool:
        raise AssertionError("looked")

    operation = Operation(owner="ann", method="COPY", source="/b", created=0.0)
    bench.lanes.add(operation, _copy, lambda _: Outcome(201), lambda _: None, look)
    bench.lanes.drive_inline(operation, 0.25)
    assert operation.outcome == Outcome(201)


def test_a_cancelled_one_makes_room(crowd: Crowd) -> None:
    """What leaves its line before its turn does not count as waiting any more."""
    assert crowd.begun.cancel()
    crowd.begun.wait(DEADLINE)
    assert crowd.bench.lanes.counts().begun_waiting == 0
    assert crowd.admit(is_bulk=lambda: True).outcome == Outcome(201)


def test_one_that_waits_unbegun_is_cancelled_at_once(crowd: Crowd) -> None:
    """Nothing has to be undone."""
    late = crowd.admit(is_bulk=lambda: True)
    assert late.cancel()
    assert late.state is State.CANCELLED


def test_one_that_waits_unbegun_is_interrupted_by_a_stop(crowd: Crowd) -> None:
    """It never began, so nothing of it is left to recovery."""
    late = crowd.admit(is_bulk=lambda: True)
    lanes: Lanes = crowd.bench.lanes
    crowd.gate.opened.set()
    lanes.stop(DEADLINE)
    assert late.state in (State.INTERRUPTED, State.SUCCEEDED)
