"""Work that is left at one of its checkpoints."""

from collections.abc import Generator
from typing import Any


def ends_within(steps: Generator[Any, None, Any], count: int) -> bool:
    """Take ``count`` steps; tell whether they ended before."""
    for _ in range(count):
        try:
            next(steps)
        except StopIteration:
            return True
    return False


def closed_after(steps: Generator[Any, None, Any], count: int) -> bool:
    """Take ``count`` steps and close; tell whether they ended before."""
    has_ended = ends_within(steps, count)
    steps.close()
    return has_ended
