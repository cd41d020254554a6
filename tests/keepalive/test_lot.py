"""The parking lot, driven turn by turn with a clock of the test, and as a thread."""

import contextlib
import logging
import socket
import struct
import threading

import pytest

from davkeep.keepalive import Action, Step
from davkeep.keepalive.exchange import IncompleteBody, Waiting
from davkeep.keepalive.lot import HEAP_SLACK, RETRY_AFTER, ParkingLot
from davkeep.keepalive.parked import Arrival, IllegalStage, Interims, Parked, Stage
from davkeep.words.interim import PROCESSING


class Clock:
    """Time as an argument."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Every:
    """A schedule of at most `most` beats, `seconds` apart."""

    def __init__(self, seconds, most=100):
        self.seconds, self.most = seconds, most

    def next_step(self, elapsed, sent, *, continues):
        if sent + continues >= self.most:
            return Step(Action.SILENCE)
        at = max(elapsed, self.seconds) if sent == 0 else elapsed + self.seconds
        return Step(Action.INTERIM, at)


class Conn:
    """A server's end of a connection on loopback, and its client's end."""

    def __init__(self, buffer=None):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.socket()
            if buffer:
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.client.connect(listener.getsockname())
            self.socket, _ = listener.accept()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.client.settimeout(10)
        self.peer = "client"

    def arrival(self):
        with contextlib.suppress(BlockingIOError):
            return Arrival.BYTES if self.socket.recv(1, socket.MSG_PEEK) else Arrival.END
        return Arrival.NOTHING

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def received(self):
        """What has come to the client so far, without waiting."""
        self.client.setblocking(False)
        try:
            return self.client.recv(1 << 20)
        except BlockingIOError:
            return b""
        finally:
            self.client.settimeout(10)

    def take(self):
        """As many bytes as an interim response has, waiting for them, and whatever came with
        them.
        """
        taken = b""
        while len(taken) < len(PROCESSING):
            taken += self.client.recv(1 << 20)
        return taken


class Yard:
    """A lot whose turns the test takes, and what it has delivered."""

    def __init__(self):
        self.clock = Clock()
        self.delivered = []
        self.lot = ParkingLot(self.delivered.append, clock=self.clock)
        self.callbacks = []
        self.gone = []
        self.conns = []

    def park(self, beat=None, deadline=None, conn=None, interims=None):
        conn = conn or Conn()
        self.conns.append(conn)
        waiting = Waiting(
            subscribe=self.callbacks.append,
            resume=list,
            beat=beat,
            deadline=deadline,
            disconnected=lambda: self.gone.append(conn),
            label="COPY /a",
        )
        entry = Parked(conn, waiting, interims or Interims(self.clock.now))
        self.lot.park(entry)
        self.lot.turn(0)
        return entry

    def pass_time(self, seconds):
        self.clock.now += seconds
        self.lot.turn(0)


@pytest.fixture
def yard():
    yard = Yard()
    yield yard
    yard.lot._close()
    for conn in yard.conns:
        conn.client.close()
        conn.socket.close()


def test_beats_by_the_clock(yard):
    """Interim responses go out when they are due, complete, and not before."""
    entry = yard.park(Every(10))
    yard.pass_time(9.9)
    assert entry.connection.received() == b""
    yard.pass_time(0.1)
    assert entry.connection.take() == PROCESSING
    yard.pass_time(9.9)
    assert entry.connection.received() == b""
    yard.pass_time(0.2)
    assert entry.connection.take() == PROCESSING
    assert entry.interims.sent == 2


def test_late_beats_do_not_burst(yard):
    """After a long pause there is one interim response, not all that were missed."""
    entry = yard.park(Every(1))
    yard.pass_time(60)
    assert entry.connection.take() == PROCESSING


def test_silence(yard):
    """No schedule, and a spent one, are silence."""
    mute, spent = yard.park(), yard.park(Every(1, most=1))
    yard.pass_time(1)
    yard.pass_time(100)
    assert mute.connection.received() == b""
    assert spent.connection.take() == PROCESSING
    assert yard.lot._sleep() > 1000


def test_a_continue_counts(yard):
    """What was sent as 100 Continue is part of the number, and the plan is asked with it."""
    entry = yard.park(Every(1, most=2), interims=Interims(yard.clock.now, continues=1))
    yard.pass_time(1)
    assert entry.connection.take() == PROCESSING
    yard.pass_time(100)
    assert entry.connection.received() == b""


@pytest.mark.parametrize("action", [Action.MULTISTATUS, Action.EFFECTIVE_POINT])
def test_other_steps_send_no_interim_response(yard, action):
    """Only the step `INTERIM` is a 102."""

    class Other:
        def next_step(self, elapsed, sent, *, continues):
            return Step(action, elapsed)

    entry = yard.park(Other())
    yard.pass_time(100)
    assert entry.connection.received() == b""


def test_time_counts_from_completion(yard):
    """The schedule counts from the moment the request was complete, not from parking."""
    entry = yard.park(Every(10), interims=Interims(yard.clock.now - 8))
    yard.pass_time(2)
    assert entry.connection.take() == PROCESSING


def test_second_wait_goes_on(yard):
    """A request that waits again keeps its count and its last beat."""
    entry = yard.park(Every(10, most=2))
    yard.pass_time(10)
    yard.callbacks[0]()
    yard.pass_time(4)
    again = yard.park(Every(10, most=2), conn=entry.connection, interims=entry.interims)
    entry.connection.received()
    yard.pass_time(5)
    assert entry.connection.received() == b""
    yard.pass_time(1)
    assert entry.connection.take() == PROCESSING
    assert again.interims.sent == 2


def test_wake(yard):
    """Waking hands the connection back, once, and it is not touched afterwards."""
    entry = yard.park(Every(10))
    yard.callbacks[0]()
    assert yard.delivered == []
    yard.lot.turn(0)
    yard.callbacks[0]()
    yard.pass_time(100)
    assert yard.delivered == [entry.connection]
    assert len(yard.lot) == 0
    assert entry.connection.received() == b""


def test_late_wake_of_an_earlier_wait(yard):
    """A callback of a wait that ended by its deadline does not end the next wait."""
    entry = yard.park(deadline=yard.clock.now + 1)
    yard.pass_time(1)
    assert yard.delivered == [entry.connection]
    yard.park(conn=entry.connection, interims=entry.interims)
    yard.callbacks[0]()
    yard.lot.turn(0)
    assert len(yard.delivered) == 1


def test_wake_beats_beat(yard):
    """When both are due, the final response goes first."""
    entry = yard.park(Every(10))
    yard.callbacks[0]()
    yard.pass_time(10)
    assert yard.delivered == [entry.connection]
    assert entry.connection.received() == b""


def test_deadline(yard):
    """At its deadline a connection is handed back."""
    entry = yard.park(Every(10), deadline=yard.clock.now + 15)
    yard.pass_time(10)
    yard.pass_time(4.9)
    assert yard.delivered == []
    yard.pass_time(0.2)
    assert yard.delivered == [entry.connection]


def test_pipelined_bytes_do_not_wake(yard):
    """Bytes of the next request are nobody's business while the connection is parked."""
    entry = yard.park()
    entry.connection.client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    yard.lot.turn(0.05)
    assert yard.delivered == []
    assert yard.gone == []
    assert entry.connection.socket.recv(3) == b"GET"


def test_half_close(yard):
    """A half-close is noted once; the beat goes on."""
    entry = yard.park(Every(10))
    entry.connection.client.shutdown(socket.SHUT_WR)
    yard.lot.turn(5)
    assert yard.lot._epoll.poll(0) == []
    yard.pass_time(10)
    assert entry.connection.take() == PROCESSING
    assert yard.gone == []


def test_close_is_noticed_by_a_beat(yard):
    """A 102 to a closed client provokes a reset: the client has gone, is reported once, and its
    socket is closed.
    """
    entry = yard.park(Every(10))
    entry.connection.client.close()
    yard.lot.turn(5)
    assert yard.gone == []
    yard.pass_time(10)
    yard.lot.turn(5)
    yard.pass_time(10)
    assert yard.gone == [entry.connection]
    assert entry.connection.socket.fileno() == -1
    assert yard.delivered == []


def test_disconnected_that_raises(yard):
    """A fault of the application does not stop the lot."""
    entry = yard.park()
    entry.waiting.disconnected = lambda: 1 / 0
    entry.connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    entry.connection.client.close()
    yard.lot.turn(5)
    assert len(yard.lot) == 0


def test_subscribe_that_raises(yard):
    """A wait that cannot be subscribed to is resumed rather than parked for ever."""
    conn = Conn()
    yard.conns.append(conn)
    yard.lot.park(Parked(conn, Waiting(lambda callback: 1 / 0, list), Interims(0.0)))
    yard.lot.turn(0)
    assert yard.delivered == [conn]


def test_full_send_buffer(yard):
    """A full buffer skips the beat, delays nobody, and the rest of a response comes before the
    next one.
    """
    conn = Conn(buffer=2048)
    stuffed = 0
    conn.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            stuffed += conn.socket.send(b"x" * 100)
    other = yard.park(Every(10))
    entry = yard.park(Every(10), conn=conn)
    yard.pass_time(10)
    assert other.connection.take() == PROCESSING
    assert entry.interims.sent == 0
    yard.pass_time(RETRY_AFTER / 2)
    taken = b""
    while len(taken) < stuffed:
        taken += conn.client.recv(stuffed - len(taken))
    yard.lot._epoll.poll(0)
    yard.pass_time(RETRY_AFTER)
    assert conn.client.recv(100).endswith(PROCESSING[-4:])
    assert entry.interims.sent == 1
    assert entry.interims.unsent == b""


class Trickle:
    """A socket that takes a few bytes at a time."""

    def __init__(self, sock, sizes):
        self._sock, self._sizes = sock, sizes

    def send(self, block):
        size = self._sizes.pop(0)
        if size == 0:
            raise BlockingIOError
        return self._sock.send(block[:size])

    def __getattr__(self, name):
        return getattr(self._sock, name)


def test_partly_written(yard):
    """A partly written interim response is finished by the next beat, not begun again, and counts
    once.
    """
    conn = Conn()
    conn.socket = Trickle(conn.socket, [5, 0, 3, 100, 100])
    entry = yard.park(Every(10), conn=conn)
    yard.pass_time(10)
    assert entry.interims.unsent == PROCESSING[5:]
    for _ in range(2):
        yard.pass_time(RETRY_AFTER)
    assert entry.interims.unsent == PROCESSING[8:]
    assert entry.interims.sent == 0
    yard.pass_time(RETRY_AFTER)
    assert conn.take() == PROCESSING
    assert (entry.interims.sent, entry.interims.unsent) == (1, b"")
    yard.pass_time(10)
    assert conn.take() == PROCESSING


def test_unsent_is_kept_for_the_next_owner(yard):
    """Handed back in the middle of an interim response, the connection carries its rest."""
    conn = Conn()
    conn.socket = Trickle(conn.socket, [5])
    entry = yard.park(Every(10), conn=conn)
    yard.pass_time(10)
    yard.callbacks[0]()
    yard.lot.turn(0)
    assert yard.delivered == [conn]
    assert entry.interims.unsent == PROCESSING[5:]


def test_log_line(yard, caplog):
    """Every interim response is a line with status, peer, label and number."""
    yard.park(Every(10))
    with caplog.at_level(logging.INFO, logger="davkeep.keepalive"):
        yard.pass_time(10)
    assert caplog.messages == ["102 Processing to client, COPY /a, number 1"]


def test_heap_does_not_grow(yard):
    """Waits that ended long before their deadline leave nothing behind."""
    conn = Conn()
    for _ in range(5 * HEAP_SLACK):
        yard.park(conn=conn, deadline=yard.clock.now + 1e6)
        yard.callbacks.pop()()
        yard.lot.turn(0)
    assert len(yard.lot._heap) <= HEAP_SLACK + 2


def test_sleep_until_the_next_moment(yard):
    """The lot sleeps exactly until the first beat or deadline."""
    yard.park(Every(10))
    yard.park(Every(30), deadline=yard.clock.now + 7)
    assert yard.lot._sleep() == 7
    yard.clock.now += 100
    assert yard.lot._sleep() == 0


def test_as_a_thread():
    """Parked by one thread, woken by another, handed back by the lot's own; stop resets what is
    left.
    """
    delivered = threading.Event()
    by = []

    def deliver(conn):
        by.append(threading.current_thread().name)
        delivered.set()

    lot, conns, callbacks, gone = ParkingLot(deliver), [Conn(), Conn()], [], []
    lot.start()
    for conn in conns:
        waiting = Waiting(callbacks.append, list, disconnected=lambda: gone.append(1))
        lot.park(Parked(conn, waiting, Interims(0.0)))
    assert lot.flush(10)
    assert not delivered.is_set()
    callbacks[0]()
    assert delivered.wait(10)
    assert by == ["davkeep-lot"]
    assert lot.flush(10)
    lot.stop()
    with pytest.raises(ConnectionResetError):
        conns[1].client.recv(1)
    assert gone == []
    callbacks[1]()
    late = Conn()
    lot.park(Parked(late, Waiting(callbacks.append, list), Interims(0.0)))
    with pytest.raises(ConnectionResetError):
        late.client.recv(1)
    assert not lot.flush(0)
    for conn in [*conns, late]:
        conn.client.close()
        conn.socket.close()


def test_incomplete_body_is_a_connection_error():
    """It carries the status with which it is answered."""
    error = IncompleteBody("the body ended early", 408)
    assert isinstance(error, ConnectionError)
    assert (str(error), error.status, error.errno) == ("the body ended early", 408, None)


def test_who_leaves_before_the_wait_is_subscribed_to(yard):
    """A client that is gone when its connection is parked: whoever made the wait is first given
    the callback and then told, so nothing keeps what was told to go.
    """
    conn = Conn()
    yard.conns.append(conn)
    told = []
    waiting = Waiting(
        lambda _: told.append("subscribed"), list, disconnected=lambda: told.append("gone")
    )
    conn.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.client.close()
    yard.lot.park(Parked(conn, waiting, Interims(0.0)))
    assert told == []
    yard.lot.turn(0)
    yard.lot.turn(5)
    assert told == ["subscribed", "gone"]


@pytest.mark.parametrize("first", ["wake", "departure"])
def test_a_wait_ends_once(yard, first):
    """Of a wake and a departure that come together, one ends the wait, and the other does
    nothing.
    """
    entry = yard.park()
    entry.connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if first == "wake":
        yard.callbacks[0]()
        yard.lot._take_messages()
    entry.connection.client.close()
    yard.lot.turn(0.05)
    yard.callbacks[0]()
    yard.lot.turn(0)
    ends = ([entry.connection], []) if first == "wake" else ([], [entry.connection])
    assert (yard.delivered, yard.gone) == ends
    assert entry.stage is (Stage.RETURNED if first == "wake" else Stage.LOST)


def test_a_second_end_is_a_fault():
    """Stages are a table: what is over ends no second time."""
    entry = Parked(None, Waiting(list, list), Interims(0.0))
    entry.enter(Stage.LOST)
    for stage in Stage:
        with pytest.raises(IllegalStage):
            entry.enter(stage)


def test_a_wake_before_the_flush_counts(yard):
    """What is over when it is parked was handed back when the lot says that it is flushed."""
    lot = ParkingLot(yard.delivered.append)
    conn = Conn()
    yard.conns.append(conn)
    lot.park(Parked(conn, Waiting(lambda callback: callback(), list), Interims(0.0)))
    lot.start()
    assert lot.flush(10)
    assert yard.delivered == [conn]
    lot.stop()


def _leaving(yard, conn=None):
    """Park a connection whose wait ends with what its client sends."""
    entry = yard.park(conn=conn)
    yard.callbacks.pop()()
    yard.lot.turn(0)
    yard.delivered.clear()
    entry.waiting.ends_with_client = True
    again = Parked(entry.connection, entry.waiting, entry.interims)
    yard.lot.park(again)
    yard.lot.turn(0)
    return again


@pytest.mark.parametrize("leave", ["close", "shutdown"])
def test_the_last_byte_ends_a_wait(yard, leave):
    """Where the work ends with its client, a close and a half-close are departures, with nothing
    written.
    """
    entry = _leaving(yard)
    client = entry.connection.client
    client.close() if leave == "close" else client.shutdown(socket.SHUT_WR)
    yard.lot.turn(5)
    assert yard.gone == [entry.connection]
    assert yard.delivered == []


def test_the_next_request_keeps_the_wait(yard):
    """A client that has asked for more before its last byte wants the answers, and is not watched
    any more.
    """
    entry = _leaving(yard)
    entry.connection.client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    entry.connection.client.shutdown(socket.SHUT_WR)
    yard.lot.turn(5)
    assert yard.lot._epoll.poll(0) == []
    assert yard.gone == []
    assert entry.connection.socket.recv(3) == b"GET"


def test_what_is_over_is_let_go(yard):
    """The heap does not keep connections until moments at which nothing is to be done any more."""
    for _ in range(5 * HEAP_SLACK):
        yard.park(deadline=yard.clock.now + 1e6)
    for callback in yard.callbacks:
        callback()
    yard.lot.turn(0)
    assert len(yard.delivered) == 5 * HEAP_SLACK
    assert len(yard.lot._heap) <= HEAP_SLACK
