"""100 Continue, and bodies that nobody reads."""

import resource
import socket

import pytest

UPLOAD = ("PUT /up HTTP/1.1", "Host: x", "Content-Length: 5")


def refuse(environ, start_response):
    """An application that fails a check and reads no body."""
    start_response("401 Unauthorized", [("Content-Length", "2")])
    return [b"no"]


def accept(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [body, b" %d" % environ["davkeep.continues"]]


@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
def test_continue_on_first_read(house, value):
    """100 Continue comes with the first read, is counted, and comes once."""
    house.route("/up", accept)
    wire = house.connect().send(*UPLOAD, f"Expect: {value}")
    assert wire.head() == (100, {})
    wire.sock.sendall(b"hello")
    answer = wire.answer()
    assert (answer.statuses, answer.body) == ([200], b"hello 1")
    assert wire.is_open()


def test_refused_before_upload(house):
    """A request that fails its checks never uploads: no 100, and nobody waits for the body."""
    house.route("/up", refuse)
    wire = house.connect().send(*UPLOAD, "Expect: 100-continue")
    answer = wire.answer()
    assert answer.statuses == [401]
    assert answer.fields["connection"] == "close"
    assert wire.rest() == b""


def test_no_continue_to_http_1_0(house):
    """HTTP/1.0 gets no 100 (RFC 9110 10.1.1), and its Expect is ignored."""
    house.route("/up", accept)
    wire = house.connect().send("PUT /up HTTP/1.0", "Content-Length: 5", "Expect: 100-continue")
    wire.sock.sendall(b"hello")
    assert wire.answer().statuses == [200]


def test_continue_without_a_body(house):
    """Nothing to continue with: no 100."""
    house.route("/up", accept)
    lines = ("PUT /up HTTP/1.1", "Host: x", "Content-Length: 0", "Expect: 100-continue")
    assert house.connect().send(*lines).answer().statuses == [200]


def test_small_unread_body_is_dropped(house):
    """A small body that nobody read does not cost the connection, nor become the next request."""
    house.route("/up", refuse)
    wire = house.connect().send(*UPLOAD, body=b"GET /")
    assert wire.answer().status == 401
    assert wire.is_open()


def test_small_unread_chunked_body_is_dropped(house):
    """Likewise for a chunked one."""
    house.route("/up", refuse)
    lines = ("PUT /up HTTP/1.1", "Host: x", "Transfer-Encoding: chunked")
    wire = house.connect().send(*lines, body=b"5\r\nhello\r\n0\r\n\r\n")
    assert wire.answer().status == 401
    assert wire.is_open()


@pytest.mark.parametrize("coding", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
def test_large_unread_body(house, coding):
    """100 MB refused: the client can read the answer after it sent all, and memory does not grow
    by them.
    """
    house.route("/up", refuse)
    wire = house.connect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wire.send("PUT /up HTTP/1.1", "Host: x", coding)
    block = b"x" * (1 << 20)
    if "chunked" in coding:
        block = b"100000\r\n" + block + b"\r\n"
    for _ in range(100):
        wire.sock.sendall(block)
    answer = wire.answer()
    assert (answer.status, answer.body) == (401, b"no")
    assert answer.fields["connection"] == "close"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_malformed_request_with_a_body(house):
    """The refusal of a malformed request is readable although its body was not read."""
    wire = house.connect().send("PUT /up HTTP/1.1", "Content-Length: 50000000")
    for _ in range(20):
        wire.sock.sendall(b"x" * (1 << 20))
    assert wire.answer().status == 400
    wire.sock.shutdown(socket.SHUT_WR)
    assert wire.rest() == b""
