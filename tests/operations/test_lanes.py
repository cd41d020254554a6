import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest

from davkeep.operations import Limits, Operation, Outcome, State
from davkeep.operations.lanes import SHORT_THREADS, Lanes
from davkeep.operations.turns import QUANTUM
from davkeep.trees.steps import Lane, Result, Steps
from davkeep.words.failure import Failure

DEADLINE = 10.0
DONE = Result(created=True, complete=True)


def _short(_: Operation) -> Steps:
    yield None
    yield None
    return DONE


def test_there_is_at_least_one_worker() -> None:
    """Lanes that could drive nothing are refused at birth."""
    with pytest.raises(ValueError, match="workers"):
        Lanes(0)


def test_short_work_ends_in_the_thread_of_its_request(bench: Any) -> None:
    """Within the grace period no other thread is involved, and none is started."""
    threads: list[threading.Thread] = []

    def work(_: Operation) -> Steps:
        threads.append(threading.current_thread())
        yield None
        return DONE

    operation = bench.add(work)
    bench.lanes.drive_inline(operation, 0.25)
    assert operation.outcome == Outcome(201)
    assert operation.state is State.SUCCEEDED
    assert threads == [threading.current_thread()]
    assert bench.lanes.counts().threads == 0


@pytest.mark.parametrize("seconds", [0.25, 0.0])
def test_nothing_short_waits_for_something_long(
    make_bench: Callable[..., Any], seconds: float
) -> None:
    """With every long worker blocked, short work ends inline, and also in its own lane."""
    bench = make_bench(workers=2)
    bench.busy()
    bench.busy()
    operation = bench.add(_short)
    bench.lanes.drive_inline(operation, seconds)
    assert operation.wait(DEADLINE if seconds == 0.0 else 0.0) == Outcome(201)


def test_with_both_long_workers_blocked_bulk_work_begins_inline(
    make_bench: Callable[..., Any],
) -> None:
    """The first moments of a long operation wait for no slot either."""
    bench = make_bench(workers=2)
    bench.busy()
    bench.busy()

    def copy(_: Operation) -> Steps:
        yield Lane.LONG
        yield None
        yield Lane.SHORT
        return DONE

    operation = bench.add(copy)
    bench.lanes.drive_inline(operation, 0.25)
    assert operation.outcome == Outcome(201)


def test_work_goes_through_its_lanes(bench: Any) -> None:
    """Without a grace period a short lane begins and the long lane goes on, to the very end."""
    names: list[str] = []

    def work(_: Operation) -> Steps:
        for lane in (None, Lane.LONG, None, Lane.SHORT):
            names.append(threading.current_thread().name.rsplit("-", 1)[0])
            yield lane
        names.append(threading.current_thread().name.rsplit("-", 1)[0])
        return DONE

    operation = bench.add(work)
    bench.lanes.drive_inline(operation, 0.0)
    assert operation.wait(DEADLINE) == Outcome(201)
    assert names == ["davkeep-short"] * 2 + ["davkeep-long"] * 3


def test_only_one_thread_drives(bench: Any) -> None:
    """A second request that joins may not drive what the first one drives."""
    gate = bench.gate()
    operation = bench.add(bench.gated(gate))
    first = threading.Thread(target=bench.lanes.drive_inline, args=(operation, DEADLINE))
    first.start()
    gate.wait()
    bench.lanes.drive_inline(operation, DEADLINE)
    assert operation.state is State.RUNNING
    gate.opened.set()
    first.join(DEADLINE)
    assert operation.outcome == Outcome(201)


def test_owners_take_turns(bench: Any) -> None:
    """With one worker, an owner's second operation comes after every other owner's first."""
    gate = bench.busy()
    names = ["a1", "a2", "b1", "c1"]
    queued = [bench.queue(bench.noted(name), owner=name[0]) for name in names]
    gate.opened.set()
    assert all(operation.wait(DEADLINE) for operation in queued)
    assert bench.log == ["a1", "b1", "c1", "a2"]


def test_a_running_operation_gives_up_its_slot_to_another_owner(bench: Any) -> None:
    """After the quantum a long operation lets others go first and then goes on."""
    gate = bench.busy()
    ann = bench.queue(bench.noted("a", steps=4, seconds=0.6), owner="ann")
    bob = bench.queue(bench.noted("b", steps=1), owner="bob")
    gate.opened.set()
    assert ann.wait(DEADLINE)
    assert bob.wait(DEADLINE)
    assert bench.log == ["a", "a", "b", "a", "a"]


def test_a_running_operation_keeps_its_slot_from_its_own_owner(bench: Any) -> None:
    """An owner's operations do not interrupt each other."""
    gate = bench.busy("ann")
    first = bench.queue(bench.noted("a", steps=4, seconds=0.6))
    second = bench.queue(bench.noted("b"))
    gate.opened.set()
    assert first.wait(DEADLINE)
    assert second.wait(DEADLINE)
    assert bench.log == ["a", "a", "a", "a", "b"]


def test_queued_operations_hold_no_thread(bench: Any) -> None:
    """2,000 operations in line leave the number of threads as it was, and all end."""
    gate = bench.busy()
    before = threading.active_count()
    queued = [bench.queue(bench.noted("x"), owner=f"u{number % 7}") for number in range(2000)]
    assert threading.active_count() == before
    assert bench.lanes.counts().long_waiting == 2000
    gate.opened.set()
    assert all(operation.wait(DEADLINE) == Outcome(201) for operation in queued)
    assert threading.active_count() == before
    assert bench.lanes.counts().threads <= SHORT_THREADS + 1


def _counting(members: int) -> Callable[[Operation], Steps]:
    def work(operation: Operation) -> Steps:
        yield Lane.LONG
        for _ in range(members):
            operation.progress.members_done += 1
            yield None
        return DONE

    return work


def test_the_throttle_spreads_members(make_bench: Callable[..., Any]) -> None:
    """Five members at two a second take two seconds or more, waited for in the long lane."""
    bench = make_bench(limits=Limits(members_per_second=2))
    operation = bench.add(_counting(5))
    bench.lanes.drive_inline(operation, 0.25)
    assert operation.wait(DEADLINE) == Outcome(201)
    assert bench.pauses == [0.5] * 5


def test_time_without_members_is_no_credit(make_bench: Callable[..., Any]) -> None:
    """A long short step between two stretches of bulk work does not let members come in a heap."""
    bench = make_bench(limits=Limits(members_per_second=2))

    def work(operation: Operation) -> Steps:
        yield Lane.LONG
        yield Lane.SHORT
        bench.clock.advance(10.0)
        return (yield from _counting(2)(operation))

    assert bench.queue(work).wait(DEADLINE) == Outcome(201)
    assert bench.pauses == [0.5, 0.5]


def test_a_throttled_operation_takes_turns_too(make_bench: Callable[..., Any]) -> None:
    """A pause counts as time in the slot: after the quantum the next owner has it."""
    bench = make_bench(limits=Limits(members_per_second=0.25))
    gate = bench.busy()
    slow = bench.queue(_counting(2), owner="ann")
    other = bench.queue(bench.noted("b"), owner="bob")
    slow.subscribe(lambda: bench.log.append("slow"))
    gate.opened.set()
    assert other.wait(DEADLINE)
    assert slow.wait(DEADLINE)
    assert bench.log == ["b", "slow"]
    assert max(bench.pauses) <= 1.0


def test_small_trees_are_throttled_too(make_bench: Callable[..., Any]) -> None:
    """Three members of work that never says that it is long take the time of three."""
    bench = make_bench(limits=Limits(members_per_second=2))

    def small(operation: Operation) -> Steps:
        for _ in range(3):
            operation.progress.members_done += 1
            yield None
        return DONE

    operation = bench.add(small)
    bench.lanes.drive_inline(operation, 0.25)
    assert operation.wait(DEADLINE) == Outcome(201)
    assert bench.pauses == [0.5] * 3


def test_one_member_is_not_throttled(make_bench: Callable[..., Any]) -> None:
    """A rename ends inline whatever the throttle says."""
    bench = make_bench(limits=Limits(members_per_second=0.001))

    def rename(operation: Operation) -> Steps:
        yield None
        operation.progress.members_done += 1
        return DONE

    operation = bench.add(rename)
    bench.lanes.drive_inline(operation, 0.25)
    assert operation.outcome == Outcome(201)
    assert bench.pauses == []


@pytest.mark.parametrize("error", [OSError(28, "full"), Failure(412)])
@pytest.mark.parametrize("begun", [False, True])
def test_a_declared_error_goes_to_conclude(bench: Any, error: Exception, begun: bool) -> None:
    """An OSError or Failure of the work, or of making it, is the door's to translate."""
    endings: list[object] = []

    def work(_: Operation) -> Steps:
        yield None
        raise error

    def refuse(_: Operation) -> Steps:
        raise error

    def conclude(ending: object) -> Outcome:
        endings.append(ending)
        return Outcome(507)

    operation = bench.add(work if begun else refuse, conclude=conclude)
    bench.lanes.drive_inline(operation, 0.25)
    assert endings == [error]
    assert operation.outcome == Outcome(507)
    assert operation.state is State.FAILED


def _broken(_: Operation) -> Steps:
    yield None
    raise KeyError("a bug")


def _returns_nothing(_: Operation) -> Steps:
    yield None
    return None  # type: ignore[return-value]


@pytest.mark.parametrize("work", [_broken, _returns_nothing])
def test_a_bug_of_the_work_is_a_logged_500(
    bench: Any, work: Callable[[Operation], Steps], caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that nobody declared ends the operation, not the thread that drove it."""
    operation = bench.queue(work)
    result = operation.wait(DEADLINE)
    assert result is not None
    assert result.status == 500
    assert operation.state is State.FAILED
    assert "Traceback" in caplog.text
    assert bench.queue(bench.noted("next")).wait(DEADLINE) == Outcome(201)


def _cannot_conclude(_: object) -> Outcome:
    raise KeyError("a bug")


def test_a_bug_of_conclude_is_a_logged_500(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A door that cannot translate a result costs this operation only."""
    operation = bench.add(_short, conclude=_cannot_conclude)
    bench.lanes.drive_inline(operation, 0.25)
    assert operation.outcome is not None
    assert operation.outcome.status == 500
    assert "KeyError" in caplog.text


def test_conclude_runs_under_no_lock(bench: Any) -> None:
    """The door may ask the lanes and the operation anything while it concludes."""
    seen: list[object] = []

    def conclude(_: object) -> Outcome:
        seen.append((bench.lanes.counts().driven, operation.waiters))
        return Outcome(204)

    operation = bench.add(_short, conclude=conclude)
    bench.lanes.drive_inline(operation, 0.25)
    assert seen == [(1, 0)]


def test_a_stretch_ends_when_its_work_is_cancelled(bench: Any) -> None:
    """Work that is driven over many checkpoints at once sees a cancel at the next of them."""
    gate = bench.gate()
    treated: list[int] = []

    def work(operation: Operation) -> Steps:
        yield Lane.LONG
        for member in range(1000):
            if member == 10:
                gate.stand()
            treated.append(member)
            yield None
        return DONE

    operation = bench.queue(work)
    gate.wait()
    assert operation.cancel()
    gate.opened.set()
    assert operation.wait(DEADLINE)
    assert operation.state is State.CANCELLED
    assert treated == list(range(11))


def test_a_stretch_ends_with_its_time(bench: Any) -> None:
    """Work whose members are slow is looked at after each of them, so it gives up its slot soon."""
    gate = bench.busy()
    ann = bench.queue(bench.noted("a", steps=3, seconds=QUANTUM), owner="ann")
    bob = bench.queue(bench.noted("b"), owner="bob")
    gate.opened.set()
    assert ann.wait(DEADLINE)
    assert bob.wait(DEADLINE)
    assert bench.log == ["a", "b", "a", "a"]


def test_work_without_memory(bench: Any, caplog: Any) -> None:
    """It ends as any that is refused by the system does (503 by its errno), not as a bug."""
    endings: list[object] = []

    def work(_: Operation) -> Steps:
        yield None
        raise MemoryError

    def conclude(ending: object) -> Outcome:
        endings.append(ending)
        return Outcome(503)

    operation = bench.add(work, conclude=conclude)
    bench.lanes.drive_inline(operation, 0.25)
    assert operation.outcome == Outcome(503)
    (ending,) = endings
    assert isinstance(ending, OSError)
    assert ending.errno == errno.ENOMEM
    assert caplog.records == []
