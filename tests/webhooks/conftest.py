"""What the tests of webhooks share: a clock, a database, a receiver's row, ended operations."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from davkeep.http import Connection
from davkeep.operations import Operation, Outcome, State
from davkeep.store.database import Database
from davkeep.store.deliveries import Deliveries
from davkeep.webhooks import Receiver
from davkeep.words.configuration import Webhook


class Clock:
    """Seconds of the epoch, which pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state") as database:
        yield database


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


@pytest.fixture
def receiver() -> Callable[..., Receiver]:
    """Makes receivers: ``receiver(attempts=3)``."""

    def make(number: int = 0, **row: Any) -> Receiver:
        given = {"url": "https://example.org/told?token=hush", "secret": "hush-hush"}
        return Receiver.of(number, Webhook.model_validate({**given, **row}))

    return make


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The identifiers of what has left here, in order, by the receiver's authority.

    The threads of a receiver on a busy machine may swap two that came on two connections.
    """
    found: dict[str, list[str]] = defaultdict(list)
    send = Connection.send

    def noted(self: Connection, method: str, target: str, fields: Any, content: bytes) -> None:
        found[self._authority].append(fields["webhook-id"])
        send(self, method, target, fields, content)

    monkeypatch.setattr(Connection, "send", noted)
    return found


@pytest.fixture
def over() -> Callable[..., Operation]:
    """Makes operations that are over: ``over(State.FAILED, method="MOVE")``."""

    def make(state: State = State.SUCCEEDED, method: str = "COPY") -> Operation:
        operation = Operation(owner="ann", method=method, source="/a", created=1.0)
        operation.begin()
        operation.end(state, Outcome(201 if state is State.SUCCEEDED else 500))
        return operation

    return make
