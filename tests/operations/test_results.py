from davkeep.operations.operation import Operation
from davkeep.operations.results import EXPIRED_MOST, EXPIRED_SECONDS, KEPT_MOST, Results


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
