"""What is accepted as a request, and how the rest is refused."""

import socket

import pytest

from davkeep.keepalive import IncompleteBody

GET = "GET /echo HTTP/1.1"


@pytest.fixture
def seen(house):
    """Routes everything to an application that keeps the environs it was given and reads no
    body.
    """
    environs = []

    def app(environ, start_response):
        environs.append(environ)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode("latin-1")]

    house.server.wsgi_app = app
    return environs


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (400, [GET]),
        (400, [GET, "Host: a", "Host: a"]),
        (400, [GET, "Host: a/b"]),
        (400, [GET, "Host: x", "Content-Length: 3", "Transfer-Encoding: chunked"]),
        (400, [GET, "Host: x", "Content-Length: 3", "Content-Length: 4"]),
        (400, [GET, "Host: x", "Content-Length: 3, 4"]),
        (400, [GET, "Host: x", "Content-Length: -1"]),
        (400, [GET, "Host: x", "Content-Length: +1"]),
        (400, [GET, "Host: x", "Content-Length: 0x10"]),
        (400, [GET, "Host: x", "Content-Length: 1_0"]),
        (400, [GET, "Host: x", "Content-Length:"]),
        (400, [GET, "Host: x", "X: a\0b"]),
        (400, [GET, "Host: x", "X: a\rb"]),
        (400, [GET, "Host: x", "X: a\nY: b"]),
        (400, [GET, "Host: x", "X: a", " folded"]),
        (400, [GET, "Host: x", "X : a"]),
        (400, [GET, "Host: x", "no colon"]),
        (400, [GET, "Host: x", "Destination: /a", "Destination: /b"]),
        (400, ["GET /a b HTTP/1.1", "Host: x"]),
        (400, ["GET /a#b HTTP/1.1", "Host: x"]),
        (400, ["GET a HTTP/1.1", "Host: x"]),
        (400, ["GET * HTTP/1.1", "Host: x"]),
        (400, ["GET http:///a HTTP/1.1", "Host: x"]),
        (400, ["GET http://u@h/a HTTP/1.1", "Host: x"]),
        (400, ["GET /a", "Host: x"]),
        (400, ["GET /a HTTPS/1.1", "Host: x"]),
        (400, ["G@T /a HTTP/1.1", "Host: x"]),
        (400, ["GET /echo HTTP/1.0", "Transfer-Encoding: chunked"]),
        (414, ["GET /" + "a" * 70_000 + " HTTP/1.1", "Host: x"]),
        (417, [GET, "Host: x", "Expect: 200-ok"]),
        (431, [GET, "Host: x", "X: " + "a" * 70_000]),
        (431, [GET, "Host: x", *[f"X-{n}: {'a' * 100}" for n in range(700)]]),
        (501, [GET, "Host: x", "Transfer-Encoding: gzip, chunked"]),
        (501, [GET, "Host: x", "Transfer-Encoding: chunked, chunked"]),
        (501, [GET, "Host: x", "Transfer-Encoding: identity"]),
        (505, ["GET /a HTTP/2.0", "Host: x"]),
    ],
)
def test_refused(house, seen, status, lines):
    """A malformed or ambiguous request gets a complete, short answer, and the connection ends."""
    wire = house.connect().send(*lines)
    answer = wire.answer()
    assert answer.status == status
    assert answer.fields["connection"] == "close"
    assert answer.fields["content-type"].startswith("text/plain")
    assert 0 < len(answer.body) < 100
    assert wire.rest() == b""
    assert seen == []


def test_refusal_of_a_head(house, seen):
    """The refusal of a HEAD request has no body."""
    wire = house.connect().send("HEAD /a HTTP/1.1", "Host: x", "Expect: nothing")
    assert wire.answer("HEAD").status == 417


@pytest.mark.parametrize(
    ("lines", "host"),
    [
        ([GET, "Host: x", "Content-Length: 0", "Content-Length: 0"], "x"),
        (["GET http://other:81/echo?q HTTP/1.1", "Host: x"], "other:81"),
        (["GET HTTP://other/echo HTTP/1.1", "Host:"], "other"),
        ([GET, "Host:"], ""),
    ],
)
def test_accepted(house, seen, lines, host):
    """Equal lengths are one; the authority of an absolute target replaces Host (RFC 9112 3.2.2)."""
    assert house.connect().send(*lines).answer().status == 200
    assert seen[0]["HTTP_HOST"] == host
    assert seen[0]["PATH_INFO"] == "/echo"


@pytest.mark.parametrize(
    "target",
    ["/%ff%fe", "/%00", "/../../x", "//a//b/", "/a%2Fb%2fc?x=%2F", "/%zz%", "/%C3%BC?", "/a;b=c"],
)
def test_targets_reach_the_application(house, seen, target):
    """Odd targets are the application's to judge: it gets them byte for byte, and its answer
    arrives.
    """
    wire = house.connect().send(f"GET {target} HTTP/1.1", "Host: x")
    assert wire.answer().status == 200
    assert seen[0]["REQUEST_URI"] == target
    assert wire.is_open()


def test_decoded_path(house, seen):
    """PATH_INFO is decoded as cheroot does it, encoded slashes excepted; RAW_URI is the whole
    target.
    """
    house.connect().send("GET http://h/%C3%BC%2fa?b=%20 HTTP/1.1", "Host: x").answer()
    assert seen[0]["PATH_INFO"].encode("latin-1") == "/ü%2Fa".encode()
    assert seen[0]["QUERY_STRING"] == "b=%20"
    assert seen[0]["REQUEST_URI"] == "/%C3%BC%2fa?b=%20"
    assert seen[0]["RAW_URI"] == "http://h/%C3%BC%2fa?b=%20"


def test_options_asterisk(house, seen):
    """`OPTIONS *` reaches the application as a request for the root, told apart by REQUEST_URI."""
    assert house.connect().send("OPTIONS * HTTP/1.1", "Host: x").answer().status == 200
    assert (seen[0]["PATH_INFO"], seen[0]["REQUEST_URI"]) == ("/", "*")


def test_environ(house, seen):
    """The version is a tuple, SERVER_NAME a host, and a field with an underscore cannot pass for
    another.
    """
    wire = house.connect()
    wire.send(GET, "Host: x", "X_Forwarded_For: evil", "If-Match: a", "If-Match: b").answer()
    environ = seen[0]
    assert environ["davkeep.http_version"] == (1, 1)
    assert environ["SERVER_NAME"] == "127.0.0.1"
    assert "HTTP_X_FORWARDED_FOR" not in environ
    assert environ["HTTP_IF_MATCH"] == "a, b"
    assert environ["wsgi.input_terminated"] is True


@pytest.mark.parametrize(
    ("lines", "stays"),
    [
        ([GET, "Host: x"], True),
        ([GET, "Host: x", "Connection: Close"], False),
        ([GET, "Host: x", "Connection: TE, CLOSE"], False),
        (["GET / HTTP/1.0"], False),
        (["GET / HTTP/1.0", "Connection: Keep-Alive"], True),
        (["GET / HTTP/1.2", "Host: x"], True),
    ],
)
def test_persistence(house, seen, lines, stays):
    """`Connection` is a list without case (RFC 9112 9.3)."""
    wire = house.connect().send(*lines)
    answer = wire.answer()
    assert (answer.fields.get("connection") != "close") is stays
    if stays:
        assert wire.is_open()
    else:
        assert wire.rest() == b""


def test_empty_line_before_a_request(house):
    """One empty line before a request line is ignored (RFC 9112 2.2)."""
    wire = house.connect()
    wire.sock.sendall(b"\r\n")
    assert wire.is_open()


def test_silence_is_no_request(house):
    """A client that closes without a request costs nothing and gets nothing."""
    wire = house.connect()
    wire.sock.shutdown(socket.SHUT_WR)
    assert wire.rest() == b""


def test_head_that_drips_in(open_house):
    """A head that is not complete in its time is answered with 408, however steadily it
    drips in.
    """
    house = open_house(head_timeout=0.2, timeout=5)
    wire = house.connect()
    wire.sock.sendall(b"GET / HTTP/1.1\r\n")
    assert wire.answer().status == 408


def test_idle_connection_is_closed(open_house):
    """A connection without a request is closed after its time, and was given no thread."""
    house = open_house(idle_timeout=0.1)
    wire = house.connect()
    assert wire.rest() == b""


def reader(caught):
    """An application that reads the whole body and answers with it, or keeps what the read
    raised.
    """

    def app(environ, start_response):
        try:
            body = environ["wsgi.input"].read()
        except IncompleteBody as error:
            caught.append(error)
            raise
        caught.append(body)
        start_response("200 OK", [])
        return [body]

    return app


CHUNKED = ("PUT /read HTTP/1.1", "Host: x", "Transfer-Encoding: Chunked")


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (("PUT /read HTTP/1.1", "Host: x", "Content-Length: 9"), b"short"),
        (CHUNKED, b"5\r\nhello\r\n"),
        (CHUNKED, b"5\r\nhel"),
        (CHUNKED, b"5\r\nhello\r\n0\r\n"),
        (CHUNKED, b"5\r\nhelloXX0\r\n\r\n"),
        (CHUNKED, b"5\nhello\r\n0\r\n\r\n"),
        (CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
        (CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
        (CHUNKED, b"\r\n"),
        (CHUNKED, b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n"),
        (CHUNKED, b"0\r\n" + b"a: b\r\n" * 4000 + b"\r\n"),
    ],
)
def test_incomplete_body(house, lines, body):
    """An early end or a malformed chunk is an exception for the application, never an end of the
    body.
    """
    caught = []
    house.route("/read", reader(caught))
    wire = house.connect().send(*lines, body=body)
    wire.sock.shutdown(socket.SHUT_WR)
    assert wire.answer().status == 400
    assert isinstance(caught[0], IncompleteBody)


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"A;x=y\r\n0123456789\r\n00\r\n\r\n", b"0123456789"),
        (b"1\r\na\r\n1 \r\nb\r\n0\r\nTrailer: x\r\n\r\n", b"ab"),
        (b"0\r\n\r\n", b""),
    ],
)
def test_chunked_body(house, body, content):
    """Extensions and trailers are dropped, and the connection goes on behind them."""
    caught = []
    house.route("/read", reader(caught))
    wire = house.connect().send(*CHUNKED, body=body)
    assert wire.answer().body == content
    assert wire.is_open()


def test_body_that_stops(open_house):
    """A body that no longer comes is IncompleteBody with status 408."""
    house, caught = open_house(timeout=0.1), []
    house.route("/read", reader(caught))
    wire = house.connect().send("PUT /read HTTP/1.1", "Host: x", "Content-Length: 9", body=b"ab")
    assert wire.answer().status == 408
    assert caught[0].status == 408


@pytest.mark.parametrize("lines", [CHUNKED, (*CHUNKED[:2], "Content-Length: 11")])
def test_body_limit(open_house, lines):
    """A body above the limit is refused with 413, whether it says its size or not."""
    house, caught = open_house(max_request_body_size=10), []
    house.route("/read", reader(caught))
    wire = house.connect().send(*lines, body=b"b\r\nhello world\r\n0\r\n\r\n")
    assert wire.answer().status == 413


def test_small_reads(house):
    """wsgi.input reads lines and blocks as PEP 3333 asks, across packets."""
    parts = []

    def app(environ, start_response):
        stream = environ["wsgi.input"]
        parts.extend([stream.readline(), stream.read(3), stream.readlines(), stream.read(5)])
        start_response("204 No Content", [])
        return []

    house.route("/read", app)
    wire = house.connect()
    wire.send("PUT /read HTTP/1.1", "Host: x", "Content-Length: 15", body=b"one\ntw")
    wire.sock.sendall(b"o\nthree\nx")
    assert wire.answer().status == 204
    assert parts == [b"one\n", b"two", [b"\n", b"three\n", b"x"], b""]


def test_read1_returns_what_is_there(house, until):
    """read1(n) does not wait for n bytes, so that an upload is stored as it comes."""
    parts = []

    def app(environ, start_response):
        parts.append(environ["wsgi.input"].read1(1 << 20))
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    house.route("/read", app)
    wire = house.connect()
    wire.send("PUT /read HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Length: 4")
    assert wire.head()[0] == 100
    wire.sock.sendall(b"ab")
    until(lambda: bool(parts))
    wire.sock.sendall(b"cd")
    assert wire.answer().body == b"cd"
    assert parts == [b"ab"]
