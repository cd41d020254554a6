"""Upkeep: chores at their intervals, long work between them, and an end."""

import threading
from collections.abc import Generator
from typing import Any

import pytest

from davkeep.operations.upkeep import SLICE, Upkeep
from davkeep.words.threads import ThreadRefusedError, start_thread
from harness.server import DEADLINE


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_chore_comes_at_its_interval() -> None:
    """Not before it is due; its error does not end it, nor keep another from its turn."""
    clock, done = Clock(), []
    upkeep = Upkeep(clock)

    def failing() -> None:
        done.append("failing")
        raise OSError(5, "broken")

    upkeep.every(10, failing)
    upkeep.every(10, lambda: done.append("fine"))
    assert upkeep.turn() == 10
    assert done == []
    clock.now = 10
    assert upkeep.turn() == 10
    clock.now = 20
    upkeep.turn()
    assert done == ["failing", "fine"] * 2


def test_long_work_goes_on_between_chores() -> None:
    """A slice at a time, each in its turn; chores are not held up by it."""
    clock, done = Clock(), []
    upkeep = Upkeep(clock)

    def steps(name: str) -> Generator[None, None, None]:
        for number in range(3):
            done.append(f"{name}{number}")
            clock.now += SLICE
            yield

    upkeep.drive(steps("a"))
    upkeep.drive(steps("b"))
    upkeep.every(SLICE, lambda: done.append("chore"))
    while upkeep.turn() == 0:
        pass
    assert [each for each in done if each != "chore"] == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert done[1] == "chore"


def test_a_stop_leaves_long_work_where_it_stands() -> None:
    """It is closed, so that what it holds is given up."""
    begun, closed = threading.Event(), threading.Event()

    def endless() -> Generator[None, None, None]:
        try:
            while True:
                begun.set()
                yield
        finally:
            closed.set()

    upkeep = Upkeep()
    upkeep.drive(endless())
    upkeep.start()
    assert begun.wait(DEADLINE)
    upkeep.stop(DEADLINE)
    assert closed.is_set()


def test_a_thread_that_is_refused_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """503, with the thread's name."""

    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "_start_new_thread", refuse)
    with pytest.raises(ThreadRefusedError, match="davkeep-x"):
        start_thread(print, "davkeep-x", is_over=lambda: True)
