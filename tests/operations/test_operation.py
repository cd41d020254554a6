import threading

import pytest

from davkeep.operations.operation import Operation
from davkeep.operations.outcome import Outcome, cancelled
from davkeep.operations.state import IllegalTransition, State


@pytest.fixture
def operation() -> Operation:
    return Operation(owner="ann", method="DELETE", source="/a", created=12.0)


def _raise() -> None:
    raise KeyError("a bug")


def _end(operation: Operation) -> None:
    operation.begin()
    operation.end(State.SUCCEEDED, Outcome(204))


def test_ids_cannot_be_guessed_and_are_safe_in_file_names() -> None:
    """Each operation has an identifier of its own, of 128 random bits in hexadecimal."""
    ids = {Operation(owner="", method="COPY", source="/", created=0.0).id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(id) == 32 and set(id) <= set("0123456789abcdef") for id in ids)


def test_a_subscriber_is_called_once_at_the_end(operation: Operation) -> None:
    """The end calls each subscriber exactly once, with the outcome already there."""
    seen: list[Outcome | None] = []
    operation.subscribe(lambda: seen.append(operation.outcome))
    assert operation.waiters == 1
    _end(operation)
    assert seen == [Outcome(204)]
    assert operation.waiters == 0


def test_a_late_subscriber_is_called_at_once(operation: Operation) -> None:
    """Who subscribes to an operation that is over need not wait."""
    _end(operation)
    seen: list[str] = []
    operation.subscribe(lambda: seen.append("called"))
    assert seen == ["called"]


def test_unsubscribing(operation: Operation) -> None:
    """Who has unsubscribed is neither counted nor called."""
    seen: list[str] = []

    def callback() -> None:
        seen.append("called")

    operation.subscribe(callback)
    operation.unsubscribe(callback)
    assert operation.waiters == 0
    _end(operation)
    assert seen == []


def test_a_subscriber_that_raises_is_logged_and_the_others_are_called(
    operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    """Subscribers are isolated from each other and from the thread that ends the operation."""
    seen: list[str] = []
    operation.subscribe(lambda: seen.append("first"))
    operation.subscribe(_raise)
    operation.subscribe(lambda: seen.append("last"))
    _end(operation)
    assert seen == ["first", "last"]
    assert "KeyError" in caplog.text


def test_waiting(operation: Operation) -> None:
    """A wait ends with the outcome, and with None when its time is up before."""
    assert operation.wait(0) is None
    timer = threading.Thread(target=_end, args=(operation,))
    timer.start()
    assert operation.wait(10) == Outcome(204)
    timer.join()


def test_an_operation_ends_once(operation: Operation) -> None:
    """A second end is a bug of the driver and raises."""
    _end(operation)
    with pytest.raises(IllegalTransition):
        operation.end(State.CANCELLED, cancelled())
    assert operation.outcome == Outcome(204)


def test_cancelling_wakes_the_driver_once(operation: Operation) -> None:
    """A cancel asked for twice is one cancel."""
    woken: list[str] = []
    operation.on_cancel = lambda _: woken.append("woken")
    assert operation.cancel()
    assert operation.cancel()
    assert operation.is_cancel_due
    assert woken == ["woken"]


def test_what_is_over_cannot_be_cancelled(operation: Operation) -> None:
    """Cancelling comes too late after the end."""
    _end(operation)
    assert not operation.cancel()


def test_what_was_answered_cannot_be_cancelled(operation: Operation) -> None:
    """The promises, DELETE: once answered it cannot be cancelled, nor undone by a stop."""
    operation.begin()
    operation.reach_effective_point(Outcome(204), cancellable=True)
    assert operation.mark_answered()
    assert not operation.cancel()
    assert not operation.begin_undo()
    assert not operation.is_cancel_due


def test_what_is_being_cancelled_is_not_answered_early(operation: Operation) -> None:
    """A DELETE that is cancelled after its effective point answers only its final outcome."""
    operation.begin()
    operation.reach_effective_point(Outcome(204), cancellable=True)
    assert operation.cancel()
    assert not operation.mark_answered()
    operation.end(State.CANCELLED, cancelled())
    assert not operation.mark_answered()


def test_what_a_stop_undoes_is_not_answered_early(operation: Operation) -> None:
    """Between the decision to undo and the end, no early answer can slip in."""
    operation.begin()
    operation.reach_effective_point(Outcome(204), cancellable=True)
    assert operation.begin_undo()
    assert not operation.mark_answered()


def test_what_comes_back_is_not_answered_early(operation: Operation) -> None:
    """From the moment that a DELETE takes something back, only its end is told."""
    operation.begin()
    operation.reach_effective_point(Outcome(204), cancellable=True)
    assert operation.recall()
    assert not operation.mark_answered()
    called: list[str] = []
    operation.subscribe(lambda: called.append("early"), early=True)
    assert called == []
    operation.end(State.FAILED, Outcome(207))
    assert called == ["early"]
    assert operation.outcome == Outcome(207)


def test_what_was_answered_does_not_come_back(operation: Operation) -> None:
    """Who was told that a tree is gone never sees it again."""
    operation.begin()
    operation.reach_effective_point(Outcome(204), cancellable=True)
    assert operation.mark_answered()
    assert not operation.recall()


def test_a_copy_cannot_be_cancelled_after_its_swap(operation: Operation) -> None:
    """A cancel that comes before the swap but is not seen until after it is void."""
    operation.begin()
    assert operation.cancel()
    operation.reach_effective_point()
    assert not operation.is_cancel_due
    assert not operation.cancel()


def test_early_subscribers_are_called_at_the_effective_point(operation: Operation) -> None:
    """Clients that cannot wait for the purge are woken at the effective point, and only then."""
    seen: list[str] = []
    operation.subscribe(lambda: seen.append("early"), early=True)
    operation.subscribe(lambda: seen.append("end"))
    operation.begin()
    operation.reach_effective_point(Outcome(204), cancellable=True)
    assert seen == ["early"]
    assert operation.early_outcome == Outcome(204)
    operation.subscribe(lambda: seen.append("late"), early=True)
    operation.end(State.SUCCEEDED, Outcome(204))
    assert seen == ["early", "late", "end"]


def test_without_an_early_outcome_early_subscribers_wait_for_the_end(operation: Operation) -> None:
    """The effective point of a COPY answers nobody."""
    seen: list[str] = []
    operation.subscribe(lambda: seen.append("early"), early=True)
    operation.begin()
    operation.reach_effective_point()
    assert seen == []
    operation.end(State.SUCCEEDED, Outcome(201))
    assert seen == ["early"]


def test_the_anonymous_user_takes_turns_by_address() -> None:
    """A name is one account from everywhere, the anonymous user one account per address."""
    ann = Operation(owner="ann", address="10.0.0.1", method="COPY", source="/", created=0.0)
    nobody = Operation(owner="", address="10.0.0.1", method="COPY", source="/", created=0.0)
    assert ann.account == ("ann", "")
    assert nobody.account == ("", "10.0.0.1")
