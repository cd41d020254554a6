from collections.abc import Callable

import pytest

from davkeep.operations import Operation, State
from davkeep.webhooks import Receiver
from davkeep.words.configuration import Webhook
from davkeep.words.signature import signature

Make = Callable[..., Receiver]
Over = Callable[..., Operation]


def test_everything_is_wanted_by_default(receiver: Make, over: Over) -> None:
    """Without a filter every method and every end counts."""
    everything = receiver()
    assert all(everything.wants(over(state)) for state in State if state.is_over)
    assert all(everything.wants(over(method=name)) for name in ("COPY", "MOVE", "DELETE", "PUT"))


def test_a_filter_takes_both_parts(receiver: Make, over: Over) -> None:
    """Method and state both have to be among those that are named."""
    failures = receiver(methods=["COPY", "MOVE"], states=["failed", "interrupted"])
    assert failures.wants(over(State.FAILED, "MOVE"))
    assert not failures.wants(over(State.FAILED, "PUT"))
    assert not failures.wants(over(State.SUCCEEDED, "MOVE"))


def test_fields_are_signed_at_the_moment_of_the_attempt(receiver: Make) -> None:
    """Identifier, whole seconds and signature belong together, as the specification has them."""
    fields = receiver().fields("a1", 1700.9, b"{}")
    assert (fields["webhook-id"], fields["webhook-timestamp"]) == ("a1", "1700")
    assert fields["webhook-signature"] == signature(b"hush-hush", "a1", 1700, b"{}")


def test_nothing_secret_is_shown(receiver: Make) -> None:
    """The name that the log uses, and what a debugger prints, hold neither key nor URL."""
    one = receiver(3)
    assert one.name == "webhook 3 (example.org)"
    assert "hush" not in repr(one) + str(one)


def test_a_row_without_its_secret_is_a_bug() -> None:
    """A file that was not read is never taken for an empty key."""
    with pytest.raises(ValueError, match="no secret"):
        Receiver.of(0, Webhook(url="https://example.org/", secret_file="f"))
