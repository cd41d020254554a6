"""Connections that wait for their answer."""

import contextlib
import logging
import os
import queue
import socket
import struct
import threading
import time

import pytest

from davkeep.keepalive import Action, Step

RESET = struct.pack("ii", 1, 0)


def see_interims(wire, count):
    """Wait until `count` interim responses have come."""
    for _ in range(count):
        assert wire.head() == (102, {})


def test_interim_responses_precede_the_final_one(house):
    """The bytes on the wire are two 102s, each without fields, and then the 201."""
    gate = house.gate()
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    exactly = b"HTTP/1.1 102 Processing\r\n\r\n" * 2
    assert wire.stream.read(len(exactly)) == exactly
    gate.open()
    answer = wire.answer()
    assert answer.status == 201
    assert set(answer.interims) <= {102}


def test_statuses_in_order(house):
    """A parked request is answered with [102, 102, 201] when its schedule allows two."""
    gate = house.gate()
    gate.beat = None
    wire = house.connect()
    house.route("/slow", two_beats(gate))
    wire.send("MOVE /slow HTTP/1.1", "Host: x")
    assert wire.answer().statuses == [102, 102, 201]


class _Twice:
    """A schedule of two interim responses, then silence and the end of the wait."""

    def __init__(self, gate):
        self.gate = gate

    def next_step(self, elapsed, sent, **_):
        if sent == 2:
            self.gate.open()
            return Step(Action.SILENCE)
        return Step(Action.INTERIM, elapsed + 0.01)


def two_beats(gate):
    def app(environ, start_response):
        gate(environ, start_response)
        exchange = environ["davkeep.exchange"]
        exchange.waiting.beat = _Twice(gate)
        return []

    return app


def test_keep_alive_afterwards(house):
    """A connection that was parked serves the next request."""
    gate = house.gate()
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    see_interims(wire, 1)
    gate.open()
    assert wire.answer().status == 201
    assert wire.is_open()


def test_pipelined_while_parked(house):
    """A request sent while another is parked neither wakes it nor is lost."""
    gate = house.gate()
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    see_interims(wire, 1)
    wire.send("GET /hello HTTP/1.1", "Host: x")
    see_interims(wire, 2)
    assert not gate.resumed.is_set()
    gate.open()
    assert wire.answer().status == 201
    assert wire.answer().body == b"hello"


def test_pipelined_in_one_packet(house):
    """A request that came together with the one that is parked is served after it."""
    gate = house.gate(beat=None)
    wire = house.connect()
    wire.send("COPY /slow HTTP/1.1", "Host: x", "", "GET /hello HTTP/1.1", "Host: x")
    assert gate.parked.wait(10)
    gate.open()
    assert wire.answer().statuses == [201]
    assert wire.answer().body == b"hello"


def test_over_before_it_is_parked(house):
    """A wait that is over when it is subscribed to is answered at once."""
    gate = house.gate(beat=None)
    gate.subscribe = lambda callback: callback()
    assert house.connect().send("COPY /slow HTTP/1.1", "Host: x").answer().statuses == [201]


def test_holding_again(house):
    """What was resumed may hold again; the count of interim responses goes on."""
    first, second = house.gate("/slow"), house.gate("/second")
    counts = []

    def again(environ, start_response):
        first(environ, start_response)
        waiting = environ["davkeep.exchange"].waiting

        def resume():
            counts.append(environ["davkeep.exchange"].interims.sent)
            return second(environ, start_response)

        waiting.resume = resume
        return []

    house.route("/slow", again)
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    see_interims(wire, 1)
    first.open()
    assert second.parked.wait(10)
    second.open()
    assert wire.answer().status == 201
    assert counts[0] >= 1


def test_deadline(house):
    """At its deadline a wait is resumed although nobody said that it is over."""
    house.gate(beat=None, deadline=time.monotonic() + 0.05)
    assert house.connect().send("COPY /slow HTTP/1.1", "Host: x").answer().statuses == [201]


def test_http_1_0_gets_no_interim_response(house):
    """HTTP/1.0 never sees a 1xx (RFC 9110 15.2)."""
    gate = house.gate(deadline=time.monotonic() + 0.3)
    wire = house.connect().send("COPY /slow HTTP/1.0")
    assert gate.parked.wait(10)
    assert wire.answer().statuses == [201]
    assert wire.rest() == b""


def test_unread_body_gets_no_interim_response(house):
    """No 102 goes to a client that still waits for 100 Continue; it would take it for the
    answer.
    """
    gate = house.gate(deadline=time.monotonic() + 0.3)
    wire = house.connect()
    wire.send("PUT /slow HTTP/1.1", "Host: x", "Content-Length: 5", "Expect: 100-continue")
    assert gate.parked.wait(10)
    answer = wire.answer()
    assert answer.statuses == [201]
    assert answer.fields["connection"] == "close"


@pytest.mark.parametrize(("fields", "continues"), [((), 0), (("Expect: 100-continue",), 1)])
def test_a_continue_is_told_to_the_plan(house, fields, continues):
    """A 100 Continue that was sent counts for the plan, which is asked with it."""
    gate = house.gate()
    asked = queue.Queue()

    class Noting:
        def next_step(self, elapsed, sent, *, continues):
            asked.put(continues)
            return Step(Action.SILENCE)

    def app(environ, start_response):
        environ["wsgi.input"].read()
        gate(environ, start_response)
        environ["davkeep.exchange"].waiting.beat = Noting()
        return []

    house.route("/slow", app)
    wire = house.connect().send("PUT /slow HTTP/1.1", "Host: x", "Content-Length: 5", *fields)
    if continues:
        assert wire.head() == (100, {})
    wire.sock.sendall(b"hello")
    assert asked.get(timeout=10) == continues
    assert gate.parked.wait(10)
    gate.open()
    assert wire.answer().statuses == [201]


def test_interim_response_is_logged(house, caplog):
    """Each 102 is one line of the log, with peer, label and number."""
    gate = house.gate()
    with caplog.at_level(logging.INFO, logger="davkeep.keepalive"):
        wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
        see_interims(wire, 2)
        gate.open()
        wire.answer()
    lines = [record.getMessage() for record in caplog.records if "102 Processing" in record.msg]
    host, port = wire.sock.getsockname()
    assert lines[:2] == [
        f"102 Processing to {host}:{port}, COPY /slow, number {number}" for number in (1, 2)
    ]


def test_client_that_closed_is_noticed(house):
    """A close is noticed by the reset that a 102 provokes; the application is told once, and
    never resumed.
    """
    gate = house.gate()
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    assert gate.parked.wait(10)
    wire.close()
    assert gate.gone.wait(10)
    gate.open()
    assert house.server.lot.flush(10)
    assert gate.departures == 1
    assert not gate.resumed.is_set()
    assert len(house.server.lot) == 0


def test_client_that_reset_is_noticed_in_silence(house):
    """A reset is noticed although nothing is sent."""
    gate = house.gate(beat=None)
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    assert gate.parked.wait(10)
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    wire.close()
    assert gate.gone.wait(10)


def test_half_close_is_no_disconnect(house):
    """A client that only stops sending gets its 102s and its answer."""
    gate = house.gate()
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    wire.sock.shutdown(socket.SHUT_WR)
    see_interims(wire, 3)
    assert not gate.gone.is_set()
    gate.open()
    assert wire.answer().status == 201
    assert wire.rest() == b""


def test_parked_connections_hold_no_thread(open_house, until):
    """2,000 parked connections leave the number of threads as it was, and others are served."""
    house = open_house(numthreads=4, reserved=2)
    gate = house.gate(beat=None)
    house.connect().is_open()
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(house.raw()) for _ in range(2000)]
        for sock in sockets:
            sock.sendall(b"COPY /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: len(house.server.lot) == 2000)
        # A burst on a busy machine may make the pool grow a little; a thread each would be the
        # maximum.
        assert threading.active_count() <= before + 40
        assert house.connect().is_open()
        gate.open()
        assert {sock.recv(12) for sock in sockets} == {b"HTTP/1.1 201"}


def test_event_stream(house):
    """A response that was begun may hold between its pieces, and gets no interim response then."""
    gate = house.gate()

    def stream(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        yield b"data: 1\n\n"
        gate(environ, start_response)
        waiting = environ["davkeep.exchange"].waiting
        waiting.resume = lambda: iter([b"data: 2\n\n"])

    house.route("/events", stream)
    wire = house.connect().send("GET /events HTTP/1.1", "Host: x")
    assert wire.head()[1]["transfer-encoding"] == "chunked"
    assert wire.stream.read(14) == b"9\r\ndata: 1\n\n\r\n"
    assert gate.parked.wait(10)
    gate.open()
    assert wire.stream.read(19) == b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"
    assert wire.is_open()


def test_failing_resume(house):
    """A result that cannot be made is a plain 500 without the exception's text."""
    gate = house.gate(beat=None)

    def app(environ, start_response):
        gate(environ, start_response)
        environ["davkeep.exchange"].waiting.resume = lambda: 1 / 0
        return []

    house.route("/slow", app)
    wire = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    assert gate.parked.wait(10)
    gate.open()
    answer = wire.answer()
    assert answer.status == 500
    assert b"division" not in answer.body


def test_results_are_delivered_while_all_threads_are_busy(open_house):
    """With every ordinary thread in an upload, a finished operation is still answered."""
    house = open_house(numthreads=2, max=2, reserved=1)
    gate = house.gate(beat=None)
    reading = threading.Semaphore(0)

    def upload(environ, start_response):
        reading.release()
        return hello_after_reading(environ, start_response)

    def hello_after_reading(environ, start_response):
        environ["wsgi.input"].read()
        start_response("204 No Content", [])
        return []

    house.route("/upload", upload)
    parked = house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    assert gate.parked.wait(10)
    for _ in range(2):
        house.connect().send("PUT /upload HTTP/1.1", "Host: x", "Content-Length: 9")
    assert all(reading.acquire(timeout=10) for _ in range(2))
    gate.open()
    assert parked.answer().status == 201


def test_second_hold_is_refused(house):
    """Holding twice is a fault of the application, answered with 500."""
    gate = house.gate(beat=None)

    def app(environ, start_response):
        gate(environ, start_response)
        return gate(environ, start_response)

    house.route("/slow", app)
    assert house.connect().send("COPY /slow HTTP/1.1", "Host: x").answer().status == 500
    assert gate.departures == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
def test_no_descriptor_is_left(house, until):
    """Parked connections that went away leave no descriptor behind."""
    gate = house.gate()
    house.connect().is_open()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        sock = house.raw()
        sock.sendall(b"COPY /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.close()
    until(lambda: gate.departures == 20)
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)
