import json
import threading
from collections.abc import Callable, Iterable

import pytest

from davkeep.operations import MemberFailure, Operation, Outcome, State, describe
from davkeep.store.database import Database, StoreError
from davkeep.store.deliveries import Deliveries, NewDelivery
from davkeep.webhooks import Receiver, Webhooks
from davkeep.webhooks.queue import Queue
from davkeep.webhooks.webhooks import MOST_ERRORS
from harness.receiver import receiving

DEADLINE = 10.0

Make = Callable[..., Receiver]
Over = Callable[..., Operation]


class Broken(Deliveries):
    """A database that cannot be used."""

    def add(self, new: object) -> int:
        raise StoreError(28, "the state cannot be used")

    def keep_only(self, receivers: object) -> int:
        raise StoreError(5, "the state cannot be used")


def test_an_end_is_kept_for_those_who_want_it(
    receiver: Make, over: Over, deliveries: Deliveries
) -> None:
    """Each receiver whose filter fits has a delivery, due at once; the others have none."""
    everything, failures = receiver(), receiver(1, url="https://two.example/", states=["failed"])
    webhooks = Webhooks([everything, failures], deliveries, clock=lambda: 77.0)
    operation = over()
    webhooks.ended(operation)
    found = deliveries.next(everything.url)
    assert found is not None
    assert (found.operation, found.due, found.failed) == (operation.id, 77.0, 0)
    assert json.loads(found.body) == describe(operation)
    assert deliveries.next(failures.url) is None


def test_a_long_list_of_errors_is_cut(receiver: Make, deliveries: Deliveries) -> None:
    """A tree of which everything failed makes no body that no receiver takes."""
    one = receiver()
    operation = Operation(owner="", method="DELETE", source="/a", created=0.0)
    operation.begin()
    failures = tuple(MemberFailure(f"/a/{number}", 403) for number in range(MOST_ERRORS + 1))
    operation.end(State.FAILED, Outcome(207, failures))
    Webhooks([one], deliveries).ended(operation)
    found = deliveries.next(one.url)
    assert found is not None
    body = json.loads(found.body)
    assert (len(body["errors"]), body["errors_total"]) == (MOST_ERRORS, MOST_ERRORS + 1)


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
    one = receiver(states=["cancelled", "interrupted"])
    webhooks = Webhooks([one], Broken(database))
    webhooks.start()
    webhooks.ended(over(State.CANCELLED))
    webhooks.ended(over(State.INTERRUPTED))
    webhooks.stop()
    assert "cannot be read" in caplog.text
    assert "will not be told of <Operation" in caplog.text
    assert "hush" not in caplog.text


def test_interrupted_ones_are_written_together(
    receiver: Make, over: Over, database: Database, deliveries: Deliveries
) -> None:
    """Thousands that a stop interrupts cost it one change of the database, not one each."""
    one = receiver()
    webhooks = Webhooks([one], deliveries)
    before = database.rows("SELECT total_changes()")
    operations = [over(State.INTERRUPTED) for _ in range(100)]
    for operation in operations:
        webhooks.ended(operation)
    assert database.rows("SELECT total_changes()") == before
    webhooks.stop()
    kept = database.rows("SELECT operation FROM deliveries ORDER BY number")
    assert [row[0] for row in kept] == [operation.id for operation in operations]


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
    receiver: Make, deliveries: Deliveries, caplog: pytest.LogCaptureFixture
) -> None:
    """Deliveries to a URL that left the configuration go at the start, and the log says so."""
    deliveries.add([NewDelivery("https://old.example/", "a", b"", 0.0)])
    webhooks = Webhooks([], deliveries)
    webhooks.start()
    assert deliveries.next("https://old.example/") is None
    assert "1 deliveries to URLs that are not configured are dropped" in caplog.text


def test_it_reaches_real_receivers(receiver: Make, over: Over, deliveries: Deliveries) -> None:
    """From the end of an operation to a server on a socket, once for each receiver."""
    with receiving() as one, receiving() as two:
        webhooks = Webhooks([receiver(0, **one.row()), receiver(1, **two.row())], deliveries)
        webhooks.start()
        operations = [over() for _ in range(5)]
        for operation in operations:
            webhooks.ended(operation)
        for each in (one, two):
            told = each.wait_for(5)
            assert [each.operation["id"] for each in told] == [each.id for each in operations]
            assert all(each.is_signed() for each in told)
        webhooks.stop()
        assert len(one.told) == len(two.told) == 5


def test_what_could_not_be_written_is_written_later(
    receiver: Make, over: Over, database: Database
) -> None:
    """Interrupted operations wait in their order for a database that works again."""

    class FullOnce(Deliveries):
        is_full = True

        def add(self, new: Iterable[NewDelivery]) -> int:
            if self.is_full:
                raise StoreError(28, "the state cannot be used")
            return super().add(new)

    one, store = receiver(), FullOnce(database)
    queue = Queue(store)
    queue.add_soon([NewDelivery(one.url, name, b"", 0.0) for name in "abc"])
    with pytest.raises(StoreError):
        queue.next(one.url)
    store.is_full = False
    queue.add_soon([NewDelivery(one.url, "d", b"", 0.0)])
    queue.close()
    assert database.rows("SELECT operation FROM deliveries ORDER BY number") == [
        ("a",),
        ("b",),
        ("c",),
        ("d",),
    ]
