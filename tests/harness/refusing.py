"""A system that starts no threads for a while, in this process."""

import _thread
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

#: What CPython says when pthread_create(3) fails.
MESSAGE = "can't start new thread"


class Refusing:
    """Between ``begin`` and ``end`` no thread is started whose name begins with ``davkeep-``.

    Threads of the test itself are none of its business.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._prefix: str | None = None
        self._allowed = 0

    def begin(self, prefix: str = "davkeep-", *, allowed: int = 0) -> None:
        """Refuse threads of that name from now on, but for the next that are ``allowed``."""
        self._prefix, self._allowed = prefix, allowed

    def end(self) -> None:
        """Start everything again."""
        self._prefix = None

    def start(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> int:
        """Stand for ``_thread.start_new_thread``."""
        thread = getattr(function, "__self__", None)
        name = thread.name if isinstance(thread, threading.Thread) else ""
        if self._prefix is not None and name.startswith(self._prefix):
            self._allowed -= 1
            if self._allowed >= 0:
                return _thread.start_new_thread(function, arguments)
            self.refused += 1
            raise RuntimeError(MESSAGE)
        return _thread.start_new_thread(function, arguments)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    """Give the system that may refuse."""
    made = Refusing()
    monkeypatch.setattr(threading, "_start_new_thread", made.start)
    yield made
    made.end()
