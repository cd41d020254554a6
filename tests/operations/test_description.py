import json

from davkeep.operations import MemberFailure, Operation, Outcome, State, describe
from davkeep.operations.description import describe_job


def _operation() -> Operation:
    return Operation(
        id="a1b2",
        owner="ann",
        method="COPY",
        source="/a%20b/",
        destination="/c/",
        created=1_700_000_000.25,
    )


def test_one_that_runs() -> None:
    """Totals are null until they are known, and so are status and explanation until the end."""
    operation = _operation()
    operation.begin()
    operation.progress.members_done, operation.progress.bytes_done = 3, 4096
    assert describe(operation, estimated_seconds=7.5) == {
        "id": "a1b2",
        "owner": "ann",
        "method": "COPY",
        "source": "/a%20b/",
        "destination": "/c/",
        "state": "running",
        "created": "2023-11-14T22:13:20.250Z",
        "ended": None,
        "members_done": 3,
        "members_total": None,
        "bytes_done": 4096,
        "bytes_total": None,
        "estimatedSeconds": 7.5,
        "status": None,
        "explanation": None,
        "left_behind": False,
        "errors": [],
        "errors_total": 0,
        "errors_omitted": 0,
        "statusUrl": "/.davkeep/operations/a1b2",
    }


def test_one_that_is_over() -> None:
    """Status and failed members are those of the final response, and nothing is left of it."""
    operation = _operation()
    operation.begin()
    operation.progress.members_total = 9
    operation.ended, operation.left_behind = 1_700_000_001.0, True
    failures = (MemberFailure("/a/x", 403), MemberFailure("/a/y", 500))
    operation.end(State.FAILED, Outcome(207, failures))
    described = describe(operation, estimated_seconds=1.0)
    assert (described["state"], described["status"]) == ("failed", 207)
    assert described["errors"] == [{"href": "/a/x", "status": 403}, {"href": "/a/y", "status": 500}]
    assert (described["members_total"], described["estimatedSeconds"]) == (9, None)
    assert (described["ended"], described["left_behind"]) == ("2023-11-14T22:13:21.000Z", True)


def test_no_total_is_below_what_is_done() -> None:
    """A tree that grew after it was counted has at least as many members as were treated."""
    operation = _operation()
    operation.begin()
    operation.progress.members_done, operation.progress.members_total = 7, 5
    assert describe(operation)["members_total"] == 7


def test_errors_can_be_limited() -> None:
    """However few are listed, their whole number is told."""
    operation = _operation()
    operation.begin()
    failures = tuple(MemberFailure(f"/a/{number}", 403) for number in range(5))
    operation.end(State.FAILED, Outcome(207, failures))
    described = describe(operation, most_errors=2)
    assert (len(described["errors"]), described["errors_total"]) == (2, 5)


def test_it_becomes_json() -> None:
    """Whatever was asked for, the description can be sent: a name of any bytes is escaped."""
    operation = Operation(owner="\udcff", method="PUT", source="/\udcff", created=0.0)
    assert json.loads(json.dumps(describe(operation)))["source"] == "/\udcff"


def _ended(outcome: Outcome) -> Operation:
    operation = _operation()
    operation.begin()
    operation.end(outcome.state, outcome)
    return operation


def test_a_job_of_owncloud() -> None:
    """Before it begins, while it runs, and each end."""
    operation = _operation()
    assert describe_job(operation) == {"status": "init"}
    operation.begin()
    assert describe_job(operation) == {"status": "started"}
    stored = Outcome(201, fields=(("ETag", '"1-2"'),))
    assert describe_job(_ended(stored)) == {"status": "finished", "ETag": '"1-2"'}
    assert describe_job(_ended(Outcome(204))) == {"status": "finished"}
    assert describe_job(_ended(Outcome(507, explanation="The disk is full."))) == {
        "status": "error",
        "errorCode": 507,
        "errorMessage": "The disk is full.",
    }
    partly = Outcome(207, (MemberFailure("/a/b", 403),))
    assert describe_job(_ended(partly)) == {
        "status": "error",
        "errorCode": 207,
        "errorMessage": "Multi-Status",
    }
