"""A moment inside a server of this process, held for as long as a test wants."""

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from harness.inside import Inside
from harness.server import DEADLINE
from harness.waiting import until


class Standing:
    """The first call of a function stands, before it does its work or after, until ``go``."""

    def __init__(
        self, patch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool = False
    ) -> None:
        """``owner`` is the module or class in which the function is looked up by ``name``."""
        self._original = getattr(owner, name)
        self._after = after
        self._is_first = threading.Lock()
        self._reached = threading.Event()
        self._opened = threading.Event()

        def stood(*arguments: Any, **named: Any) -> Any:
            return self._call(*arguments, **named)

        patch.setattr(owner, name, stood)

    def _call(self, *arguments: Any, **named: Any) -> Any:
        stands = self._is_first.acquire(blocking=False)
        if stands and not self._after:
            self._stand()
        answer = self._original(*arguments, **named)
        if stands and self._after:
            self._stand()
        return answer

    def _stand(self) -> None:
        self._reached.set()
        assert self._opened.wait(DEADLINE)

    def wait(self) -> None:
        """Wait until it stands."""
        assert self._reached.wait(DEADLINE)

    def go(self) -> None:
        """Let it go on."""
        self._opened.set()


def is_waiting(server: Inside, answer: "Future[Any]") -> bool:
    """Whether a request waits for what another one has reserved; False once it is answered."""
    holdings = server.registry.reservations._holdings

    def waits() -> bool:
        return any(holding.waiting for holding in list(holdings.values()))

    until(lambda: answer.done() or waits(), "the request waits or is answered")
    return not answer.done()
