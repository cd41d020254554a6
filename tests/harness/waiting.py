"""Waiting for what has no event: the state of a file system, or of another process."""

import threading
import time
from collections.abc import Callable

from harness.server import DEADLINE

#: Seconds between two looks.
PAUSE = 0.01


def until(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """Return as soon as ``condition`` holds; fails after ``deadline`` seconds."""
    give_up = time.monotonic() + deadline
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < give_up, f"not within {deadline} s: {what}"
        pause.wait(PAUSE)
