"""``Prefer: wait=N``: a client that waits for the end, and costs no thread meanwhile."""

import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from davkeep.keepalive import Waiting
from davkeep.monitor import long_poll
from davkeep.operations import Operation, Outcome, State
from harness.inside import Inside, Start
from harness.onlooker import OPERATIONS, Onlooker
from harness.server import Serve
from harness.trees import plant
from harness.waiting import until
from harness.wire import Wire

#: Clients that wait at the same time.
MANY = 200


@pytest.fixture
def server(inside: Start) -> Inside:
    """A server in this process."""
    return inside()


def _poll(wire: Wire, id: str, wait: str, **fields: str) -> None:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    wire.send("GET", f"{OPERATIONS}/{id}", {"Prefer": wait, **named})


# The wait itself


class Parked:
    """An Exchange that keeps what it was given."""

    def __init__(self) -> None:
        self.waiting: Waiting | None = None

    def hold(self, waiting: Waiting) -> None:
        """Keep it."""
        self.waiting = waiting


def _parked(operation: Operation, seconds: float) -> Waiting:
    exchange = Parked()
    environ = {"davkeep.exchange": exchange}
    assert long_poll.hold(environ, operation, seconds, lambda: (b"answer",)) == ()
    assert exchange.waiting is not None
    return exchange.waiting


def _operation() -> Operation:
    operation = Operation(owner="ann", method="COPY", source="/a", created=0.0)
    operation.begin()
    return operation


def test_what_a_connection_is_parked_for() -> None:
    """For the end, and no longer than was said; no interim response is sent."""
    before = time.monotonic()
    waiting = _parked(_operation(), 7.0)
    assert waiting.deadline is not None
    assert before + 7.0 <= waiting.deadline <= time.monotonic() + 7.0
    assert waiting.beat is None
    assert waiting.resume() == (b"answer",)


@pytest.mark.parametrize("leave", [lambda each: each.disconnected(), lambda each: each.resume()])
def test_who_has_waited_leaves_nothing(leave: Callable[[Waiting], object]) -> None:
    """Be it that the client went or that its time was up: the operation does not call it."""
    operation, called = _operation(), list[str]()
    waiting = _parked(operation, 7.0)
    waiting.subscribe(lambda: called.append("told"))
    assert operation.waiters == 0
    leave(waiting)
    operation.end(State.SUCCEEDED, Outcome(201))
    assert called == []


@pytest.mark.parametrize(
    ("prefer", "granted"),
    [
        (None, None),
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ("wait=0", 0),
        ("wait=100000", long_poll.LONGEST),
        ("wait=" + "9" * 1000, long_poll.LONGEST),
        ("wait", None),
        ("wait=x", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("processing", None),
    ],
)
def test_how_long(prefer: str | None, granted: int | None) -> None:
    """At most five minutes; a malformed preference is ignored (RFC 7240 2)."""
    environ = {} if prefer is None else {"HTTP_PREFER": prefer}
    assert long_poll.seconds_of(environ) == granted


# On the wire


def test_the_end_is_told_at_once(server: Inside) -> None:
    """200 as soon as it is over, without an interim response; the connection is good for more."""
    held = server.begin()
    path = f"{OPERATIONS}/{held.operation.id}"
    with server.wire() as wire:
        _poll(wire, held.operation.id, "wait=60")
        until(lambda: held.operation._subscribers[1:], "it waits")
        held.end()
        answer = wire.response()
        assert answer.statuses == [200]
        assert answer.fields["Preference-Applied"] == "wait=60"
        assert b'"succeeded"' in answer.body
        assert wire.ask("HEAD", path).status == 200


def test_the_time_is_up(server: Inside) -> None:
    """202 after so many seconds, or 304 if nothing has changed; nothing is left behind."""
    held = server.admit()
    known = Onlooker(server.url).look(held.operation.id).headers["ETag"]
    with server.wire() as wire, server.wire() as other:
        _poll(wire, held.operation.id, "wait=1")
        _poll(other, held.operation.id, "wait=1", If_None_Match=known)
        answer = wire.response()
        assert answer.statuses == [202]
        assert answer.fields["Preference-Applied"] == "wait=1"
        assert other.response().statuses == [304]
    assert len(held.operation._subscribers) == 1


def test_nothing_to_wait_for(server: Inside) -> None:
    """What is over, unknown or malformed is answered at once, however long one would wait."""
    over, running = server.ended().operation.id, server.begin().operation.id
    with server.wire() as wire:
        for id, fields, status in (
            (over, {}, 200),
            ("0" * 32, {}, 404),
            (running, {"If_None_Match": "x"}, 400),
        ):
            _poll(wire, id, "wait=300", **fields)
            assert wire.response().statuses == [status]
        _poll(wire, running, "wait=0")
        assert wire.response().statuses == [202]
        _poll(wire, running, "wait=soon")
        answer = wire.response()
        assert (answer.status, "Preference-Applied" in answer.fields) == (202, False)


def test_waiting_for_the_final_response(server: Inside) -> None:
    """The response itself can be waited for as well."""
    held = server.begin()
    with server.wire() as wire:
        path = f"{OPERATIONS}/{held.operation.id}/response"
        wire.send("GET", path, {"Prefer": "wait=60"})
        until(lambda: held.operation._subscribers[1:], "it waits")
        held.end()
        assert wire.response().statuses == [201]


def test_who_leaves_is_forgotten(server: Inside) -> None:
    """A client that goes away leaves nothing with the operation."""
    held = server.begin()
    with server.wire() as wire:
        _poll(wire, held.operation.id, "wait=300")
        until(lambda: held.operation._subscribers[1:], "it waits")
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: not held.operation._subscribers[1:], "it is forgotten")
    assert not held.operation.state.is_over


def test_many_wait_without_a_thread(serve: Serve, root: Path, wire: Any) -> None:
    """200 clients wait on ten request threads, others are served, and all are told of the end."""
    plant(root / "a", 500)
    server = serve(
        {"server_args": {"numthreads": 10}},
        operations={"max_members_per_second": 5, "grace": 0, "on_disconnect": "cancel"},
    )
    user = Onlooker(server.url)
    with ExitStack() as opened, wire(server) as owner:
        owner.send("COPY", "/a", {"Destination": f"{server.url}b"})
        until(user.list, "it runs")
        id = user.list()[0]["id"]
        before = server.threads
        waiting = [opened.enter_context(wire(server)) for _ in range(MANY)]
        for each in waiting:
            _poll(each, id, "wait=300")
        # Answered after all of those were parked, by one of the same threads.
        for each in waiting[:: MANY // 10]:
            each.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.socket.recv(1)
            each.socket.setblocking(True)
        assert user.look(id).status_code == 202
        assert server.threads < before + MANY / 4
        assert user.cancel(id).status_code == 202
        assert {each.response().status for each in waiting} == {200}
        assert owner.response().status == 409
