import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest

from davkeep.operations import (
    Conflict,
    Mode,
    Operation,
    Outcome,
    Registry,
    RepeatKey,
    State,
)
from davkeep.trees.steps import Result, Steps
from davkeep.words.failure import Failure

DEADLINE = 10.0
DONE = Result(created=True, complete=True)
KEY = RepeatKey("ann", "COPY", "/a", "/b")


def _work(_: Operation) -> Steps:
    yield None
    return DONE


def _conclude(_: object) -> Outcome:
    return Outcome(201)


@pytest.fixture
def registry(bench: Any) -> Registry:
    return Registry(bench.lanes, keep_results=900.0, clock=lambda: 5_000.0, monotonic=bench.clock)


def test_an_operation_is_described_by_its_request(registry: Registry) -> None:
    """The key names owner, method and both paths, and the epoch clock gives the moment."""
    operation = registry.admit(KEY, [], _work, _conclude)
    assert (operation.owner, operation.method) == ("ann", "COPY")
    assert (operation.source, operation.destination) == ("/a", "/b")
    assert operation.created == 5_000.0
    assert operation.state is State.PENDING
    assert registry.get(operation.id) is operation


def test_a_repeat_joins_while_it_runs_and_begins_anew_after(registry: Registry) -> None:
    """The same request gives the same operation until that is over."""
    first = registry.admit(KEY, [], _work, _conclude)
    assert registry.equal(KEY) is first
    assert registry.admit(KEY, [], _work, _conclude) is first
    registry.begin(first, DEADLINE)
    registry.delivered(first)
    assert registry.equal(KEY) is None
    assert registry.admit(KEY, [], _work, _conclude) is not first


@pytest.mark.parametrize(
    "other",
    [
        RepeatKey("bob", "COPY", "/a", "/b"),
        RepeatKey("ann", "MOVE", "/a", "/b"),
        RepeatKey("ann", "COPY", "/x", "/b"),
        RepeatKey("ann", "COPY", "/a", "/x"),
        RepeatKey("ann", "COPY", "/a", "/b", depth="0"),
        RepeatKey("ann", "COPY", "/a", "/b", overwrite="f"),
        RepeatKey("ann", "COPY", "/a", "/b", conditions=("(<urn:x>)", None)),
        RepeatKey("ann", "COPY", "/a", "/b", digest="x"),
        RepeatKey("", "COPY", "/a", "/b", address="10.0.0.1"),
    ],
)
def test_another_request_does_not_join(registry: Registry, other: RepeatKey) -> None:
    """Each of the parts that make a request the same keeps others apart."""
    first = registry.admit(KEY, [], _work, _conclude)
    assert registry.admit(other, [], _work, _conclude) is not first


def test_an_address_belongs_to_the_anonymous_owner() -> None:
    """A user who is known by name is the same from every address."""
    with pytest.raises(ValueError, match="address"):
        RepeatKey("ann", "COPY", "/a", address="10.0.0.1")


def test_a_put_joins_only_with_an_equal_digest(registry: Registry) -> None:
    """A PUT whose body is not known to be equal is a later write."""
    blind = RepeatKey("ann", "PUT", "/a")
    known = RepeatKey("ann", "PUT", "/a", digest="sha-256=abc")
    first = registry.admit(blind, [], _work, _conclude)
    assert registry.admit(blind, [], _work, _conclude) is not first
    assert registry.equal(blind) is None
    second = registry.admit(known, [], _work, _conclude)
    assert registry.admit(known, [], _work, _conclude) is second


def test_equal_requests_at_the_same_moment_are_one_operation(registry: Registry, tree: Any) -> None:
    """Of 20 threads that admit the same request at once, 19 join the first, without conflict."""
    barrier, found = threading.Barrier(20), []
    wanted = [(tree.place("/b"), Mode.EXCLUSIVE)]

    def request() -> None:
        barrier.wait(DEADLINE)
        operation = registry.admit(KEY, wanted, _work, _conclude)
        found.append(operation)

    threads = [threading.Thread(target=request) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(found) == 20
    assert len(set(found)) == 1
    assert len(registry.reservations) == 1


def test_joiners_drive_it_once(registry: Registry) -> None:
    """However many joiners begin it, the work is made and driven by one of them."""
    made: list[str] = []
    barrier = threading.Barrier(10)

    def work(operation: Operation) -> Steps:
        made.append(operation.id)
        yield None
        return DONE

    def request() -> None:
        barrier.wait(DEADLINE)
        operation = registry.admit(KEY, [], work, _conclude)
        barrier.wait(DEADLINE)
        registry.begin(operation, DEADLINE)
        assert operation.wait(DEADLINE) == Outcome(201)

    threads = [threading.Thread(target=request) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(made) == 1


def test_a_conflict_names_the_operation_and_wakes_at_its_end(registry: Registry, tree: Any) -> None:
    """Who meets a running operation learns which, and may try again when it is over."""
    wanted = [(tree.place("/b"), Mode.EXCLUSIVE)]
    first = registry.admit(KEY, wanted, _work, _conclude)
    other = RepeatKey("bob", "DELETE", "/b")
    with pytest.raises(Conflict) as caught:
        registry.admit(other, wanted, _work, _conclude)
    assert caught.value.holder is first
    assert registry.counts() == {State.PENDING: 1}
    second: list[Operation] = []
    caught.value.subscribe(lambda: second.append(registry.admit(other, wanted, _work, _conclude)))
    registry.begin(first, DEADLINE)
    assert [operation.method for operation in second] == ["DELETE"]


def test_everything_is_free_before_the_outcome_is_told(registry: Registry, tree: Any) -> None:
    """A client that uses the destination the moment it is told meets no conflict."""
    wanted = [(tree.place("/b"), Mode.EXCLUSIVE)]
    held: list[int] = []
    operation = registry.admit(KEY, wanted, _work, _conclude)
    operation.subscribe(lambda: held.append(len(registry.reservations)))
    registry.begin(operation, DEADLINE)
    assert held == [0]


@pytest.mark.parametrize("end", [Operation.cancel, lambda _: None])
def test_a_cancelled_operation_frees_what_it_held(
    registry: Registry, tree: Any, end: Callable[[Operation], object]
) -> None:
    """Reservations and the key are given back on every way out."""
    operation = registry.admit(KEY, [(tree.place("/b"), Mode.EXCLUSIVE)], _work, _conclude)
    end(operation)
    registry.begin(operation, DEADLINE)
    assert operation.state.is_over
    assert len(registry.reservations) == 0
    registry.delivered(operation)
    assert registry.equal(KEY) is None
    assert registry.get(operation.id) is operation


def test_a_result_that_nobody_got_answers_a_repeat(registry: Registry, tree: Any) -> None:
    """Until it is delivered, and only while nothing below its trees is changed."""
    wanted = [(tree.place("/a"), Mode.SHARED), (tree.place("/b"), Mode.CREATE)]
    operation = registry.admit(KEY, wanted, _work, _conclude)
    registry.begin(operation, DEADLINE)
    registry.reservations.reserve("reads", [(tree.place("/b"), Mode.SHARED)])
    registry.reservations.reserve("elsewhere", [(tree.place("/c"), Mode.WRITE)])
    assert registry.equal(KEY) is operation
    registry.delivered(operation)
    registry.delivered(operation)
    assert registry.equal(KEY) is None


@pytest.mark.parametrize("changed", ["/a", "/a/x", "/b", "/b/x/y", "/"])
def test_a_change_makes_a_repeat_a_new_request(registry: Registry, tree: Any, changed: str) -> None:
    """Whatever is reserved to be changed at, below or above the source or the destination."""
    wanted = [(tree.place("/a"), Mode.SHARED), (tree.place("/b"), Mode.CREATE)]
    operation = registry.admit(KEY, wanted, _work, _conclude)
    registry.begin(operation, DEADLINE)
    registry.reservations.reserve("changes", [(tree.place(changed), Mode.TOUCH)])
    registry.reservations.release("changes")
    assert registry.equal(KEY) is None
    assert registry.get(operation.id) is operation


def test_a_result_that_nobody_got_expires(registry: Registry, bench: Any) -> None:
    """With ``keep_results``, like every other."""
    operation = registry.admit(KEY, [], _work, _conclude)
    registry.begin(operation, DEADLINE)
    bench.clock.advance(899.0)
    assert registry.equal(KEY) is operation
    bench.clock.advance(1.0)
    assert registry.equal(KEY) is None


def test_what_does_not_stand_any_more_is_not_told(registry: Registry, tree: Any) -> None:
    """It is looked at without a lock, once it is over, and what is dropped once stays so."""
    standing, looked = [True], []

    def stands(outcome: Outcome) -> bool:
        # Neither lock is held: others go on meanwhile.
        registry.reservations.reserve("other", [(tree.place("/x"), Mode.TOUCH)])
        registry.reservations.release("other")
        assert registry.unfinished() == []
        looked.append(outcome)
        return standing[0]

    operation = registry.admit(KEY, [], _work, _conclude, stands=stands)
    assert registry.equal(KEY) is operation
    assert looked == []
    registry.begin(operation, DEADLINE)
    assert registry.equal(KEY) is operation
    assert registry.admit(KEY, [], _work, _conclude) is operation
    assert looked == [operation.outcome] * 2
    standing[0] = False
    assert registry.admit(KEY, [], _work, _conclude) is not operation


def test_a_failure_is_told_whatever_is_there(registry: Registry) -> None:
    """It promises nothing that could have been undone."""

    def fails(_: Any) -> Outcome:
        return Outcome(507)

    operation = registry.admit(KEY, [], _work, fails, stands=lambda _: False)
    registry.begin(operation, DEADLINE)
    assert registry.equal(KEY) is operation


def test_what_cannot_be_looked_at_is_an_error(registry: Registry) -> None:
    """A repeat gets that error, and the result is there for a later one."""
    broken = [True]

    def stands(_: Outcome) -> bool:
        if broken.pop():
            raise OSError(errno.EIO, "not at present")
        return True

    operation = registry.admit(KEY, [], _work, _conclude, stands=stands)
    registry.begin(operation, DEADLINE)
    with pytest.raises(OSError, match="not at present"):
        registry.equal(KEY)
    broken[:] = [False]
    assert registry.equal(KEY) is operation


@pytest.mark.parametrize("end", [Operation.cancel, Operation.abandon])
def test_what_was_cancelled_begins_anew(
    registry: Registry, end: Callable[[Operation], bool]
) -> None:
    """Whoever wanted it undone: who asks for it again wants it now."""
    operation = registry.admit(KEY, [], _work, _conclude)
    assert end(operation)
    registry.begin(operation, DEADLINE)
    assert operation.state is State.CANCELLED
    assert registry.equal(KEY) is None


def test_what_was_answered_with_202_is_owed_to_nobody(registry: Registry) -> None:
    """Its client has the status monitor, so after the end a repeat is a new request."""
    operation = registry.admit(KEY, [], _work, _conclude)
    registry.delivered(operation)
    assert registry.equal(KEY) is operation
    registry.begin(operation, DEADLINE)
    assert registry.equal(KEY) is None


def test_results_expire(registry: Registry, bench: Any) -> None:
    """A finished operation is readable for keep_results seconds, then known to have expired."""
    operation = registry.admit(KEY, [], _work, _conclude)
    bench.clock.advance(10_000)
    assert registry.get(operation.id) is operation
    registry.begin(operation, DEADLINE)
    bench.clock.advance(899)
    assert registry.get(operation.id) is operation
    bench.clock.advance(1)
    assert registry.get(operation.id) is None
    assert registry.expired(operation.id) == operation.account
    assert registry.expired("unknown") is None
    assert registry.visible(lambda account: account[0] == "ann") == []


def test_who_sees_what(registry: Registry) -> None:
    """An owner sees their own, the anonymous one those of the address, an administrator all."""
    keys = [
        KEY,
        RepeatKey("bob", "COPY", "/a", "/c"),
        RepeatKey("", "COPY", "/a", "/d", address="10.0.0.1"),
        RepeatKey("", "COPY", "/a", "/e", address="10.0.0.2"),
    ]
    ann, bob, near, far = (registry.admit(key, [], _work, _conclude) for key in keys)
    registry.begin(ann, DEADLINE)
    assert registry.visible(lambda account: account == ("ann", "")) == [ann]
    assert registry.visible(lambda account: account == ("", "10.0.0.1")) == [near]
    assert set(registry.visible(lambda _: True)) == {ann, bob, near, far}


def test_counts(registry: Registry) -> None:
    """The health page counts operations by state."""
    first = registry.admit(KEY, [], _work, _conclude)
    registry.admit(RepeatKey("ann", "DELETE", "/x"), [], _work, _conclude)
    registry.begin(first, DEADLINE)
    assert registry.counts() == {State.PENDING: 1, State.SUCCEEDED: 1}


def test_what_recovery_found_is_readable(registry: Registry) -> None:
    """An operation that a crash stopped is shown with its outcome under its old identifier."""
    found = Operation(owner="ann", method="COPY", source="/a", created=1.0, id="0123")
    found.end(State.INTERRUPTED, Outcome(503))
    registry.remember(found)
    assert registry.get("0123") is found
    assert registry.visible(lambda account: account[0] == "ann") == [found]


def test_checks_are_made_while_the_trees_are_reserved(registry: Registry, tree: Any) -> None:
    """Nobody else gets what is being checked, and an equal request joins at once."""
    wanted = [(tree.place("/a"), Mode.EXCLUSIVE)]
    seen: list[object] = []

    def check(operation: Operation) -> None:
        assert registry.equal(KEY) is operation
        with pytest.raises(Conflict):
            registry.reservations.reserve("another", wanted)
        # Who joined now drives nothing yet.
        registry.begin(operation, DEADLINE)
        seen.append(operation.state)

    operation = registry.admit(KEY, wanted, _work, _conclude, check=check)
    assert seen == [State.PENDING]
    registry.begin(operation, DEADLINE)
    assert operation.outcome == Outcome(201)


@pytest.mark.parametrize("error", [Failure(412), OSError(28, "full"), KeyError("a bug")])
def test_a_failed_check_leaves_nothing_behind(
    registry: Registry, tree: Any, error: Exception
) -> None:
    """Whatever a check raises, the trees are free again, and who joined learns that it failed."""
    wanted = [(tree.place("/a"), Mode.EXCLUSIVE)]
    joined: list[Operation] = []

    def check(operation: Operation) -> None:
        joined.append(operation)
        raise error

    with pytest.raises(type(error)):
        registry.admit(KEY, wanted, _work, lambda _: Outcome(412), check=check)
    assert joined[0].state is State.FAILED
    assert joined[0].outcome is not None
    assert joined[0].outcome.status == (500 if isinstance(error, KeyError) else 412)
    assert registry.get(joined[0].id) is None
    assert registry.equal(KEY) is None
    registry.reservations.reserve("another", wanted)


def test_what_was_answered_early_is_over_for_everybody_else(
    registry: Registry, tree: Any, bench: Any
) -> None:
    """Its trees are free while it purges, and the same request again is a new one."""
    gate = bench.gate()

    def start(operation: Operation) -> Steps:
        operation.reach_effective_point(Outcome(204), cancellable=True)
        yield None
        gate.stand()
        return DONE

    wanted = [(tree.place("/a"), Mode.EXCLUSIVE)]
    operation = registry.admit(KEY, wanted, start, _conclude)
    assert not registry.answer_early(operation)
    thread = threading.Thread(target=registry.begin, args=(operation, DEADLINE))
    thread.start()
    gate.wait()
    assert registry.answer_early(operation)
    assert registry.get(operation.id) is operation
    again = registry.admit(KEY, wanted, _work, _conclude)
    assert again is not operation
    gate.opened.set()
    thread.join(DEADLINE)
    assert registry.equal(KEY) is again
    assert operation.outcome == Outcome(201)


def test_the_end_is_told_once_and_first(bench: Any) -> None:
    """Who is told of ends sees the outcome, before the one who asked, and once for all joiners."""
    seen: list[tuple[str, State, int]] = []

    def ended(operation: Operation) -> None:
        assert operation.outcome is not None
        seen.append(("ended", operation.state, operation.outcome.status))

    registry = Registry(bench.lanes, ended=ended)
    operation = registry.admit(KEY, [], _work, _conclude)
    operation.subscribe(lambda: seen.append(("asked", operation.state, 0)))
    assert registry.admit(KEY, [], _work, _conclude) is operation
    assert operation.waiters == 1
    registry.begin(operation, DEADLINE)
    assert seen == [("ended", State.SUCCEEDED, 201), ("asked", State.SUCCEEDED, 0)]


def test_every_end_is_told(bench: Any) -> None:
    """Cancelled, interrupted and recovered operations are told of as well."""
    seen: list[State] = []
    registry = Registry(bench.lanes, ended=lambda operation: seen.append(operation.state))
    registry.admit(KEY, [], _work, _conclude).cancel()
    registry.admit(KEY, [], _work, _conclude)
    registry.stop(DEADLINE)
    found = Operation(owner="ann", method="COPY", source="/a", created=0.0)
    found.end(State.INTERRUPTED, Outcome(503))
    registry.remember(found)
    assert seen == [State.CANCELLED, State.INTERRUPTED, State.INTERRUPTED]


def test_who_is_told_of_ends_cannot_spoil_them(bench: Any) -> None:
    """A bug there is logged, and the operation has its outcome all the same."""

    def broken(_: Operation) -> None:
        raise KeyError

    registry = Registry(bench.lanes, ended=broken)
    operation = registry.admit(KEY, [], _work, _conclude)
    registry.begin(operation, DEADLINE)
    assert operation.outcome == Outcome(201)


def test_a_failed_check_is_no_end(bench: Any) -> None:
    """What was refused before anything was promised is not told."""
    seen: list[Operation] = []
    registry = Registry(bench.lanes, ended=seen.append)

    def check(_: Operation) -> None:
        raise Failure(409)

    with pytest.raises(Failure):
        registry.admit(KEY, [], _work, _conclude, check=check)
    assert seen == []
