import json

from davkeep.operations import MemberFailure, Operation, Outcome, State, describe
from davkeep.webhooks.body import MOST_BODY, body_of


def _failed(count: int) -> Operation:
    operation = Operation(owner="", method="DELETE", source="/a", created=0.0)
    operation.begin()
    failures = tuple(MemberFailure(f"/a/{'x' * 400}{number}", 403) for number in range(count))
    operation.end(State.FAILED, Outcome(207, failures))
    return operation


def test_it_is_what_the_status_monitor_says() -> None:
    """With all failed members, where they fit."""
    for count in (0, 1, 100):
        operation = _failed(count)
        assert json.loads(body_of(operation)) == describe(operation)


def test_as_many_failures_as_fit_are_named() -> None:
    """Twenty thousand failed members make a body of 64 KiB, which says how many they were."""
    body = body_of(_failed(20_000))
    assert MOST_BODY - 500 < len(body) <= MOST_BODY
    described = json.loads(body)
    assert 100 < len(described["errors"]) < 200
    assert described["errors_total"] == 20_000
    assert described["errors"][0]["href"].endswith("x0")
