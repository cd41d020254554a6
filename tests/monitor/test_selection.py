"""The list of operations: its order, and what a program may ask of it."""

from typing import Any

import pytest

from davkeep.operations import Operation, Outcome, State
from harness.inside import Inside, Start
from harness.onlooker import OPERATIONS, Onlooker


@pytest.fixture
def server(inside: Start) -> Inside:
    """A server in this process."""
    return inside()


def ids(server: Inside, query: str = "") -> tuple[list[str], int]:
    """Those that are listed, and how many there are."""
    answer = Onlooker(server.url).ask("GET", f"{OPERATIONS}{query}")
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()], int(answer.headers["X-Total-Count"])


def test_the_order(server: Inside) -> None:
    """What runs, what waits, each in the order of asking; then the last that ended first."""
    waiting = [server.admit().operation.id]
    early, late = server.begin(), server.begin()
    running = [server.begin().operation.id for _ in range(2)]
    waiting.append(server.admit().operation.id)
    late.end()
    early.end()
    over = [early.operation.id, late.operation.id]
    assert ids(server) == ([*running, *waiting, *over], 6)
    assert ids(server, "?limit=3") == ([*running, waiting[0]], 6)
    assert ids(server, "?limit=1000&other=x") == ([*running, *waiting, *over], 6)
    assert ids(server, "?state=pending,running&limit=1") == (running[:1], 4)
    assert ids(server, "?state=succeeded,failed&limit=1") == (over[:1], 2)
    assert ids(server, "?state=cancelled") == ([], 0)


def test_those_whose_identifier_begins_so(server: Inside) -> None:
    """Of all states, with the other parameters, and only those."""
    one = server.begin().operation.id
    other = server.ended().operation.id
    assert ids(server, f"?id={one}") == ([one], 1)
    assert ids(server, f"?id={other[:12]}&limit=2") == ([other], 1)
    assert ids(server, f"?id={other[:12]}&state=running") == ([], 0)


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=", "limit=x", "limit=1.5", "limit=%C2%B2"),
        *("limit=" + "9" * 10, "limit=1&limit=2"),
        *("state=", "state=over", "state=running,", "state=failed&state=failed"),
        *("id=", "id=x", "id=A", "id=%D9%A1", "id=" + "0" * 33, "id=1&id=2"),
    ],
)
def test_what_cannot_be_asked_for(server: Inside, query: str) -> None:
    """400."""
    assert Onlooker(server.url).ask("GET", f"{OPERATIONS}?{query}").status_code == 400


def test_what_runs_is_among_the_first_of_very_many(server: Inside) -> None:
    """However many have ended since."""
    running = server.begin().operation.id
    for number in range(1000):
        over = Operation(owner="", address="127.0.0.1", method="PUT", source="/x", created=number)
        over.begin()
        over.end(State.SUCCEEDED, Outcome(201))
        server.registry.remember(over)
    found: Any = ids(server, "?limit=10")
    assert (found[0][0], len(found[0]), found[1]) == (running, 10, 1001)
