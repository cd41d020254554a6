"""A server in this process whose later threads are refused, kind by kind, and then are not."""

from pathlib import Path
from typing import Any

import pytest

from davkeep.operations import gate
from davkeep.words.threads import ThreadRefusedError
from harness.inside import Start
from harness.refusing import Refusing
from harness.trees import contents, plant
from harness.waiting import until

#: The threads that a server has before it serves.
FIRST = ("upkeep", "short", "long", "undo", "uploads", "lot", "linger", "pool-growth", "pool-")

#: Those that a COPY has it start later; the last one stands for every thread. How the pool grows is
#: tried in tests/server/test_pool.py.
LATER = ("short", "long", "member", "count", "")


def _copy(inside: Any, name: str) -> int:
    with inside.wire() as wire:
        answer = wire.ask("COPY", "/a", {"Destination": f"{inside.url}{name}"})
    return int(answer.status)


@pytest.mark.parametrize("kind", LATER)
def test_a_copy_without_more_threads(
    inside: Start, root: Path, refusing: Refusing, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It gets its answer with the threads that there are, and so does a later one with more."""
    # All work counts as one that waits for a disk, so that members are copied by helpers.
    monkeypatch.setattr(gate, "BUSY", 2.0)
    monkeypatch.setattr(gate, "LOOK", 0.0)
    planted = plant(root / "a", 300)
    server = inside(operations={"grace": 0})
    refusing.begin(f"davkeep-{kind}")
    for name in ("b", "c"):
        assert _copy(server, name) == 201
        assert contents(root / name) == planted
    assert refusing.refused > 0
    refusing.end()
    for name in ("d", "e"):
        assert _copy(server, name) == 201
    assert contents(root / "d") == planted
    until(lambda: not server.registry.unfinished(), "all is over")
    assert len(server.registry.reservations) == 0
    with server.wire() as wire:
        assert wire.ask("DELETE", "/a").status == 204


@pytest.mark.parametrize("kind", FIRST)
def test_a_server_that_lacks_a_first_thread(inside: Start, refusing: Refusing, kind: str) -> None:
    """It is said by a ThreadRefusedError before anything is served."""
    refusing.begin(f"davkeep-{kind}")
    with pytest.raises(ThreadRefusedError, match=kind):
        inside()


def test_a_webhook_without_its_thread(inside: Start, refusing: Refusing) -> None:
    """So is a receiver that nobody would tell anything."""
    refusing.begin("davkeep-webhook")
    row = {"url": "http://127.0.0.1:9/", "secret": "hush-hush"}
    with pytest.raises(ThreadRefusedError, match="webhook"):
        inside(webhooks=[row])
