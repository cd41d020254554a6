"""Requests that want each other's trees, in every order."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.server import DEADLINE, RunningServer, Serve
from harness.trees import contents, members, plant
from harness.wire import Wire

TREES = ("a", "b", "a/sub", "b/sub")
#: Pairs of clients that oppose each other, and how often each asks.
PAIRS = 4
ROUNDS = 25
#: What may become of such a request: done, conflict, nothing there any more, one in the other.
POSSIBLE = {201, 204, 403, 404, 409, 423}


def _ask(server: RunningServer, wishes: list[tuple[str, str, str]]) -> list[int]:
    """Ask one after the other; each socket gives up at the deadline."""
    statuses = []
    with Wire(server.host, server.port) as client:
        for method, source, destination in wishes:
            to = {"Destination": f"{server.url}{destination}"}
            statuses.append(client.ask(method, f"/{source}", to).status)
    return statuses


def _opposing(dice: random.Random) -> tuple[list[tuple[str, str, str]], ...]:
    """What two clients ask, each the other's opposite."""
    there, back = [], []
    for _ in range(ROUNDS):
        one, other = dice.sample(TREES, 2)
        there.append((dice.choice(("COPY", "MOVE")), one, other))
        back.append((dice.choice(("COPY", "MOVE")), other, one))
    return there, back


@pytest.mark.parametrize("seed", range(2))
def test_opposing_requests_all_end(
    serve: Serve, root: Path, together: ThreadPoolExecutor, seed: int
) -> None:
    """Random pairs of COPY and MOVE from one tree to another and back: each gets its answer.

    Afterwards nothing is taken any more, and nothing is left behind.
    """
    for tree in TREES:
        plant(root / tree, 5, f"{tree} ")
    server = serve(
        operations={"grace": 0, "conflict_wait": 0.1, "max_members_per_second": 500},
        fsync=False,
    )
    dice = random.Random(seed)
    wishes = [wish for _ in range(PAIRS) for wish in _opposing(dice)]
    asked = [together.submit(_ask, server, wish) for wish in wishes]
    seen = [status for each in asked for status in each.result(4 * DEADLINE)]
    assert len(seen) == 2 * PAIRS * ROUNDS
    assert set(seen) <= POSSIBLE
    assert {201, 204} & set(seen)
    assert not server.staging()
    plant(root / "fresh", 3)
    for name in set(members(root)) - {"fresh"}:
        assert _free(server, name) == 204
        assert contents(root / name) == contents(root / "fresh")


def _free(server: RunningServer, name: str) -> Any:
    return _ask(server, [("COPY", "fresh", name)])[0]
