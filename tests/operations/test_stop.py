import threading
from collections.abc import Callable
from typing import Any

import pytest

from davkeep.operations import Operation, Outcome, Registry, RepeatKey, State, Stopping, lanes
from davkeep.trees.steps import Lane, Result, Steps

DEADLINE = 10.0
DONE = Result(created=True, complete=True)


def _endless(log: list[str], begun: threading.Event) -> Callable[[Operation], Steps]:
    def work(_: Operation) -> Steps:
        try:
            yield Lane.LONG
            while True:
                begun.set()
                yield None
        except GeneratorExit:
            log.append("undone")
            raise

    return work


def test_what_has_not_begun_is_taken_back_and_what_runs_may_end(bench: Any) -> None:
    """A stop ends queued operations as interrupted at once, and lets the running one end."""
    gate = bench.gate()
    running = bench.queue(bench.gated(gate))
    gate.wait()
    admitted = bench.add(bench.noted("never"))
    queued = bench.queue(bench.noted("never"))
    left: list[int] = []
    stop = threading.Thread(target=lambda: left.append(bench.lanes.stop(DEADLINE)))
    stop.start()
    for operation in (admitted, queued):
        assert operation.wait(DEADLINE)
        assert operation.state is State.INTERRUPTED
    assert running.state is State.RUNNING
    gate.opened.set()
    stop.join(DEADLINE)
    assert running.outcome == Outcome(201)
    assert left == [0]
    assert bench.log == []


def test_bulk_work_does_not_begin_during_a_stop(bench: Any) -> None:
    """What comes out of its first moments then, and would wait for a slot, is undone at once."""
    bench.busy()
    gate, log = bench.gate(), []

    def work(_: Operation) -> Steps:
        try:
            gate.stand()
            bench.clock.advance(5.0)
            yield Lane.LONG
            return DONE
        finally:
            log.append("undone")

    operation = bench.add(work)
    idle = bench.add(bench.noted("never"))
    driver = threading.Thread(target=bench.lanes.drive_inline, args=(operation, 0.5))
    driver.start()
    gate.wait()
    stop = threading.Thread(target=bench.lanes.stop, args=(DEADLINE,))
    stop.start()
    assert idle.wait(DEADLINE)
    gate.opened.set()
    driver.join(DEADLINE)
    assert operation.state is State.INTERRUPTED
    assert log == ["undone"]
    for busy in bench.gates:
        busy.opened.set()
    stop.join(DEADLINE)


def test_what_does_not_end_in_time_is_undone(bench: Any) -> None:
    """At the deadline a running operation is closed at its checkpoint and told as interrupted."""
    log: list[str] = []
    begun = threading.Event()
    operation = bench.queue(_endless(log, begun))
    assert begun.wait(DEADLINE)
    assert bench.lanes.stop(0.0) == 0
    assert operation.state is State.INTERRUPTED
    assert operation.outcome is not None
    assert operation.outcome.explanation.endswith("Nothing of the copy is left.")
    assert log == ["undone"]


def test_what_took_effect_is_not_undone_by_a_stop(bench: Any) -> None:
    """After the swap of a COPY the generator is left as it stands, for recovery to finish."""
    closed: list[bool] = []
    begun = threading.Event()

    def work(operation: Operation) -> Steps:
        try:
            operation.reach_effective_point()
            begun.set()
            while True:
                yield None
        except GeneratorExit:
            closed.append(True)
            raise

    operation = bench.queue(work)
    assert begun.wait(DEADLINE)
    assert bench.lanes.stop(0.0) == 0
    assert operation.state is State.INTERRUPTED
    assert closed == []


def test_threads_end_with_the_stop(bench: Any) -> None:
    """After a stop none of the lanes' threads is left."""
    operation = bench.queue(bench.noted("a"))
    assert operation.wait(DEADLINE)
    bench.lanes.stop(DEADLINE)
    threads = [thread for line in bench.lanes._lines.values() for thread in line.crew.threads]
    assert threads
    assert not any(thread.is_alive() for thread in threads)


def test_what_a_stop_cannot_end_is_counted(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that hangs in a system call holds a stop up for a bounded time only."""
    monkeypatch.setattr(lanes, "UNDO_SECONDS", 0.0)
    monkeypatch.setattr(lanes, "JOIN_SECONDS", 0.0)
    operation = bench.queue(bench.gated(gate := bench.gate()))
    gate.wait()
    assert bench.lanes.stop(0.0) == 1
    assert operation.state is State.RUNNING


def test_a_stopping_registry_admits_nothing(bench: Any) -> None:
    """New requests meet Stopping, which the door answers 503; a repeat still joins."""
    registry = Registry(bench.lanes)
    gate = bench.gate()
    key = RepeatKey("ann", "COPY", "/a", "/b")

    def work(_: Operation) -> Steps:
        gate.stand()
        yield None
        return DONE

    running = registry.admit(key, [], work, lambda _: Outcome(201))
    driver = threading.Thread(target=registry.begin, args=(running, DEADLINE))
    driver.start()
    gate.wait()
    idle = registry.admit(RepeatKey("ann", "DELETE", "/c"), [], work, lambda _: Outcome(204))
    stop = threading.Thread(target=registry.stop, args=(DEADLINE,))
    stop.start()
    assert idle.wait(DEADLINE)
    with pytest.raises(Stopping):
        registry.admit(RepeatKey("ann", "DELETE", "/d"), [], work, lambda _: Outcome(204))
    assert registry.admit(key, [], work, lambda _: Outcome(201)) is running
    gate.opened.set()
    stop.join(DEADLINE)
    driver.join(DEADLINE)
    assert running.outcome == Outcome(201)
