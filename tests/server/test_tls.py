"""TLS: the same promises, and a handshake that holds up nobody."""

import socket
import ssl

import pytest

from davkeep.keepalive import Action, Step
from davkeep.server.connection import Connection


def test_parking_over_tls(tls_house):
    """Interim responses, the final one, and a pipelined request, over TLS."""
    gate = tls_house.gate()
    wire = tls_house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    assert wire.head() == (102, {})
    wire.send("GET /hello HTTP/1.1", "Host: x")
    assert wire.head() == (102, {})
    gate.open()
    assert wire.answer().status == 201
    assert wire.answer().body == b"hello"


def test_requests_in_one_record(tls_house):
    """A second request in the TLS record of the first one is not forgotten."""
    wire = tls_house.connect()
    wire.sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
    assert [wire.answer().body for _ in range(300)] == [b"hello"] * 300


def test_environ_over_tls(tls_house):
    """The application learns that it is TLS."""
    seen = []

    def app(environ, start_response):
        seen.append(environ)
        start_response("204 No Content", [])
        return []

    tls_house.route("/", app)
    assert tls_house.connect().send("GET / HTTP/1.1", "Host: x").answer().status == 204
    assert seen[0]["wsgi.url_scheme"] == "https"
    assert seen[0]["SSL_PROTOCOL"].startswith("TLS")


def test_silent_clients_hold_up_nobody(open_house, adapter, tls_house):
    """Clients that never begin their handshake, or stop in it, leave others served: more of them
    than threads.
    """
    house = open_house(tls=adapter, context=tls_house.tls, numthreads=2, max=8)
    silent = [house.raw() for _ in range(20)]
    stopping = [house.raw() for _ in range(4)]
    for sock in stopping:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
    assert house.connect().is_open()
    assert house.server.requests.size <= 8 + house.server.settings.reserved
    for sock in silent + stopping:
        sock.close()


def test_handshake_timeout(open_house, adapter):
    """A handshake that stops is given up."""
    house = open_house(tls=adapter, handshake_timeout=0.1)
    sock = house.raw()
    sock.sendall(b"\x16\x03\x01\x02\x00\x01")
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    sock.close()


def test_plain_http_on_a_tls_port(tls_house):
    """A client that speaks plain HTTP is told so in plain HTTP."""
    sock = tls_house.raw()
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with sock, sock.makefile("rb") as stream:
        answer = stream.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\nThis port speaks TLS only.\n")
    assert b"Content-Length: 27\r\n" in answer


def test_close_notify(tls_house):
    """A connection that ends properly says so in TLS, so that the end is no cut."""
    wire = tls_house.connect()
    wire.sock.suppress_ragged_eofs = False
    wire.send("GET /hello HTTP/1.1", "Host: x", "Connection: close")
    assert wire.rest().endswith(b"hello")


def test_refused_upload_over_tls(tls_house):
    """The answer to a refused upload is readable over TLS too."""

    def refuse(environ, start_response):
        start_response("403 Forbidden", [])
        return [b"no"]

    tls_house.route("/", refuse)
    wire = tls_house.connect().send("PUT / HTTP/1.1", "Host: x", "Content-Length: 9000000")
    for _ in range(9):
        wire.sock.sendall(b"x" * 1_000_000)
    assert wire.answer().body == b"no"


def test_upload_over_tls(tls_house):
    """A body arrives complete over TLS."""
    sizes = []

    def store(environ, start_response):
        sizes.append(len(environ["wsgi.input"].read()))
        start_response("201 Created", [])
        return []

    tls_house.route("/", store)
    wire = tls_house.connect()
    wire.send("PUT / HTTP/1.1", "Host: x", "Content-Length: 3000000", body=b"x" * 3_000_000)
    assert wire.answer().status == 201
    assert sizes == [3_000_000]


def test_client_that_left_over_tls(tls_house):
    """A closed TLS client is noticed."""
    gate = tls_house.gate()
    wire = tls_house.connect().send("COPY /slow HTTP/1.1", "Host: x")
    assert gate.parked.wait(10)
    wire.close()
    assert gate.gone.wait(10)


def test_full_send_buffer_over_tls(tls_house, monkeypatch, until):
    """A client that reads nothing delays nobody; what TLS began to write is finished first, and
    all arrives whole.
    """
    monkeypatch.setattr(Connection, "__init__", with_small_buffer(Connection.__init__))
    gate = tls_house.gate()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    raw.connect(tls_house.server.bind_addr)
    wire = tls_house.connect(raw)
    tls_house.route("/slow", endless(gate))
    wire.send("COPY /slow HTTP/1.1", "Host: x")
    until(lambda: gate.interims is not None and gate.interims.unsent != b"")
    other = tls_house.connect()
    for _ in range(50):
        assert other.is_open()
    gate.open()
    answer = wire.answer()
    assert answer.status == 201
    assert len(answer.interims) == gate.interims.sent
    assert wire.is_open()


class _Always:
    """A schedule without a pause or an end."""

    def next_step(self, elapsed, sent, **_):
        return Step(Action.INTERIM, elapsed)


def endless(gate):
    """`gate`, but with interim responses as fast as they can be sent."""
    gate.interims = None

    def app(environ, start_response):
        gate(environ, start_response)
        environ["davkeep.exchange"].waiting.beat = _Always()
        gate.interims = environ["davkeep.exchange"].interims
        return []

    return app


def with_small_buffer(init):
    """A connection whose kernel buffers a few kilobytes only."""

    def wrapped(self, server, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        init(self, server, sock)

    return wrapped


def test_context_is_modern(adapter):
    """Nothing below TLS 1.2 is spoken."""
    assert adapter.context.minimum_version >= ssl.TLSVersion.TLSv1_2
