import json
import threading
from collections.abc import Callable, Iterable

import pytest

from davkeep.operations import Operation, State, describe
from davkeep.store.database import Database, StoreError
from davkeep.store.deliveries import Deliveries, Event, Tried
from davkeep.webhooks import Receiver, Webhooks
from harness.receiver import receiving

DEADLINE = 10.0

Make = Callable[..., Receiver]
Over = Callable[..., Operation]


class Broken(Deliveries):
    """A database that cannot be used."""

    def write(
        self, events: Iterable[Event], tried: Iterable[Tried] = (), *, durable: bool = True
    ) -> dict[str, int]:
        raise StoreError(28, "the state cannot be used")

    def keep_only(self, receivers: object) -> int:
        raise StoreError(5, "the state cannot be used")


def test_an_end_is_kept_for_those_who_want_it(
    receiver: Make, over: Over, deliveries: Deliveries
) -> None:
    """Each receiver whose filter fits is to be told; the others are not."""
    everything, failures = receiver(), receiver(1, url="https://two.example/", states=["failed"])
    webhooks = Webhooks([everything, failures], deliveries, clock=lambda: 77.0)
    operation = over()
    webhooks.ended(operation)
    (found,) = deliveries.due(everything.url)
    assert (found.operation, found.ended, found.failed) == (operation.id, 77.0, 0)
    assert json.loads(found.body) == describe(operation)
    assert deliveries.due(failures.url) == []


def test_without_webhooks_nothing_is_written(
    over: Over, database: Database, deliveries: Deliveries
) -> None:
    """No row and no change of the database, from start to stop."""
    before = database.rows("SELECT total_changes()")
    webhooks = Webhooks([], deliveries)
    webhooks.start()
    for state in (State.SUCCEEDED, State.INTERRUPTED):
        webhooks.ended(over(state))
    webhooks.stop()
    assert database.rows("SELECT total_changes()") == before


def test_without_webhooks_there_is_no_thread(deliveries: Deliveries) -> None:
    """Who does not use them does not pay for them."""
    before = threading.active_count()
    Webhooks([], deliveries).start()
    assert threading.active_count() == before


def test_a_failing_database_fails_no_operation(
    receiver: Make, over: Over, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is asked of it, the failure is logged and goes no further."""
    webhooks = Webhooks([receiver(states=["cancelled", "interrupted"])], Broken(database))
    webhooks.start()
    webhooks.ended(over(State.CANCELLED))
    webhooks.ended(over(State.INTERRUPTED))
    webhooks.stop()
    assert "cannot be read" in caplog.text
    assert "will not be told of 2 operations" in caplog.text
    assert "hush" not in caplog.text


def test_after_the_stop_the_database_is_left_alone(
    receiver: Make, over: Over, database: Database, deliveries: Deliveries
) -> None:
    """An operation that ends later, in a thread that hung, does not meet a closed database."""
    webhooks = Webhooks([receiver()], deliveries)
    webhooks.stop()
    database.close()
    webhooks.ended(over())
    webhooks.ended(over(State.INTERRUPTED))
    webhooks.stop()


def test_what_nobody_wants_any_more_is_dropped(
    deliveries: Deliveries, caplog: pytest.LogCaptureFixture
) -> None:
    """Deliveries to a URL that left the configuration go at the start, and the log says so."""
    deliveries.write([Event("a", b"", 0.0, ("https://old.example/",))])
    webhooks = Webhooks([], deliveries)
    webhooks.start()
    assert deliveries.due("https://old.example/") == []
    assert "1 deliveries to URLs that are not configured are dropped" in caplog.text


def test_it_reaches_real_receivers(
    receiver: Make, over: Over, deliveries: Deliveries, sent: dict[str, list[str]]
) -> None:
    """From the end of an operation to a server on a socket, once for each receiver, in order."""
    with receiving() as one, receiving() as two:
        webhooks = Webhooks([receiver(0, **one.row()), receiver(1, **two.row())], deliveries)
        webhooks.start()
        operations = [over() for _ in range(50)]
        for operation in operations:
            webhooks.ended(operation)
        ids = [operation.id for operation in operations]
        for each in (one, two):
            told = each.wait_for(50)
            assert sent[each.authority] == ids
            assert sorted(request.operation["id"] for request in told) == sorted(ids)
            assert all(request.is_signed() for request in told)
        webhooks.stop()
        assert len(one.told) == len(two.told) == 50
    assert deliveries.due(one.row()["url"]) == []
