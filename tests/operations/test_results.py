from typing import Any

import pytest

from davkeep.operations.lasting import read, written
from davkeep.operations.operation import Operation
from davkeep.operations.outcome import CANCELLED_CONDITION, MemberFailure, Outcome
from davkeep.operations.results import EXPIRED_MOST, EXPIRED_SECONDS, KEPT_MOST, Results
from davkeep.operations.state import State
from davkeep.operations.statuses import status_of
from davkeep.store.results import KeptResult


def _operation() -> Operation:
    return Operation(owner="ann", method="COPY", source="/a", created=0.0)


def test_a_result_is_kept_for_its_time() -> None:
    """A finished operation is readable until keep_results seconds after its end."""
    results, operation = Results(900.0), _operation()
    results.add(100.0, operation)
    results.purge(999.9)
    assert results.get(operation.id) is operation
    results.purge(1000.0)
    assert results.get(operation.id) is None
    assert results.expired(operation.id)


def test_an_expired_one_is_forgotten_after_a_day() -> None:
    """An expired identifier is told from an unknown one for 24 hours."""
    results, operation = Results(900.0), _operation()
    results.add(0.0, operation)
    results.purge(900.0 + EXPIRED_SECONDS - 1)
    assert results.expired(operation.id)
    results.purge(900.0 + EXPIRED_SECONDS)
    assert not results.expired(operation.id)


def test_only_so_many_expired_ones_are_remembered() -> None:
    """Of more than 10,000 expired identifiers the oldest are forgotten."""
    results = Results(1.0)
    operations = [_operation() for _ in range(EXPIRED_MOST + 2)]
    for operation in operations:
        results.add(0.0, operation)
    results.purge(2.0)
    assert [bool(results.expired(kept.id)) for kept in operations[:3]] == [False, False, True]


def test_finished_ones_are_bounded_and_dropped_as_others_end() -> None:
    """What goes is told, and there are never too many."""
    results, first, second = Results(1.0), _operation(), _operation()
    results.add(0.0, first)
    results.add(1.0, second)
    assert results.purge(1.0) == [first]
    assert results.operations() == [second]
    for _ in range(KEPT_MOST):
        results.add(1.5, _operation())
    assert results.purge(1.5) == [second]
    assert len(results.operations()) == KEPT_MOST
    assert results.expired(second.id)


# Over an orderly stop


def _ended(state: State = State.FAILED, owner: str = "", **outcome: Any) -> Operation:
    operation = Operation(
        owner=owner,
        address="" if owner else "::1",
        method="MOVE",
        source="/a%20b",
        destination="/c",
        created=5.0,
    )
    operation.begin()
    operation.progress.members_done, operation.progress.bytes_done = 3, 40
    operation.ended = 6.5
    operation.left_behind = True
    operation.end(state, Outcome(**outcome))
    return operation


OUTCOMES: list[tuple[State, dict[str, Any]]] = [
    (State.SUCCEEDED, {"status": 201, "fields": (("ETag", '"1-ü"'), ("Location", "/c"))}),
    (State.FAILED, {"status": 207, "failures": (MemberFailure("/a%20b/x", 403),)}),
    (State.CANCELLED, {"status": 409, "explanation": "Nö.", "condition": CANCELLED_CONDITION}),
    (State.INTERRUPTED, {"status": 503, "explanation": "The server was stopped."}),
]


@pytest.mark.parametrize(("state", "outcome"), OUTCOMES, ids=lambda value: str(value)[:20])
def test_an_operation_is_read_as_it_was_written(state: State, outcome: dict[str, Any]) -> None:
    """All that is told of it, and its final response."""
    operation = _ended(state, **outcome)
    text = written(operation)
    assert text is not None
    again = read(text)
    assert status_of(again, 0.0) == status_of(operation, 0.0)
    assert again.standing == operation.standing
    assert (again.account, again.left_behind) == (operation.account, True)
    assert not again.cancel()


def test_what_is_not_over_is_not_written() -> None:
    """Recovery finds it."""
    operation = _operation()
    assert written(operation) is None
    operation.begin()
    assert written(operation) is None


def test_results_are_gone_on_with() -> None:
    """Each for the rest of its time, then 410 for the rest of a day, whatever the clock before."""
    first, second = _ended(status=500), _ended(owner="ann", status=500)
    before = Results(100.0)
    before.add(1000.0, first)
    before.add(1050.0, second)
    after = Results(100.0)
    # Stopped at second 1060 of one clock, and started 20 seconds later at second 3 of another.
    after.resume(before.leave(1060.0, 50_000.0), 3.0, 50_020.0)
    assert [kept.id for kept in after.operations()] == [first.id, second.id]
    after.purge(22.9)
    assert after.get(first.id)
    after.purge(23.0)
    assert (after.get(first.id), after.expired(first.id)) == (None, first.account)
    after.purge(73.0)
    assert after.expired(second.id) == ("ann", "")
    again = Results(100.0)
    again.resume(after.leave(73.0, 50_090.0), 0.0, 50_090.0)
    assert (again.expired(first.id), again.expired(second.id)) == (("", "::1"), ("ann", ""))
    again.purge(EXPIRED_SECONDS - 51)
    assert again.expired(first.id)
    again.purge(EXPIRED_SECONDS - 49)
    assert (again.expired(first.id), again.expired(second.id)) == (None, ("ann", ""))


def test_what_expired_while_nothing_ran() -> None:
    """It is 410 at once, until a day after its time was over, and then unknown."""
    result, before = _ended(status=500), Results(100.0)
    before.add(0.0, result)
    left = before.leave(0.0, 1000.0)
    soon, late = Results(100.0), Results(100.0)
    soon.resume(left, 0.0, 1500.0)
    assert (soon.get(result.id), soon.expired(result.id)) == (None, result.account)
    soon.purge(EXPIRED_SECONDS - 399)
    assert soon.expired(result.id) is None
    late.resume(left, 0.0, 1100.0 + EXPIRED_SECONDS)
    assert late.expired(result.id) is None


def test_a_clock_that_was_set_back() -> None:
    """Nothing is kept for longer than it was to be."""
    result, before = _ended(status=500), Results(100.0)
    before.add(0.0, result)
    after = Results(100.0)
    after.resume(before.leave(0.0, 1_000_000.0), 0.0, 0.0)
    after.purge(100.0)
    assert after.get(result.id) is None
    after.purge(100.0 + EXPIRED_SECONDS)
    assert after.expired(result.id) is None


def test_recovery_knows_better() -> None:
    """What is found again takes the place of what was read, and its time begins anew."""
    read_in, before = _ended(State.INTERRUPTED, status=503), Results(100.0)
    before.add(0.0, read_in)
    other = _ended(status=500)
    before.add(1.0, other)
    after = Results(100.0)
    after.resume(before.leave(50.0, 0.0), 0.0, 0.0)
    found = Operation(
        id=read_in.id, owner="", address="::1", method="MOVE", source="/a", created=5.0
    )
    after.add(10.0, found)
    assert after.operations()[-1] is found
    after.purge(60.0)
    assert after.operations() == [found]


def test_no_more_than_are_kept() -> None:
    """The bound holds over a stop, for results and for what has expired."""
    operation = _ended(status=500)
    text = written(operation)
    left = [KeptResult(f"{n}", 100.0 + n, "", "::1", text) for n in range(KEPT_MOST + 5)]
    left += [KeptResult(f"e{n}", 100.0 + n, "", "::1", None) for n in range(EXPIRED_MOST + 5)]
    after = Results(1e9)
    after.resume(left, 0.0, 0.0)
    assert len(after.operations()) == KEPT_MOST
    assert len(after.leave(0.0, 0.0)) == KEPT_MOST + EXPIRED_MOST
