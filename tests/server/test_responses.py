"""How responses are framed, completed, or cut."""

import logging
import sys
import threading

import pytest


def answering(status, fields, pieces):
    """An application with a fixed answer."""

    def app(environ, start_response):
        start_response(status, fields)
        return pieces

    return app


class Fresh:
    """An application that yields the same pieces, of a length that it does not tell, every time."""

    def __init__(self, pieces):
        self.pieces = pieces

    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return iter(self.pieces)


def failing_after(pieces, status="200 OK", fields=()):
    """An application that fails after it has yielded `pieces`."""

    def app(environ, start_response):
        start_response(status, list(fields))
        yield from pieces
        raise ZeroDivisionError("a secret path")

    return app


def test_failure_before_the_head(house, caplog):
    """An exception before the response is a plain 500 without its text; the log has the
    traceback.
    """

    def app(environ, start_response):
        raise ZeroDivisionError("a secret path")

    house.route("/", app)
    with caplog.at_level(logging.ERROR, logger="davkeep.server"):
        answer = house.connect().send("GET / HTTP/1.1", "Host: x").answer()
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert answer.fields["content-length"] == str(len(answer.body))
    assert any(record.exc_info for record in caplog.records)


def test_failure_before_the_first_piece(house):
    """What start_response was given does not matter as long as nothing was sent."""
    house.route("/", failing_after([], fields=[("Content-Length", "7")]))
    answer = house.connect().send("GET / HTTP/1.1", "Host: x").answer()
    assert answer.status == 500


def test_application_that_does_not_answer(house):
    """An application that neither answers nor waits is a fault: 500."""
    house.route("/", lambda environ, start_response: [])
    assert house.connect().send("GET / HTTP/1.1", "Host: x").answer().status == 500


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("fields", [(), [("Content-Length", "9")]])
def test_failure_after_the_head(house, version, fields):
    """A response that cannot be completed ends in a reset, so that it never looks complete."""
    house.route("/", failing_after([b"half"], fields=fields))
    wire = house.connect().send(f"GET / HTTP/{version}", "Host: x")
    with pytest.raises(ConnectionResetError):
        wire.rest()


def test_body_shorter_than_declared(house):
    """Fewer bytes than declared, once some were sent, are a cut response."""
    house.route("/", answering("200 OK", [("Content-Length", "9")], [b"half"]))
    wire = house.connect().send("GET / HTTP/1.1", "Host: x")
    with pytest.raises(ConnectionResetError):
        wire.rest()


def test_body_longer_than_declared(house):
    """More bytes than declared, before any was sent, are a 500."""
    house.route("/", answering("200 OK", [("Content-Length", "2")], [b"long"]))
    assert house.connect().send("GET / HTTP/1.1", "Host: x").answer().status == 500


def test_declared_body_that_is_missing(house):
    """A declared body that never comes does not leave the client waiting."""
    house.route("/", answering("404 Not Found", [("Content-Length", "9")], []))
    wire = house.connect().send("GET / HTTP/1.1", "Host: x")
    answer = wire.answer()
    assert (answer.status, answer.body) == (404, b"")
    assert wire.is_open()


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("204 No Content", []),
        ("204 No Content", [("Content-Length", "0")]),
        ("304 Not Modified", []),
    ],
)
def test_bodiless(house, status, fields):
    """204 and 304 have no body and say nothing about its length."""
    house.route("/", answering(status, fields, [b"ignored"]))
    wire = house.connect().send("GET / HTTP/1.1", "Host: x")
    answer = wire.answer()
    assert not {"content-length", "transfer-encoding"} & set(answer.fields)
    assert wire.is_open()


@pytest.mark.parametrize("fields", [[], [("Content-Length", "5")]])
def test_head_request(house, fields):
    """A response to HEAD has no body, and the length that was declared."""
    house.route("/", answering("200 OK", fields, iter([b"hello"])))
    wire = house.connect().send("HEAD / HTTP/1.1", "Host: x")
    answer = wire.answer("HEAD")
    assert answer.fields.get("content-length") == dict(fields).get("Content-Length")
    assert "transfer-encoding" not in answer.fields
    assert wire.is_open()


def test_unknown_length(house):
    """A body of unknown length is chunked for HTTP/1.1 and ends with the connection for
    HTTP/1.0.
    """
    house.route("/", Fresh([b"a", b"", b"b"]))
    wire = house.connect().send("GET / HTTP/1.1", "Host: x")
    answer = wire.answer()
    assert (answer.fields["transfer-encoding"], answer.body) == ("chunked", b"ab")
    assert wire.is_open()
    wire = house.connect().send("GET / HTTP/1.0", "Connection: keep-alive")
    answer = wire.answer()
    assert "transfer-encoding" not in answer.fields
    assert (answer.fields["connection"], answer.body) == ("close", b"ab")


def test_own_fields(house):
    """Date and Server are there, once; the server's own name is davkeep and its version."""
    answer = house.connect().send("GET /hello HTTP/1.1", "Host: x").answer()
    assert answer.fields["server"].startswith("davkeep/")
    assert answer.fields["date"].endswith("GMT")
    house.route("/", answering("200 OK", [("Server", "mine"), ("Connection", "close")], [b""]))
    wire = house.connect().send("GET / HTTP/1.1", "Host: x")
    head = wire.rest().lower()
    assert head.count(b"server:") == 1
    assert head.count(b"connection: close") == 1


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("200 OK", [("X", "a\r\nY: b")]),
        ("200 OK", [("X:", "a")]),
        ("200 OK\r\nX: y", []),
        ("102 Processing", []),
    ],
)
def test_response_splitting(house, status, fields):
    """A status or field that would break the framing is a fault: 500."""
    house.route("/", answering(status, fields, [b""]))
    assert house.connect().send("GET / HTTP/1.1", "Host: x").answer().status == 500


def test_large_response(house):
    """Megabytes arrive complete, in order, with the client reading late."""
    blocks = [bytes([number]) * 300_000 for number in range(20)]
    house.route("/", Fresh(blocks))
    answer = house.connect().send("GET / HTTP/1.1", "Host: x").answer()
    assert answer.body == b"".join(blocks)


def test_reader_that_stops(open_house):
    """A response that its client does not take is cut by a reset after the timeout."""
    house, ended = open_house(timeout=0.1), threading.Event()

    class Pieces:
        def __iter__(self):
            return iter([b"x" * 50_000_000])

        def close(self):
            ended.set()

    house.route("/", answering("200 OK", [], Pieces()))
    wire = house.connect().send("GET / HTTP/1.0")
    assert ended.wait(10)
    with pytest.raises(ConnectionResetError):
        wire.rest()


def test_pipelined_requests(house):
    """Requests sent together are answered in order."""
    wire = house.connect()
    wire.sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
    assert [wire.answer().body for _ in range(5)] == [b"hello"] * 5


def test_write_callable(house):
    """start_response returns a write function (PEP 3333)."""

    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"a")
        return [b"b"]

    house.route("/", app)
    assert house.connect().send("GET / HTTP/1.1", "Host: x").answer().body == b"ab"


def test_error_after_start(house):
    """start_response may be called again with exc_info before anything was sent, not without."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        try:
            start_response("201 Created", [])
        except RuntimeError:
            start_response("409 Conflict", [], sys.exc_info())
        return [b""]

    house.route("/", app)
    assert house.connect().send("GET / HTTP/1.1", "Host: x").answer().status == 409


def test_an_application_without_memory(house, caplog):
    """What there was no memory for is 503, said in one line, and the connection goes on."""

    def hungry(environ, start_response):
        raise MemoryError

    house.route("/hungry", hungry)
    wire = house.connect()
    assert wire.send("GET /hungry HTTP/1.1", "Host: x").answer().status == 503
    assert house.connect().is_open()
    (record,) = [each for each in caplog.records if "memory" in each.getMessage()]
    assert record.exc_info is None
