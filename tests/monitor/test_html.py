"""The operations page as the server makes it."""

from types import SimpleNamespace
from typing import Any

from davkeep.monitor.html import HtmlPages
from davkeep.monitor.news import Position
from davkeep.operations import Operation, Outcome, State
from davkeep.words.callers import Caller


class Hasty(Operation):
    """Goes on whenever somebody asks how it stands."""

    @property
    def state(self) -> State:
        """What it was until now."""
        seen = super().state
        if seen is State.PENDING:
            self.begin()
        elif seen is State.RUNNING:
            self.end(State.SUCCEEDED, Outcome(201))
        return seen


def test_each_is_shown_once() -> None:
    """Also one that begins, or ends, while the page is made."""
    nothing: Any = SimpleNamespace(
        lanes=SimpleNamespace(now=lambda: 0.0),
        issue=lambda _: "token",
        position=Position("0", 1),
        heartbeat=5.0,
    )
    waits, runs = (
        Hasty(owner="", method="COPY", source="/a", destination="/b", created=0.0) for _ in range(2)
    )
    runs.begin()
    page = HtmlPages(nothing, nothing, nothing, kept=900.0).of_operations(
        Caller("", ""), [runs, waits]
    )
    for each in (waits, runs):
        assert page.content.count(f'data-id="{each.id}"'.encode()) == 1
