"""One POST over real sockets, to receivers of every kind."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trustme

from davkeep.webhooks.poster import Poster
from harness.receiver import receiving

DEADLINE = 10.0
#: Seconds of an attempt where it is to be over soon, and what a busy machine may need beyond.
SHORT, SLACK = 0.3, 5.0

FIELDS = {"Content-Type": "application/json", "webhook-id": "a1"}


@contextmanager
def listening(talk: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that does ``talk`` with its first connection; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection, _ = listener.accept()
                with connection:
                    talk(connection)
            except OSError:
                # The client went away, or the test did.
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(DEADLINE)


def test_what_goes_over_the_wire() -> None:
    """Path, query, fields and body arrive as they were given."""
    with receiving(202) as receiver:
        answer = Poster(receiver.url, DEADLINE).post(FIELDS, b'{"a": 1}')
        (told,) = receiver.wait_for(1)
    assert answer.status == 202
    assert (told.path, told.body) == ("/told?by=davkeep", b'{"a": 1}')
    assert told.fields["Host"] == f"127.0.0.1:{receiver.server_port}"
    assert told.fields["Webhook-Id"] == "a1"
    assert told.fields["Content-Length"] == "8"


def test_a_redirection_is_not_followed() -> None:
    """Nobody but the configuration says where something is sent."""
    with receiving() as elsewhere, receiving((307, {"Location": elsewhere.url})) as receiver:
        assert Poster(receiver.url, DEADLINE).post(FIELDS, b"{}").status == 307
        assert elsewhere.told == []


@pytest.mark.parametrize(
    ("field", "seconds"),
    [("7", 7.0), (" 7 ", 7.0), ("-7", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("9" * 50, 0)],
)
def test_retry_after(field: str, seconds: float) -> None:
    """Its seconds are told; what is no reasonable number is as if it were not there."""
    with receiving((503, {"Retry-After": field})) as receiver:
        answer = Poster(receiver.url, DEADLINE).post(FIELDS, b"{}")
    assert (answer.status, answer.retry_after) == (503, seconds)


def test_nobody_listens() -> None:
    """A refused connection is an answer like any other failure."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = Poster(f"http://127.0.0.1:{port}/", DEADLINE).post(FIELDS, b"{}")
    assert answer.status is None
    assert "ConnectionRefusedError" in str(answer)


def test_a_host_that_is_no_name() -> None:
    """What cannot be looked up at all raises nothing."""
    assert Poster("http://a..b/", DEADLINE).post(FIELDS, b"{}").status is None


@pytest.mark.parametrize("talk", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2", b"\x16\x03\x01"])
def test_nonsense(talk: bytes) -> None:
    """What is no HTTP, or ends before its status line does, is no delivery."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(talk)

    with listening(answer) as url:
        assert Poster(url, DEADLINE).post(FIELDS, b"{}").status is None


def test_a_black_hole_is_left_in_time() -> None:
    """A receiver that takes everything and says nothing costs the timeout."""
    with receiving(None) as receiver:
        began = time.monotonic()
        answer = Poster(receiver.url, SHORT).post(FIELDS, b"{}")
        assert SHORT <= time.monotonic() - began < SHORT + SLACK
    assert answer.status is None


@pytest.mark.parametrize(
    ("first", "drop", "said"),
    [
        (b"", b"H", f"no answer within {SHORT} seconds"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Drop: 1\r\n", "status 200"),
    ],
)
def test_a_receiver_that_drips_is_left_in_time(first: bytes, drop: bytes, said: str) -> None:
    """Bytes that keep coming do not stretch the timeout; a status that came is believed."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(first)
        while not over.wait(SHORT / 10):
            connection.sendall(drop)

    with listening(drip) as url:
        began = time.monotonic()
        answer = Poster(url, SHORT).post(FIELDS, b"{}")
        assert time.monotonic() - began < SHORT + SLACK
        over.set()
    assert str(answer) == said


def test_a_body_that_never_ends_is_not_read() -> None:
    """The status is enough: what comes after it neither delays nor spoils the delivery."""
    over = threading.Event()

    def pour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        over.wait(DEADLINE)

    with listening(pour) as url:
        began = time.monotonic()
        assert Poster(url, DEADLINE).post(FIELDS, b"{}").status == 200
        assert time.monotonic() - began < SLACK
        over.set()


def test_an_attempt_can_be_cut() -> None:
    """A stop does not wait for a receiver's answer."""
    with receiving(None) as receiver:
        poster, answers = Poster(receiver.url, 60.0), []
        thread = threading.Thread(target=lambda: answers.append(poster.post(FIELDS, b"{}")))
        thread.start()
        receiver.wait_for(1)
        poster.abort()
        thread.join(DEADLINE)
        assert [answer.status for answer in answers] == [None]


def test_cutting_nothing() -> None:
    """A cut before, between or after attempts does nothing."""
    with receiving() as receiver:
        poster = Poster(receiver.url, DEADLINE)
        for _ in range(2):
            poster.abort()
            assert poster.post(FIELDS, b"{}").status == 200
        poster.abort()


def test_a_handshake_that_hangs_is_left_in_time() -> None:
    """TLS with somebody who takes the connection and drips costs the timeout, no more."""
    over = threading.Event()

    def hang(connection: socket.socket) -> None:
        connection.recv(65536)
        # A handshake record of 16 kB, one byte after the other.
        connection.sendall(b"\x16\x03\x03\x40\x00")
        while not over.wait(SHORT / 10):
            connection.sendall(b"\x02")

    with listening(hang) as url:
        began = time.monotonic()
        answer = Poster(url.replace("http:", "https:"), SHORT).post(FIELDS, b"{}")
        assert time.monotonic() - began < SHORT + SLACK
        over.set()
    assert answer.status is None


@pytest.mark.parametrize("is_known", [True, False])
def test_certificates_are_verified(is_known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver is told over TLS if its authority is known, and else is not told a word."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with receiving() as receiver, authority.cert_pem.tempfile() as file:
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
        if is_known:
            monkeypatch.setenv("SSL_CERT_FILE", file)
        answer = Poster(receiver.url.replace("http:", "https:"), DEADLINE).post(FIELDS, b"{}")
        assert (answer.status == 200) is is_known
        assert len(receiver.told) == is_known
    assert is_known or "CERTIFICATE_VERIFY_FAILED" in str(answer)
