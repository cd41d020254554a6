"""Responses that the parking lot goes on writing while their connection waits."""

import socket
import struct
import threading
from dataclasses import dataclass, field

import pytest

from davkeep.keepalive import Piece, Waiting

#: Lingering for 0 s: close() resets the connection.
RESET = struct.pack("ii", 1, 0)

#: Bytes of a piece that fits into no send buffer.
LARGE = 8 * 1024 * 1024


@dataclass
class Numbers:
    """An application that says a number every so often, until its test lets it end."""

    pause: float = 0.01
    size: int = 0
    fields: tuple[tuple[str, str], ...] = ()
    asked: int = 0
    callbacks: list = field(default_factory=list)

    def __post_init__(self):
        self.subscribed = threading.Event()
        self.gone = threading.Event()
        self.departures = 0

    def next_piece(self, now):
        self.asked += 1
        return Piece(f"{self.asked};".encode().rjust(self.size, b" "), now + self.pause)

    def subscribe(self, callback):
        self.callbacks.append(callback)
        self.subscribed.set()

    def disconnected(self):
        self.departures += 1
        self.gone.set()

    def end(self):
        assert self.subscribed.wait(10)
        for callback in self.callbacks:
            callback()

    def __call__(self, environ, start_response):
        start_response("200 OK", list(self.fields))
        environ["davkeep.exchange"].hold(
            Waiting(
                self.subscribe,
                lambda: [b"end"],
                feed=self,
                disconnected=self.disconnected,
                label="numbers",
            )
        )
        return [b"begin;"]


def read_chunk(wire):
    """One chunk of a body."""
    size = int(wire.stream.readline(), 16)
    block = wire.stream.read(size)
    assert wire.stream.readline() == b"\r\n"
    return block


def read_numbers(wire, most):
    """Chunks up to the number ``most``, each of which has to be the next."""
    assert read_chunk(wire) == b"begin;"
    for number in range(1, most + 1):
        assert read_chunk(wire).strip() == f"{number};".encode()


@pytest.fixture(params=["house", "tls_house"])
def any_house(request):
    """A server, plain and with TLS."""
    return request.getfixturevalue(request.param)


def test_pieces_come_one_by_one(any_house):
    """As chunks, in order; the end is the application's, and the connection is kept."""
    numbers = any_house.route("/numbers", Numbers())
    wire = any_house.connect().send("GET /numbers HTTP/1.1", "Host: x")
    assert wire.head()[1]["transfer-encoding"] == "chunked"
    read_numbers(wire, 5)
    numbers.end()
    blocks = [read_chunk(wire)]
    while blocks[-1] != b"end":
        blocks.append(read_chunk(wire))
    assert read_chunk(wire) == b""
    assert wire.is_open()


def test_to_http_1_0(house):
    """Without framing, up to the end of the connection."""
    numbers = house.route("/numbers", Numbers())
    wire = house.connect().send("GET /numbers HTTP/1.0")
    status, fields = wire.head()
    assert (status, fields["connection"]) == (200, "close")
    assert "transfer-encoding" not in fields
    assert wire.stream.read(12) == b"begin;1;2;3;"
    numbers.end()
    assert wire.rest().endswith(b"end")


def test_a_client_that_reads_slowly(any_house, until):
    """It is asked for no piece that it cannot take, its end waits for the rest, and nothing is
    lost or repeated.
    """
    numbers = any_house.route("/numbers", Numbers(pause=0.0, size=LARGE))
    wire = any_house.connect().send("GET /numbers HTTP/1.1", "Host: x")
    wire.head()
    assert read_chunk(wire) == b"begin;"
    until(lambda: numbers.asked == 1)
    threads = threading.active_count()
    numbers.end()
    other = any_house.connect()
    assert all(other.is_open() for _ in range(20))
    assert (numbers.asked, threading.active_count() <= threads + 1) == (1, True)
    assert read_chunk(wire).strip() == b"1;"
    assert read_chunk(wire) == b"end"
    assert read_chunk(wire) == b""
    assert wire.is_open()


def test_many_hold_no_thread(house, until):
    """A hundred feeds are written, and there are as many threads as before."""
    house.route("/numbers", Numbers())
    assert house.connect().is_open()
    threads = threading.active_count()
    wires = [house.connect().send("GET /numbers HTTP/1.1", "Host: x") for _ in range(100)]
    for wire in wires:
        assert wire.head()[0] == 200
        assert read_chunk(wire) == b"begin;"
        read_chunk(wire)
    assert len(house.server.lot) == 100
    assert threading.active_count() <= threads + 1


@pytest.mark.parametrize("is_reset", [True, False])
def test_a_client_that_goes_away(any_house, until, is_reset):
    """It is forgotten when it does not take the next piece; the application is told once."""
    numbers = any_house.route("/numbers", Numbers())
    wire = any_house.connect().send("GET /numbers HTTP/1.1", "Host: x")
    wire.head()
    if is_reset:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    wire.close()
    assert numbers.gone.wait(10)
    until(lambda: len(any_house.server.lot) == 0)
    asked = numbers.asked
    assert any_house.connect().is_open()
    assert (numbers.asked, numbers.departures) == (asked, 1)


def test_a_feed_that_fails(house, caplog):
    """Its connection is reset, so that nothing seems complete; the others go on."""
    broken = house.route("/broken", Numbers())
    broken.next_piece = lambda now: 1 / 0
    house.route("/numbers", Numbers())
    other = house.connect().send("GET /numbers HTTP/1.1", "Host: x")
    other.head()
    wire = house.connect().send("GET /broken HTTP/1.1", "Host: x")
    with pytest.raises(ConnectionResetError):
        wire.rest()
    assert broken.gone.wait(10)
    assert "the feed of numbers failed" in caplog.text
    read_numbers(other, 3)


@pytest.mark.parametrize(
    "application",
    [
        Numbers(fields=(("Content-Length", "10"),)),
        lambda environ, _: environ["davkeep.exchange"].hold(
            Waiting(lambda _: None, list, feed=Numbers())
        ),
    ],
    ids=["of a declared length", "that was not begun"],
)
def test_a_response_that_cannot_be_fed(house, application):
    """It is refused where it is asked for: 500."""
    house.route("/numbers", application)
    wire = house.connect().send("GET /numbers HTTP/1.1", "Host: x")
    assert wire.answer().status == 500


def test_the_stop(open_house):
    """A feed that ends at the stop has its proper end; one that does not is reset."""
    ending, lasting = Numbers(), Numbers()
    house = open_house(drain=lambda seconds: ending.end())
    house.route("/ending", ending)
    house.route("/lasting", lasting)
    wires = [house.connect().send(f"GET {path} HTTP/1.1", "Host: x") for path in house.toy.paths]
    for wire in wires:
        assert wire.head()[0] == 200
    house.server.stop(5.0)
    assert wires[1].rest().endswith(b"3\r\nend\r\n0\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        wires[2].rest()
