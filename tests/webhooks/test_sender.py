import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from davkeep.store.database import Database, StoreError
from davkeep.store.deliveries import Deliveries, Delivery, NewDelivery
from davkeep.webhooks import Receiver
from davkeep.webhooks.poster import Answer
from davkeep.webhooks.queue import Queue
from davkeep.webhooks.sender import LONGEST_WAIT, STORE_PAUSE, Sender

DEADLINE = 10.0


@dataclass
class Post:
    """Stands for the network: gives answers and remembers what was sent."""

    answers: list[Answer]
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)

    def post(self, fields: Mapping[str, str], body: bytes) -> Answer:
        self.sent.append((fields["webhook-id"], fields["webhook-timestamp"], body))
        return self.answers.pop(0)

    def abort(self) -> None:
        """Nothing is being sent."""


class FullDisk(Deliveries):
    """A database in which nothing can be written down for a while."""

    is_full = True

    def remove(self, number: int) -> None:
        if self.is_full:
            raise StoreError(28, "the state cannot be used")
        super().remove(number)


Clock = Any


@pytest.fixture
def url(receiver: Callable[..., Receiver]) -> str:
    return receiver().url


@pytest.fixture
def sending(
    receiver: Callable[..., Receiver], deliveries: Deliveries, clock: Clock
) -> Callable[..., tuple[Sender, Post]]:
    """Makes senders that get the answers given; the chance is even."""

    def make(
        *statuses: int | Answer, store: Deliveries = deliveries, **row: object
    ) -> tuple[Sender, Post]:
        post = Post([each if isinstance(each, Answer) else Answer(each) for each in statuses])
        sender = Sender(receiver(**row), Queue(store), post, clock=clock, chance=lambda: 0.5)
        return sender, post

    return make


Sending = Callable[..., tuple[Sender, Post]]


def pending(deliveries: Deliveries, url: str) -> Delivery | None:
    return deliveries.next(url)


def test_nothing_to_do(sending: Sending) -> None:
    """Without deliveries it waits to be woken."""
    sender, post = sending()
    assert sender.turn() is None
    assert post.sent == []


def test_delivered(sending: Sending, deliveries: Deliveries, url: str) -> None:
    """What was told is forgotten, and the body went out as it was written."""
    deliveries.add([NewDelivery(url, "a1", b"{}", 0.0)])
    sender, post = sending(204)
    assert sender.turn() == 0.0
    assert sender.turn() is None
    assert post.sent == [("a1", "1700000000", b"{}")]


def test_tried_again_with_growing_pauses(
    sending: Sending, deliveries: Deliveries, url: str, clock: Clock
) -> None:
    """After a failure it waits, others being told meanwhile, and signs each attempt anew."""
    deliveries.add([NewDelivery(url, "a", b"{}", 0.0)])
    sender, post = sending(500, 200, Answer(None, "refused"), 200)
    sender.turn()
    assert sender.turn() == pytest.approx(1.0)
    deliveries.add([NewDelivery(url, "b", b"{}", 0.0)])
    sender.turn()
    clock.now += 1.0
    sender.turn()
    assert sender.turn() == pytest.approx(4.0)
    clock.now += 4.0
    sender.turn()
    assert sender.turn() is None
    assert [(id, int(when) - 1_700_000_000) for id, when, _ in post.sent] == [
        ("a", 0),
        ("b", 0),
        ("a", 1),
        ("a", 5),
    ]


def test_given_up_after_the_last_attempt(
    sending: Sending,
    deliveries: Deliveries,
    url: str,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After as many attempts as are configured it is dropped, and the log warns of that."""
    deliveries.add([NewDelivery(url, "a", b"{}", 0.0)])
    sender, post = sending(500, 404, 301, attempts=3)
    for _ in range(3):
        sender.turn()
        clock.now += 100.0
    assert pending(deliveries, url) is None
    assert len(post.sent) == 3
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "given up after attempt 3: status 301" in warning.getMessage()
    assert "hush" not in caplog.text


def test_gone_is_given_up_at_once(sending: Sending, deliveries: Deliveries, url: str) -> None:
    """A 410 ends it at the first attempt."""
    deliveries.add([NewDelivery(url, "a", b"{}", 0.0)])
    sender, _ = sending(410)
    sender.turn()
    assert pending(deliveries, url) is None


def test_the_receiver_may_ask_for_time(sending: Sending, deliveries: Deliveries, url: str) -> None:
    """Retry-After is waited for, and the clock is looked at every minute at the latest."""
    deliveries.add([NewDelivery(url, "a", b"{}", 0.0)])
    sender, _ = sending(Answer(503, retry_after=900.0))
    sender.turn()
    found = pending(deliveries, url)
    assert found is not None
    assert found.due == 1_700_000_900.0
    assert sender.turn() == LONGEST_WAIT


def test_a_clock_that_was_set_back_stops_nothing(
    sending: Sending, deliveries: Deliveries, url: str
) -> None:
    """What seems to be due later than any pause could be is sent at once."""
    deliveries.add([NewDelivery(url, "a", b"{}", 1_800_000_000.0)])
    sender, post = sending(200)
    sender.turn()
    assert len(post.sent) == 1


def test_a_database_that_fails_repeats_nothing(
    sending: Sending, database: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was told and cannot be forgotten yet is not sent again, and later it is forgotten."""
    store = FullDisk(database)
    store.add([NewDelivery(url, "a", b"{}", 0.0)])
    sender, post = sending(200, store=store)
    assert sender.turn() == STORE_PAUSE
    assert sender.turn() == STORE_PAUSE
    assert "cannot be kept" in caplog.text
    store.is_full = False
    assert sender.turn() is None
    assert len(post.sent) == 1
    assert pending(store, url) is None


def test_a_cut_attempt_does_not_count(
    receiver: Callable[..., Receiver], deliveries: Deliveries, clock: Clock, url: str
) -> None:
    """What the end of the server cuts is there afterwards as if it had not been tried."""
    sends, cut = threading.Event(), threading.Event()

    class Hole:
        def post(self, fields: Mapping[str, str], body: bytes) -> Answer:
            sends.set()
            assert cut.wait(DEADLINE)
            return Answer(None, "cut")

        def abort(self) -> None:
            cut.set()

    deliveries.add([NewDelivery(url, "a", b"{}", 0.0)])
    before = pending(deliveries, url)
    sender = Sender(receiver(), Queue(deliveries), Hole(), clock=clock)
    sender.start()
    assert sends.wait(DEADLINE)
    sender.begin_stop()
    sender.abort()
    sender.join(DEADLINE)
    assert pending(deliveries, url) == before


def test_the_answer_to_the_last_attempt_counts(
    receiver: Callable[..., Receiver], deliveries: Deliveries, clock: Clock, url: str
) -> None:
    """What is delivered while the server stops is not sent again after its start."""
    sends, answers = threading.Event(), threading.Event()

    class Slow:
        def post(self, fields: Mapping[str, str], body: bytes) -> Answer:
            sends.set()
            assert answers.wait(DEADLINE)
            return Answer(200)

        def abort(self) -> None:
            """It answers by itself."""

    deliveries.add([NewDelivery(url, "a", b"{}", 0.0), NewDelivery(url, "b", b"{}", 1.0)])
    sender = Sender(receiver(), Queue(deliveries), Slow(), clock=clock)
    sender.start()
    assert sends.wait(DEADLINE)
    sender.begin_stop()
    answers.set()
    sender.join(DEADLINE)
    left = pending(deliveries, url)
    assert left is not None
    assert replace(left, number=0) == Delivery(0, url, "b", b"{}", 0, 1.0)
