"""One receiver, told over real sockets by its thread."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import trustme

from davkeep.store.database import StoreError
from davkeep.store.deliveries import Deliveries, Event
from davkeep.webhooks import Receiver, retries
from davkeep.webhooks.queue import Queue
from davkeep.webhooks.retries import MOST_UNDER_WAY
from davkeep.webhooks.sender import Sender
from davkeep.words.later import Later
from harness.receiver import SECRET, receiving
from harness.talking import request_of, talking
from harness.waiting import until

DEADLINE = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def _same(event: Event) -> Event:
    return event


class Telling:
    """A sender at work on a queue."""

    def __init__(self, receiver: Receiver, deliveries: Deliveries, **options: Any) -> None:
        self.url = receiver.url
        self.deliveries = deliveries
        self.queue = Queue(deliveries, lambda _: self.sender.wake())
        self.sender = Sender(receiver, self.queue, chance=lambda: 0.5, **options)
        self.queue.start()
        self.sender.start()

    def tell(self, *operations: str, ended: float | None = None) -> None:
        for operation in operations:
            when = time.time() if ended is None else ended
            event = Event(operation, b'"%s"' % operation.encode(), when, (self.url,))
            self.queue.add(Later(_same, event))
        # Others than the first are written a moment later, and what is not is not seen to be left.
        until(lambda: not (self.queue._told or self.queue._new), "it is written")

    def stop(self) -> None:
        self.sender.begin_stop()
        self.sender.abort()
        self.sender.join(DEADLINE)
        self.queue.close()

    @property
    def most_under_way(self) -> int:
        """How many requests at a time the receiver is thought to bear."""
        at = self.sender._at
        assert at is not None
        return at.telling._course._most

    def left(self) -> list[tuple[str, int]]:
        """What is still to be told, and how often that failed; after the stop."""
        return [(each.operation, each.failed) for each in self.deliveries.due(self.url, most=9999)]


Begin = Callable[..., Telling]


@pytest.fixture
def telling(receiver: Callable[..., Receiver], deliveries: Deliveries) -> Iterator[Begin]:
    """Begins to tell a receiver of that row."""
    with ExitStack() as stack:

        def begin(row: dict[str, Any], **options: Any) -> Telling:
            made = Telling(receiver(**row), deliveries, **options)
            stack.callback(made.stop)
            return made

        yield begin


def row(where: tuple[str, int], **more: Any) -> dict[str, Any]:
    """A receiver whose pauses are so short that a test need not wait."""
    return {"url": f"http://{where[0]}:{where[1]}/", "secret": SECRET, "pause": 0.05, **more}


def operations(told: list[Any]) -> list[str]:
    return [each.fields["Webhook-Id"] for each in told]


# What an answer is


def test_interim_responses_are_not_the_answer(telling: Begin) -> None:
    """Any number of 100, 102 and 103 before the 200, byte by byte: told once."""
    asked: list[bytes] = []
    interims = b"".join(b"HTTP/1.1 %d Wait\r\n\r\n" % status for status in (100, 102, 103, 102))

    def talk(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while asked_for := request_of(connection):
            asked.append(asked_for)
            for byte in interims + OK:
                connection.sendall(bytes([byte]))

    with talking(talk) as where:
        one = telling(row(where))
        one.tell("a", "b")
        until(lambda: len(asked) == 2, "both are told")
        until(lambda: not one.queue.due(one.url, [], 9), "both are done")
        one.stop()
    assert (one.left(), len(asked)) == ([], 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 102 Wait\r\n\r\n",
        b"HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_success_is_tried_again(telling: Begin, answer: bytes) -> None:
    """And told when the receiver works again."""
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        asked.append(request_of(connection))
        connection.sendall(answer if len(asked) == 1 else OK)

    with talking(talk) as where:
        one = telling(row(where))
        one.tell("a")
        until(lambda: len(asked) == 2, "it is tried again")
        until(lambda: not one.queue.due(one.url, [], 9), "it is told")


@pytest.mark.parametrize("drop", [b"H", b"HTTP/1.1 102 Wait\r\n\r\n", b""])
def test_an_attempt_ends_in_time(
    telling: Begin, drop: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever keeps coming: the first byte again and again, interim responses, or nothing."""
    caplog.set_level(logging.INFO)
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        request_of(connection)
        while not over.wait(0.02):
            connection.sendall(drop)

    with talking(talk) as where:
        one = telling(row(where, timeout=0.2, pause=60))
        one.tell("a")
        until(lambda: "attempt 1 of 12: no answer in time" in caplog.text, "it is over")
        over.set()
        one.stop()
    assert one.left() == [("a", 1)]


def test_a_handshake_that_drips_ends_in_time(
    telling: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    """TLS with somebody who takes the connection and drips costs the timeout, no more."""
    caplog.set_level(logging.INFO)
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00")
        while not over.wait(0.02):
            connection.sendall(b"\x02")

    with talking(talk) as where:
        there = f"https://{where[0]}:{where[1]}/"
        one = telling(row(where, url=there, timeout=0.2, pause=60))
        one.tell("a")
        until(lambda: "attempt 1 of 12: no connection in time" in caplog.text, "it is over")
        over.set()


def test_a_status_is_believed_without_the_rest(telling: Begin) -> None:
    """A head that drips on after its end, or content that never comes, spoils no delivery."""
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        over.wait(DEADLINE)

    with talking(talk) as where:
        one = telling(row(where, timeout=60))
        one.tell("a")
        until(lambda: not one.left(), "it is told")
        over.set()


@pytest.mark.parametrize("is_known", [True, False])
def test_certificates_are_verified(
    telling: Begin,
    is_known: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A receiver is told over TLS if its authority is known, and else is not told a word."""
    caplog.set_level(logging.INFO)
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with receiving() as served, authority.cert_pem.tempfile() as file:
        served.socket = context.wrap_socket(served.socket, server_side=True)
        if is_known:
            monkeypatch.setenv("SSL_CERT_FILE", file)
        one = telling(served.row(url=served.url.replace("http:", "https:")))
        one.tell("a")
        said = "was told of" if is_known else "CERTIFICATE_VERIFY_FAILED"
        until(lambda: said in caplog.text, "it is tried")
        assert len(served.told) == is_known


# Order, and how much


def test_a_slow_receiver_is_told_of_many_at_a_time_in_order(
    telling: Begin, sent: dict[str, list[str]]
) -> None:
    """One that takes 0.1 s for each is told many times as fast as one after the other would be;
    what leaves here leaves in order, on few connections.
    """
    with receiving(delay=0.1) as served:
        one = telling(served.row())
        names = [f"{number:04}" for number in range(200)]
        one.tell(*names)
        told = served.wait_for(200)
        assert sent[served.authority] == sorted(operations(told)) == names
        first, last = served.moments[40], served.moments[-1]
        # Sixteen at a time could be sixteen times as fast; busy processors take a part of that.
        assert (last - first) / 159 < 0.1 / 4
        assert served.connections <= 16


def test_connections_are_kept(telling: Begin) -> None:
    """Events one after the other need one connection."""
    with receiving() as served:
        one = telling(served.row())
        for number in range(10):
            one.tell(str(number))
            served.wait_for(number + 1)
        until(lambda: not one.left(), "all are told")
        assert served.connections <= 2


def test_a_kept_connection_that_was_closed_is_no_failure(telling: Begin) -> None:
    """The request is sent once more on a new one, and does not count as failed."""
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        asked.append(request_of(connection))
        connection.sendall(OK)
        if len(asked) == 1:
            # The server closes when the next request is on its way.
            asked.append(request_of(connection))

    with talking(talk) as where:
        one = telling(row(where, attempts=1))
        one.tell("a")
        until(lambda: len(asked) >= 1 and not one.left(), "the first is told")
        one.tell("b")
        until(lambda: len(asked) == 3 and not one.left(), "the second is told")
    assert asked[1] == asked[2]


def test_a_server_of_one_connection_is_told_of_all(telling: Begin) -> None:
    """Where a second connection gets no answer beside the first, one is used."""
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        while request_of(connection):
            # Long enough that another request begins meanwhile.
            over.wait(0.02)
            connection.sendall(OK)

    with talking(talk) as where:
        one = telling(row(where, timeout=0.3))
        one.tell(*map(str, range(40)))
        until(lambda: not one.left(), "all are told")
        one.stop()


# Failures


def test_a_receiver_that_is_away_is_tried_with_one(
    telling: Begin, caplog: pytest.LogCaptureFixture, sent: dict[str, list[str]]
) -> None:
    """The pauses are the receiver's: of a hundred events only the first was tried, in order."""
    caplog.set_level(logging.INFO)
    with receiving() as served:
        here = served.row(pause=0.01)
    one = telling(here)
    names = [f"{number:03}" for number in range(100)]
    one.tell(*names)
    until(lambda: "attempt 3 of 12" in caplog.text, "it is tried three times")
    assert "operation 000" in caplog.text
    assert "operation 001" not in caplog.text
    with receiving(port=served.server_port) as again:
        assert sorted(operations(again.wait_for(100))) == names
        assert sent[again.authority] == names


def test_an_event_that_is_refused_holds_up_no_other(telling: Begin) -> None:
    """It is tried again by itself, and the others are told meanwhile."""
    refused = threading.Event()

    def answer(told: Any) -> int:
        return 200 if refused.is_set() or told.fields["Webhook-Id"] != "b" else 400

    with receiving(choose=answer) as served:
        one = telling(served.row())
        one.tell("a", "b", *"cdefgh")
        until(lambda: {*operations(served.told)} >= {*"acdefgh"}, "the others are told")
        refused.set()
        until(lambda: not one.left(), "it is told as well")


def test_given_up_after_the_last_attempt(telling: Begin, caplog: pytest.LogCaptureFixture) -> None:
    """After as many attempts as are configured it is dropped, and the log warns of that."""
    with receiving(500, 404, 301, 200) as served:
        one = telling(served.row(attempts=3))
        one.tell("a")
        until(lambda: "given up after attempt 3: status 301" in caplog.text, "it is given up")
        until(lambda: not one.left(), "it is dropped")
    assert "by=davkeep" not in caplog.text


def test_gone_is_given_up_at_once(telling: Begin, caplog: pytest.LogCaptureFixture) -> None:
    """A 410 ends it at the first attempt."""
    with receiving(410) as served:
        one = telling(served.row())
        one.tell("a")
        until(lambda: "given up after attempt 1: status 410" in caplog.text, "it is given up")


def test_what_has_waited_too_long_is_given_up(
    telling: Begin, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next failure, for all that are as old, by what has passed since they were there."""
    monkeypatch.setattr(retries, "SHORTEST_LIFE", 0.3)
    with receiving(500) as served:
        one = telling(served.row(attempts=2, timeout=0.1))
        one.tell("a", "b", "c", "d", ended=0.0)
        until(lambda: "was not told of" in caplog.text, "it is given up")
        until(lambda: not one.left(), "nothing of it is left")


@pytest.mark.parametrize("field", ["7", " 7 "])
def test_the_receiver_may_ask_for_time(
    telling: Begin, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The seconds of Retry-After are waited for."""
    caplog.set_level(logging.INFO)
    with receiving((503, {"Retry-After": field})) as served:
        one = telling(served.row())
        one.tell("a")
        until(lambda: "status 503; again in 7.0 seconds" in caplog.text, "it is tried")


@pytest.mark.parametrize("field", ["-7", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 50])
def test_a_retry_after_that_says_nothing(telling: Begin, field: str) -> None:
    """What is no reasonable number is as if it were not there."""
    with receiving((503, {"Retry-After": field}), 200) as served:
        one = telling(served.row())
        one.tell("a")
        served.wait_for(2)


def test_a_clock_that_is_set_back_delays_nothing(telling: Begin) -> None:
    """Pauses are those of a monotonic clock, whatever the time of day is said to be."""
    now = [2_000_000_000.0]

    def answer(_: Any) -> int:
        now[0] -= 100_000.0
        return 500 if now[0] > 1_999_800_000 else 200

    with receiving(choose=answer) as served:
        one = telling(served.row(), clock=lambda: now[0])
        one.tell("a", "b", ended=2_000_000_000.0)
        until(lambda: not one.left(), "both are told")
        assert int(served.told[-1].fields["Webhook-Timestamp"]) < 1_999_900_000


def test_a_clock_that_is_set_forward_gives_up_nothing(
    telling: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    """And so does a stop over many days: an event has its attempts before it is too old."""
    caplog.set_level(logging.INFO)
    with receiving(500, 500, 200) as served:
        one = telling(served.row(), clock=lambda: time.time() + 30 * 86_400)
        one.tell("a", "b", ended=0.0)
        until(lambda: caplog.text.count("was told of operation") == 2, "both are told")


def test_an_event_that_hangs_makes_the_others_wait_once(telling: Begin) -> None:
    """It is late beside another, as at a receiver of one connection; and late again on one that is
    served, so that is none.
    """
    are_written, hangs = threading.Event(), threading.Event()
    began: list[str] = []

    def answer(told: Any) -> int | None:
        id = told.fields["Webhook-Id"]
        began.append(id)
        if id == "a":
            assert are_written.wait(DEADLINE)
        is_late = {"a": False, "b": not hangs.is_set(), "c": began.count("c") == 1}
        return None if is_late[id] else 200

    with receiving(choose=answer) as served:
        one = telling(served.row(timeout=1.0, pause=0.01))
        one.tell("a", "b", "c")
        are_written.set()
        until(lambda: one.most_under_way == 1, "no more than one is tried")
        until(lambda: one.most_under_way == MOST_UNDER_WAY, "as many as usual are")
        hangs.set()
        until(lambda: not one.left(), "all are told")


def test_who_goes_away_is_told_in_order_again(
    telling: Begin, sent: dict[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """What was under way on kept connections begins first, when the receiver is back."""
    with receiving() as served:
        one = telling(served.row(pause=0.01))
        one.tell(*[f"{number:03}" for number in range(40)])
        until(lambda: not one.left(), "all are told")
    caplog.set_level(logging.INFO)
    names = [f"{number:03}" for number in range(100, 140)]
    one.tell(*names)
    until(lambda: "was not told of" in caplog.text, "it is away")
    sent.clear()
    with receiving(port=served.server_port) as again:
        until(lambda: not one.left(), "all are told")
        assert sent[again.authority] == names


def test_an_answer_that_came_in_time_counts(telling: Begin) -> None:
    """Though the thread was held up by a look-up for longer than an attempt may take."""
    arrived, looks = threading.Event(), iter(range(100))

    def resolve(*arguments: Any) -> list[Any]:
        if next(looks) == 1:
            assert arrived.wait(DEADLINE)
            threading.Event().wait(0.3)
        return socket.getaddrinfo(*arguments)

    def answer(told: Any) -> int:
        return 200

    with receiving(choose=answer, delay=0.05) as served:
        one = telling(served.row(timeout=0.2), resolve=resolve)
        one.tell("a")
        served.wait_for(1)
        one.tell("b", "c", "d")
        threading.Timer(0.0, arrived.set).start()
        until(lambda: not one.left(), "all are told")
        assert len(served.told) == 4


def test_a_name_that_is_looked_up_for_long_delays_no_stop(telling: Begin) -> None:
    """A look-up cannot be cut; whoever stops does not wait for it."""
    looks, over = threading.Event(), threading.Event()

    def resolve(*_: Any) -> list[Any]:
        looks.set()
        over.wait(DEADLINE)
        raise OSError("no such name")

    one = telling(
        {"url": "http://name.example/", "secret": SECRET, "timeout": 0.1}, resolve=resolve
    )
    one.tell("a")
    assert looks.wait(DEADLINE)
    began = time.monotonic()
    one.sender.begin_stop()
    one.sender.abort()
    one.sender.join(0.1)
    assert time.monotonic() - began < DEADLINE / 2
    one.queue.close()
    assert one.left() == [("a", 0)]
    over.set()


def test_a_cut_attempt_does_not_count(telling: Begin) -> None:
    """What the end of the server cuts is there afterwards as if it had not been tried."""
    with receiving(None) as served:
        one = telling(served.row(timeout=60))
        one.tell("a")
        served.wait_for(1)
        one.stop()
    assert one.left() == [("a", 0)]


def test_the_answer_to_the_last_attempt_counts(telling: Begin) -> None:
    """What is delivered while the server stops is not sent again after its start."""
    answers = threading.Event()

    def answer(_: Any) -> int:
        assert answers.wait(DEADLINE)
        return 200

    with receiving(choose=answer) as served:
        one = telling(served.row())
        one.tell("a", "b")
        served.wait_for(1)
        one.sender.begin_stop()
        answers.set()
        one.sender.join(DEADLINE)
        one.queue.close()
    assert one.left() == [("b", 0)]


def test_a_database_that_cannot_be_read_is_told_of_once(
    telling: Begin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked again and again, and what it holds is sent once it can be."""
    due, failures = Deliveries.due, [StoreError("disk I/O error")] * 3

    def failing(self: Deliveries, *arguments: Any) -> list[Any]:
        if failures:
            raise failures.pop()
        return due(self, *arguments)

    monkeypatch.setattr("davkeep.webhooks.telling.STORE_PAUSE", 0.01)
    monkeypatch.setattr(Deliveries, "due", failing)
    with receiving() as served:
        one = telling(served.row())
        one.tell("a")
        assert operations(served.wait_for(1)) == ["a"]
    assert caplog.text.count("cannot be read: disk I/O error") == 1


def test_a_bug_ends_no_sender(
    telling: Begin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After an exception that nobody has foreseen everything is told all the same."""
    fields, bugs = Receiver.fields, [ZeroDivisionError()]

    def broken(self: Receiver, *arguments: Any) -> dict[str, str]:
        if bugs:
            raise bugs.pop()
        return fields(self, *arguments)

    monkeypatch.setattr(Receiver, "fields", broken)
    with receiving() as served:
        one = telling(served.row())
        one.tell("a", "b")
        assert operations(served.wait_for(2)) == ["a", "b"]
    assert "met a bug and goes on" in caplog.text
