import threading
from collections.abc import Callable
from typing import Any

import pytest

from davkeep.operations import Limits, Operation, Outcome, State, lanes
from davkeep.operations.turns import hands_over
from davkeep.trees.steps import Lane, Result, Steps

DEADLINE = 10.0
DONE = Result(created=True, complete=True)


class Undoable:
    """Work that notes what happens to it, and stands before a gate between two checkpoints."""

    def __init__(self, gate: Any) -> None:
        self.gate = gate
        self.log: list[str] = []
        self.threads: list[str] = []

    def __call__(self, operation: Operation) -> Steps:
        try:
            self.log.append("begun")
            yield Lane.LONG
            self.gate.stand()
            yield None
            self.log.append("went on")
            return DONE
        except GeneratorExit:
            self.log.append(f"undone while {operation.state.value}")
            self.threads.append(threading.current_thread().name)
            raise


def test_cancelled_before_it_began(bench: Any) -> None:
    """A pending operation is cancelled at once and its work is never made."""
    work = Undoable(bench.gate())
    operation = bench.add(work)
    assert operation.cancel()
    assert operation.state is State.CANCELLED
    assert operation.outcome is not None
    assert operation.outcome.status == 409
    bench.lanes.drive_inline(operation, DEADLINE)
    assert work.log == []


def test_cancelled_in_line_before_it_began(bench: Any) -> None:
    """What stands in the short line and has not begun leaves it without waiting."""
    gates = [bench.gate(), bench.gate()]
    for gate in gates:
        bench.lanes.drive_inline(bench.add(bench.gated(gate)), 0.0)
        gate.wait()
    work = Undoable(bench.gate())
    operation = bench.add(work)
    bench.lanes.drive_inline(operation, 0.0)
    assert bench.lanes.counts().short_waiting == 1
    assert operation.cancel()
    assert operation.state is State.CANCELLED
    assert bench.lanes.counts().short_waiting == 0
    assert work.log == []


def test_cancelled_in_line_after_it_began(bench: Any) -> None:
    """With every slot taken, what waits for one is undone by the undo thread, and told after."""
    bench.busy()
    log: list[str] = []
    told = threading.Event()

    def work(_: Operation) -> Steps:
        try:
            bench.clock.advance(1.0)
            yield Lane.LONG
            return DONE
        finally:
            log.append(threading.current_thread().name)

    operation = bench.add(work)
    operation.subscribe(lambda: log.append("told"))
    operation.subscribe(told.set)
    bench.lanes.drive_inline(operation, 0.5)
    assert bench.lanes.counts().long_waiting == 1
    assert operation.cancel()
    assert told.wait(DEADLINE)
    assert log == ["davkeep-undo-1", "told"]
    assert operation.state is State.CANCELLED
    assert bench.lanes.counts().long_waiting == 0


def test_cancelled_while_a_thread_drives_it(bench: Any) -> None:
    """A running operation is undone by its own thread at the next checkpoint, then it is told."""
    work = Undoable(bench.gate())
    told = threading.Event()
    operation = bench.queue(work)
    operation.subscribe(lambda: work.log.append("told"))
    operation.subscribe(told.set)
    work.gate.wait()
    assert operation.cancel()
    assert work.log == ["begun"]
    work.gate.opened.set()
    assert told.wait(DEADLINE)
    assert work.log == ["begun", "undone while running", "told"]
    assert work.threads == ["davkeep-long-1"]


def test_cancelled_while_its_request_drives_it(bench: Any) -> None:
    """In its first moments an operation is undone by the thread of its request."""
    work = Undoable(bench.gate())
    operation = bench.add(work)
    driver = threading.Thread(
        target=bench.lanes.drive_inline, args=(operation, DEADLINE), name="request"
    )
    driver.start()
    work.gate.wait()
    assert operation.cancel()
    work.gate.opened.set()
    driver.join(DEADLINE)
    assert operation.state is State.CANCELLED
    assert work.threads == ["request"]


def test_work_that_ends_before_its_next_checkpoint_succeeds(bench: Any) -> None:
    """A cancel that comes too late changes nothing: the result was there."""
    gate = bench.gate()

    def work(_: Operation) -> Steps:
        gate.stand()
        return DONE
        yield

    operation = bench.queue(work)
    gate.wait()
    assert operation.cancel()
    gate.opened.set()
    assert operation.wait(DEADLINE) == Outcome(201)
    assert operation.state is State.SUCCEEDED


def test_a_swap_before_the_next_checkpoint_makes_the_cancel_void(bench: Any) -> None:
    """After its effective point a COPY goes on to its end although a cancel was asked before."""
    gate, closed = bench.gate(), []

    def work(operation: Operation) -> Steps:
        try:
            gate.stand()
            operation.reach_effective_point()
            yield None
        except GeneratorExit:
            closed.append(True)
            raise
        return DONE

    operation = bench.queue(work)
    gate.wait()
    assert operation.cancel()
    gate.opened.set()
    assert operation.wait(DEADLINE) == Outcome(201)
    assert closed == []


def test_cancelled_when_over(bench: Any) -> None:
    """A finished operation keeps its outcome."""
    operation = bench.add(bench.noted("a"))
    bench.lanes.drive_inline(operation, 0.25)
    assert not operation.cancel()
    assert operation.outcome == Outcome(201)


def test_cancelling_interrupts_a_pause_of_the_throttle(make_bench: Callable[..., Any]) -> None:
    """A throttled operation is undone at once, not when its pause is over."""
    bench = make_bench(limits=Limits(members_per_second=0.001))
    paused = threading.Event()

    def wait(event: threading.Event, _: float) -> None:
        paused.set()
        assert event.wait(DEADLINE)

    bench.lanes._wait = wait

    def work(operation: Operation) -> Steps:
        yield Lane.LONG
        operation.progress.members_done += 1
        yield None
        return DONE

    operation = bench.add(work)
    bench.lanes.drive_inline(operation, 0.25)
    assert paused.wait(DEADLINE)
    assert operation.cancel()
    outcome = operation.wait(DEADLINE)
    assert outcome is not None
    assert outcome.status == 409


@pytest.mark.parametrize("error", [OSError(5, "broken disk"), KeyError("a bug")])
def test_an_undo_that_fails_is_logged_and_said(
    bench: Any, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be undone leaves the operation cancelled, with a line in the log."""
    gate = bench.gate()

    def work(_: Operation) -> Steps:
        try:
            gate.stand()
            yield None
        except GeneratorExit:
            raise error from None
        return DONE

    operation = bench.queue(work)
    gate.wait()
    assert operation.cancel()
    gate.opened.set()
    outcome = operation.wait(DEADLINE)
    assert outcome is not None
    assert outcome.status == 409
    assert "hidden" in outcome.explanation
    assert str(error) in caplog.text


def test_a_cancel_just_before_the_line_waits_for_no_slot(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that is cancelled between the decision to queue it and the queue is undone at once."""
    bench.busy()
    work = Undoable(bench.gate())

    def decide_and_cancel(*args: Any, **others: Any) -> bool:
        decided = hands_over(*args, **others)
        return decided and operation.cancel()

    monkeypatch.setattr(lanes, "hands_over", decide_and_cancel)
    operation = bench.add(work)
    bench.lanes.drive_inline(operation, 0.0)
    assert operation.state is State.CANCELLED
    assert work.log == []


def test_no_cancel_is_lost(make_bench: Callable[..., Any]) -> None:
    """However a cancel meets the changes of hands, every endless operation ends cancelled."""
    bench = make_bench(workers=2)

    def endless(_: Operation) -> Steps:
        yield Lane.LONG
        while True:
            bench.clock.advance(0.3)
            yield None

    operations = [bench.add(endless, owner=f"u{number}") for number in range(40)]
    for operation in operations:
        bench.lanes.drive_inline(operation, 0.2)
    for operation in operations:
        assert operation.cancel()
    for operation in operations:
        assert operation.wait(DEADLINE)
        assert operation.state is State.CANCELLED
