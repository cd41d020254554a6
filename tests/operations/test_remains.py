from typing import Any

import pytest

from davkeep.operations import Operation, Registry, RepeatKey
from davkeep.operations.remains import what_remains


def _operation(method: str, *, done: int = 0, left_behind: bool = False) -> Operation:
    operation = Operation(owner="ann", method=method, source="/a", created=0.0)
    operation.progress.members_done = done
    operation.left_behind = left_behind
    return operation


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("COPY", "Nothing of the copy is left."),
        ("MOVE", "Everything is where it was."),
        ("PUT", "What was there before is there still."),
        ("DELETE", "Nothing was removed."),
    ],
)
def test_without_a_trace(method: str, told: str) -> None:
    """Each method has its own way of having changed nothing."""
    assert what_remains(_operation(method), is_undone=True) == told


@pytest.mark.parametrize("method", ["COPY", "MOVE", "PUT"])
def test_something_is_hidden(method: str) -> None:
    """What could not be taken away is said to be there, whether an error told so or the work."""
    told = what_remains(_operation(method, left_behind=True), is_undone=True)
    assert "hidden" in told
    assert what_remains(_operation(method), is_undone=False) == told


def test_a_delete_that_had_begun_to_purge() -> None:
    """What is gone is gone; the rest is back, or hidden where its name was taken."""
    back = what_remains(_operation("DELETE", done=12), is_undone=True)
    assert back == "Up to 12 members are gone for good, the rest is in its place."
    hidden = what_remains(_operation("DELETE", done=12, left_behind=True), is_undone=True)
    assert "12 members are gone for good, the rest is hidden" in hidden


def test_the_moment_of_the_end(bench: Any) -> None:
    """It is known by the time that the end is told."""
    registry = Registry(bench.lanes, clock=lambda: 5_000.0, monotonic=bench.clock)
    seen: list[float | None] = []
    key = RepeatKey("ann", "COPY", "/a", "/b")
    operation = registry.admit(key, [], bench.noted("a"), bench._conclude)
    operation.subscribe(lambda: seen.append(operation.ended))
    assert operation.ended is None
    registry.begin(operation, 1.0)
    assert seen == [5_000.0]


def test_being_cancelled(bench: Any) -> None:
    """From the request to the end of undoing, and no longer."""
    gate = bench.gate()
    operation = bench.queue(bench.gated(gate))
    gate.wait()
    assert not operation.is_being_cancelled
    operation.cancel()
    assert operation.is_being_cancelled
    gate.opened.set()
    operation.wait(10.0)
    assert not operation.is_being_cancelled
