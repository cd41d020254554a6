"""The gate: bulk work that keeps a processor busy goes one at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from davkeep.operations.gate import BUSY, FREE, LOOK, Gate, Pass
from harness.waiting import until

DEADLINE = 10.0
NEVER = 60.0


@contextmanager
def threads(*calls: Callable[[], Any]) -> Iterator[list[threading.Thread]]:
    """Run each call in a thread of its own; all have ended afterwards."""
    started = [threading.Thread(target=call) for call in calls]
    for thread in started:
        thread.start()
    yield started
    for thread in started:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_one_is_inside_at_a_time_and_all_come_in() -> None:
    """Sixteen threads that go through again and again never meet, and none is left out."""
    gate = Gate(NEVER)
    inside: list[int] = []
    most: list[int] = []
    done: list[int] = []

    def turn(number: int) -> None:
        inside.append(number)
        most.append(len(inside))
        inside.remove(number)

    def go(number: int) -> None:
        own = Pass()
        for _ in range(50):
            gate.through(own, lambda: turn(number))
        done.append(number)

    with threads(*(partial(go, number) for number in range(16))):
        pass
    assert sorted(done) == list(range(16))
    assert set(most) == {1}


def test_who_comes_first_goes_first(make_gate_line: Any) -> None:
    """Whoever was inside queues behind those who wait."""
    line = make_gate_line(NEVER)
    with threads(line.holder):
        assert line.is_inside.wait(DEADLINE)
        others = []
        for name in "abc":
            others.append(threading.Thread(target=line.pass_through, args=(name,)))
            others[-1].start()
            line.wait_for_queue(len(others))
        line.may_leave.set()
        for other in others:
            other.join(DEADLINE)
    assert line.log == ["a", "b", "c"]


def test_a_call_that_hangs_holds_up_nobody_for_long(make_gate_line: Any) -> None:
    """Who stays inside for too long no longer counts, and harms nobody by leaving at last."""
    line = make_gate_line(0.001)
    with threads(line.holder):
        assert line.is_inside.wait(DEADLINE)
        with threads(lambda: line.pass_through("a"), lambda: line.pass_through("b")):
            pass
        assert sorted(line.log) == ["a", "b"]
        line.may_leave.set()
    line.pass_through("c")
    assert line.log[-1] == "c"


def test_an_error_leaves_the_gate(make_gate_line: Any) -> None:
    """What a call raises goes on to its caller, and the next one comes in."""
    line = make_gate_line(NEVER)
    with pytest.raises(ZeroDivisionError):
        line.gate.through(Pass(), lambda: 1 // 0)
    line.pass_through("a")
    assert line.log == ["a"]


@pytest.mark.parametrize(("used", "is_free"), [(LOOK * BUSY / 2, True), (LOOK * BUSY * 2, False)])
def test_work_that_waits_needs_no_turn(used: float, is_free: bool) -> None:
    """By how much it used a processor, over several turns, and not for ever."""
    own = Pass()
    for turn in range(4):
        assert own.free_until == 0.0
        own.note(100.0 + turn, LOOK / 4, used / 4)
    assert own.free_until == (103.0 + FREE if is_free else 0.0)


def test_what_needs_no_turn_goes_past_the_line(make_gate_line: Any) -> None:
    """It does not wait for who is inside."""
    line = make_gate_line(NEVER)
    with threads(line.holder):
        assert line.is_inside.wait(DEADLINE)
        own = Pass()
        own.free_until = float("inf")
        assert line.gate.through(own, lambda: "past") == "past"
        line.may_leave.set()


class Line:
    """A gate, one thread that stays inside, and those who come after it."""

    def __init__(self, overdue: float) -> None:
        self.gate = Gate(overdue)
        self.is_inside = threading.Event()
        self.may_leave = threading.Event()
        self.log: list[str] = []

    def holder(self) -> None:
        """Go in and stay."""
        self.gate.through(Pass(), self._stay)

    def _stay(self) -> None:
        self.is_inside.set()
        assert self.may_leave.wait(DEADLINE)

    def pass_through(self, name: str) -> None:
        """Go in and out."""
        self.gate.through(Pass(), lambda: self.log.append(name))

    def wait_for_queue(self, length: int) -> None:
        """Until so many wait."""
        until(lambda: len(self.gate._line) == length, f"{length} in line")


@pytest.fixture
def make_gate_line() -> Iterator[Callable[[float], Line]]:
    """Give a maker of lines; nobody stays inside after the test."""
    made: list[Line] = []

    def make(overdue: float) -> Line:
        made.append(Line(overdue))
        return made[-1]

    yield make
    for line in made:
        line.may_leave.set()
