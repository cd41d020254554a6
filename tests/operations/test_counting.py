"""Who is counted, when, and what becomes of it."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from davkeep.operations import Limits, Operation, Outcome, State
from davkeep.operations.counting import (
    COUNT_AFTER,
    MOST_OPEN,
    REST,
    SLICE,
    Counting,
    CountingThread,
)
from davkeep.trees.copy import copy
from davkeep.trees.counting import Count, Totals, count
from davkeep.trees.share import Share
from davkeep.trees.steps import Control, Lane, Result, Steps

DEADLINE = 10.0
FOUND = Totals(7, 70)


def running() -> Operation:
    """An operation that has begun."""
    operation = Operation(owner="ann", method="COPY", source="/a", created=0.0)
    operation.begin()
    return operation


def totals(operation: Operation) -> tuple[int | None, int | None]:
    """What is known of it."""
    return operation.progress.members_total, operation.progress.bytes_total


class Bystander:
    """Counts that note what happens to them; each step takes as long as one slice."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.counting = Counting(clock)
        self.log: list[str] = []

    def count(self, name: str, steps: int = 1, error: Exception | None = None) -> Count:
        """A count of so many steps; ``error`` ends it."""
        self.log.append(f"{name} opened")
        try:
            for _ in range(steps):
                self.log.append(name)
                self.clock.advance(SLICE)
                yield None
            if error is not None:
                raise error
            return FOUND
        finally:
            self.log.append(f"{name} closed")

    def add(self, name: str, steps: int = 1, error: Exception | None = None) -> Operation:
        """Put one in line."""
        operation = running()
        self.counting.add(operation, lambda: self.count(name, steps, error))
        return operation

    def all(self) -> None:
        """Take turns until nothing is in line."""
        while (pause := self.counting.turn()) is not None:
            self.clock.advance(pause)


@pytest.fixture
def bystander(clock: Any) -> Bystander:
    """Give a counting without its thread."""
    return Bystander(clock)


def test_it_waits_a_while(bystander: Bystander) -> None:
    """What is over soon is never counted, and whoever waits is told for how long."""
    operation = bystander.add("a")
    assert bystander.counting.turn() == COUNT_AFTER
    bystander.clock.advance(COUNT_AFTER)
    assert bystander.counting.turn() == REST
    assert bystander.counting.turn() == REST
    assert bystander.counting.turn() is None
    assert totals(operation) == (FOUND.members, FOUND.bytes)


def test_what_ended_meanwhile_is_forgotten(bystander: Bystander) -> None:
    """Its tree is not even opened."""
    operation = bystander.add("a")
    operation.end(State.SUCCEEDED, Outcome(201))
    bystander.counting.forget(operation)
    assert bystander.counting.turn() is None
    assert bystander.log == []


def test_several_take_turns(bystander: Bystander) -> None:
    """A large tree does not keep a small one waiting."""
    large, small = bystander.add("large", 10), bystander.add("small", 1)
    bystander.clock.advance(COUNT_AFTER)
    for _ in range(4):
        bystander.counting.turn()
    assert totals(small) == (FOUND.members, FOUND.bytes)
    assert totals(large) == (None, None)
    bystander.all()
    assert totals(large) == (FOUND.members, FOUND.bytes)


def test_few_are_open_at_once(bystander: Bystander) -> None:
    """Of many that wait, so many trees are open at any time, and all are counted in the end."""
    many = [bystander.add(f"{number}", 2) for number in range(10 * MOST_OPEN)]
    bystander.all()
    now_open, most = 0, 0
    for line in bystander.log:
        now_open += line.endswith("opened") - line.endswith("closed")
        most = max(most, now_open)
    assert (now_open, most) == (0, MOST_OPEN)
    assert {totals(each) for each in many} == {(FOUND.members, FOUND.bytes)}


@pytest.mark.parametrize("end", [Operation.cancel, Operation.reach_effective_point])
def test_it_stops_when_nobody_needs_it(
    bystander: Bystander, end: Callable[[Operation], Any]
) -> None:
    """A cancelled operation, and one that has taken effect, is counted no further."""
    operation = bystander.add("a", 1000)
    bystander.clock.advance(COUNT_AFTER)
    bystander.counting.turn()
    end(operation)
    bystander.all()
    assert bystander.log == ["a opened", "a", "a closed"]


def test_a_count_that_comes_too_late_changes_nothing() -> None:
    """Settled totals are what was done, whoever was faster."""
    operation = running()
    operation.progress.members_done = 3
    operation.reach_effective_point()
    operation.counted(FOUND)
    assert totals(operation) == (3, 0)


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.INTERRUPTED])
def test_work_that_did_not_succeed_keeps_its_totals(state: State) -> None:
    """It was stopped at so many of so many; what was not known stays unknown."""
    counted, uncounted = running(), running()
    counted.counted(FOUND)
    for operation in (counted, uncounted):
        operation.end(state, Outcome(500))
    assert totals(counted) == (FOUND.members, FOUND.bytes)
    assert totals(uncounted) == (None, None)


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "too many"), ZeroDivisionError()])
def test_a_count_that_fails_leaves_the_total_unknown(
    bystander: Bystander, error: Exception
) -> None:
    """An unreadable tree, and even a bug, ends that count and no other."""
    broken, fine = bystander.add("broken", 1, error), bystander.add("fine")
    bystander.all()
    assert totals(broken) == (None, None)
    assert totals(fine) == (FOUND.members, FOUND.bytes)


def test_the_thread_counts_and_ends(clock: Any) -> None:
    """It is started by the first who needs it, wakes for what is new, and ends when told to."""
    thread = CountingThread(clock)
    threads = threading.active_count()
    gates = [threading.Event(), threading.Event()]

    def noted(gate: threading.Event) -> Count:
        gate.set()
        yield None
        return FOUND

    for gate in gates:
        operation = running()
        thread.add(operation, lambda gate=gate: noted(gate))  # type: ignore[misc]
        clock.advance(COUNT_AFTER)
        # Those that are due are found when something new comes, too.
        thread.add(running(), lambda: noted(threading.Event()))
        assert gate.wait(DEADLINE)
        assert threading.active_count() == threads + 1
    thread.stop(DEADLINE)
    assert threading.active_count() == threads
    thread.add(running(), lambda: noted(gates[0]))
    assert threading.active_count() == threads


class Unthreaded(Counting):
    """A counting that the test drives itself."""

    def stop(self, seconds: float) -> None:
        """There is no thread to stop."""
        self.close()


@pytest.fixture
def throttled(make_bench: Callable[..., Any]) -> Any:
    """Lanes at a hundred members a second, whose counting the test drives."""
    bench = make_bench(1, Limits(100.0))
    bench.lanes._counting = Unthreaded(bench.clock)
    return bench


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Share]:
    """A share with a tree of a thousand files of three bytes, in ten collections."""
    for number in range(1000):
        below = tmp_path / "a" / f"{number % 10}"
        below.mkdir(parents=True, exist_ok=True)
        (below / f"{number}").write_bytes(b"123")
    with Share(tmp_path) as opened:
        yield opened


class Copying:
    """A COPY of the share's tree that stands before a gate when it has copied so many members."""

    def __init__(self, share: Share, gate: Any, at: int) -> None:
        self.share = share
        self.gate = gate
        self.at = at

    def start(self, operation: Operation) -> Steps:
        """The work."""
        with ExitStack() as opened:
            source = opened.enter_context(self.share.entry(["a"]))
            target = opened.enter_context(self.share.entry(["b"]))
            control = Control(".davkeep-x-1", operation.progress)
            control.effective = operation.reach_effective_point
            steps = copy(source, target, control, overwrite=False)
            while True:
                try:
                    lane = next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                if operation.progress.members_done == self.at and lane is None:
                    self.gate.stand()
                yield lane

    def count(self) -> Count:
        """The count ahead of it."""
        with self.share.entry(["a"]) as source:
            return (yield from count(source, follow_links=False))

    def admit(self, bench: Any) -> Operation:
        """Admit it, and have its lane drive it."""
        operation = Operation(owner="ann", method="COPY", source="/a", created=0.0)
        bench.lanes.add(
            operation,
            self.start,
            lambda _: Outcome(201),
            lambda _: None,
            count=self.count,
        )
        bench.lanes.drive_inline(operation, 0.0)
        return operation


def test_a_throttled_copy(throttled: Any, share: Share) -> None:
    """Its total is unknown first and then right; the rest takes as long as the limit says."""
    gate = throttled.gate()
    operation = Copying(share, gate, 600).admit(throttled)
    gate.wait()
    now = throttled.lanes.now()
    assert operation.progress.seen() == operation.progress
    assert totals(operation) == (None, None)
    assert operation.estimated_seconds(now) is None
    assert operation.rate(now).members == pytest.approx(100.0, rel=0.02)
    while throttled.lanes._counting.turn() is not None:
        pass
    assert totals(operation) == (1011, 3000)
    assert operation.estimated_seconds(now) == pytest.approx(4.11, rel=0.05)
    gate.opened.set()
    assert operation.wait(DEADLINE) == Outcome(201)
    assert (operation.progress.members_done, operation.progress.bytes_done) == (1011, 3000)
    assert totals(operation) == (1011, 3000)


def test_a_tree_that_grew_after_it_was_counted(throttled: Any, share: Share) -> None:
    """The total that is shown grows with what is done, and is right in the end."""
    gate = throttled.gate()
    operation = Copying(share, gate, 5).admit(throttled)
    gate.wait()
    operation.counted(Totals(3, 6))
    seen = operation.progress.seen()
    assert (seen.members_done, seen.members_total) == (5, 5)
    gate.opened.set()
    operation.wait(DEADLINE)
    assert totals(operation) == (1011, 3000)


def test_many_that_wait_open_nothing(throttled: Any, share: Share) -> None:
    """Behind a busy worker hundreds wait, and none of their trees is opened to be counted."""
    gate = throttled.busy()
    before = len(os.listdir("/proc/self/fd"))
    waiting = []
    for _ in range(300):
        waiting.append(Operation(owner="ann", method="COPY", source="/a", created=0.0))
        copying = Copying(share, throttled.gate(), -1)
        throttled.lanes.add(
            waiting[-1],
            copying.start,
            lambda _: Outcome(201),
            lambda _: None,
            lambda: True,
            copying.count,
        )
        throttled.lanes._most_begun = 0
        throttled.lanes.drive_inline(waiting[-1], 0.0)
    throttled.clock.advance(2 * COUNT_AFTER)
    assert throttled.lanes._counting.turn() is None
    assert len(os.listdir("/proc/self/fd")) == before
    assert {each.state for each in waiting} == {State.PENDING}
    for each in waiting:
        each.cancel()
    gate.opened.set()


def test_short_work_is_never_counted(make_bench: Callable[..., Any]) -> None:
    """Only what a long worker has begun gets into line, and once."""
    bench = make_bench()
    bench.lanes._counting = Unthreaded(bench.clock)
    asked: list[str] = []

    def noted(name: str) -> Count:
        asked.append(name)
        yield None
        return FOUND

    def short(_: Operation) -> Steps:
        yield None
        return Result(created=True, complete=True)

    gate = bench.gate()

    def long(_: Operation) -> Steps:
        yield Lane.LONG
        gate.stand()
        yield None
        return Result(created=True, complete=True)

    for name, start in (("short", short), ("long", long)):
        operation = Operation(owner="ann", method="COPY", source="/a", created=0.0)
        counted = lambda name=name: noted(name)  # noqa: E731
        bench.lanes.add(operation, start, lambda _: Outcome(201), lambda _: None, count=counted)
        bench.lanes.drive_inline(operation, 0.0)
    gate.wait()
    bench.clock.advance(COUNT_AFTER)
    while bench.lanes._counting.turn() is not None:
        pass
    assert asked == ["long"]
    gate.opened.set()
    assert operation.wait(DEADLINE) == Outcome(201)
