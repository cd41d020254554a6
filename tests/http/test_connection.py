"""An HTTP client over real sockets, with servers of every kind."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest
import trustme

from davkeep.http import Connection, EndedError, Head, MalformedError, Origin, run
from davkeep.http.connection import ATTEMPT_DELAY
from harness.server import DEADLINE
from harness.talking import request_of, talking

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#: Bytes that no listener takes: its backlog is full, or nothing answers (RFC 5737).
NOWHERE = "192.0.2.1"


def _origin(host: str, port: int) -> Origin:
    return Origin(host, port, f"{host}:{port}")


async def _everything(origin: Origin) -> list[Head | bytes | None]:
    async with asyncio.timeout(DEADLINE):
        connection = await Connection.open(origin)
        try:
            connection.send("POST", "/told", {"X-A": "1"}, b"content")
            found = [await connection.next()]
            while found[-1] is not None:
                found.append(await connection.next())
            return found
        finally:
            connection.close()


def _statuses(talk: bytes, pieces: int = 1) -> list[int]:
    """The statuses of what a server sends in so many packets."""

    def answer(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request_of(connection)
        size = max(-(-len(talk) // pieces), 1)
        for at in range(0, len(talk), size):
            connection.sendall(talk[at : at + size])

    with talking(answer) as where:
        found = run(_everything(_origin(*where)))
    return [each.status for each in found if isinstance(each, Head)]


def test_what_goes_over_the_wire() -> None:
    """A request has its Host, its length and its content; the answer's content comes whole."""
    asked: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        asked.append(request_of(connection))
        connection.sendall(OK)

    with talking(answer) as (host, port):
        head, content, end = run(_everything(_origin(host, port)))
    assert asked == [
        f"POST /told HTTP/1.1\r\nHost: {host}:{port}\r\n".encode()
        + b"Content-Length: 7\r\nX-A: 1\r\n\r\ncontent"
    ]
    assert head == Head(200, {"content-length": "2"})
    assert (content, end) == (b"hi", None)


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
def test_interim_responses_are_not_the_answer(pieces: int) -> None:
    """100, 102 and 103, any number of them, come before it, however they are cut."""
    interims = [100, 102, 103, 102, 103]
    talk = b"".join(b"HTTP/1.1 %d Wait\r\nX-A: b\r\n\r\n" % status for status in interims)
    assert _statuses(talk + OK, pieces) == [*interims, 200]


def test_nobody_asked_to_switch() -> None:
    """101 is no interim response to a request without Upgrade (RFC 9110 15.2.2)."""
    with pytest.raises(MalformedError):
        _statuses(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + OK)


@pytest.mark.parametrize("talk", [b"", b"HTTP/1.1 2", b"HTTP/1.1 102 Wait\r\n\r\n"])
def test_an_end_without_an_answer(talk: bytes) -> None:
    """It is said that the connection ended."""
    with pytest.raises(EndedError):
        _statuses(talk)


@pytest.mark.parametrize("talk", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n"])
def test_nonsense(talk: bytes) -> None:
    """It is said that this is no HTTP."""
    with pytest.raises(MalformedError):
        _statuses(talk)


def test_two_requests_on_one_connection() -> None:
    """It is idle between them; what the server says or does then makes it unfit for another."""
    accepted: list[int] = []

    def answer(connection: socket.socket) -> None:
        accepted.append(1)
        while request_of(connection):
            connection.sendall(OK)

    async def ask_twice(origin: Origin) -> None:
        connection = await Connection.open(origin)
        for _ in range(2):
            assert connection.is_idle
            connection.send("POST", "/", {})
            assert not connection.is_idle
            while await connection.next() is not None:
                pass
        connection.close()

    with talking(answer) as where:
        run(ask_twice(_origin(*where)))
    assert accepted == [1]


@pytest.mark.parametrize("last", [b"", b"HTTP/1.1 408 Too Late\r\n\r\n"])
def test_a_closed_connection_is_noticed(last: bytes) -> None:
    """A server that has closed a kept connection, silently or not, gets no request on it."""

    def answer(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK)
        connection.sendall(last)

    async def ask(origin: Origin) -> None:
        connection = await Connection.open(origin)
        connection.send("POST", "/", {})
        while await connection.next() is not None:
            pass
        async with asyncio.timeout(DEADLINE):
            while connection.is_idle:
                await asyncio.sleep(0)
        connection.close()

    with talking(answer) as where:
        run(ask(_origin(*where)))


# Addresses (RFC 8305)


def _resolved(*addresses: tuple[str, int]) -> Any:
    """A look-up that finds these."""

    def resolve(*_: Any) -> list[Any]:
        return [
            (
                socket.AF_INET6 if ":" in host else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (host, port, 0, 0) if ":" in host else (host, port),
            )
            for host, port in addresses
        ]

    return resolve


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Connections to NOWHERE get no answer at all; which addresses were tried, and when."""
    tried: list[Any] = []
    connect = asyncio.SelectorEventLoop.sock_connect

    async def slow(self: Any, sock: socket.socket, address: Any) -> None:
        tried.append((address[0], time.monotonic()))
        if address[0] == NOWHERE:
            await asyncio.Event().wait()
        await connect(self, sock, address)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", slow)
    return tried


def test_an_address_that_does_not_answer_costs_a_quarter_second(silent: list[Any]) -> None:
    """The next one is tried 250 ms later, and the first to connect is taken."""
    with talking(lambda connection: (request_of(connection), connection.sendall(OK))) as where:
        resolve = _resolved((NOWHERE, 9), where)
        found = run(_everything(_origin("name.example", where[1])), resolve)
    assert isinstance(found[0], Head)
    (first, began), (second, later) = silent
    assert (first, second) == (NOWHERE, "127.0.0.1")
    assert later - began >= ATTEMPT_DELAY * 0.9


def test_an_address_that_refuses_costs_nothing(silent: list[Any]) -> None:
    """The next one is tried at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = listener.getsockname()
    with talking(lambda connection: (request_of(connection), connection.sendall(OK))) as where:
        resolve = _resolved(refusing, (NOWHERE, 9), where)
        began = time.monotonic()
        run(_everything(_origin("name.example", where[1])), resolve)
    assert [address for address, _ in silent] == ["127.0.0.1", NOWHERE, "127.0.0.1"]
    assert silent[1][1] - silent[0][1] < silent[2][1] - silent[1][1]
    assert time.monotonic() - began < DEADLINE


def test_families_take_turns(silent: list[Any]) -> None:
    """Of several addresses of one family not all come before the first of the other."""
    with talking(lambda connection: (request_of(connection), connection.sendall(OK))) as where:
        resolve = _resolved((NOWHERE, 1), (NOWHERE, 2), (NOWHERE, 3), ("::1", 1), where)
        run(_everything(_origin("name.example", where[1])), resolve)
    assert [address for address, _ in silent][:3] == [NOWHERE, "::1", NOWHERE]


def test_no_thread_is_started_for_it(silent: list[Any]) -> None:
    """Neither for the look-up nor for an address."""
    seen: list[int] = []
    with talking(lambda connection: (request_of(connection), connection.sendall(OK))) as where:
        found = _resolved((NOWHERE, 9), where)

        def resolve(*arguments: Any) -> Any:
            seen.append(threading.active_count())
            return found(*arguments)

        async def counted(asking: Coroutine[Any, Any, Any]) -> None:
            await asking
            seen.append(threading.active_count())

        run(counted(_everything(_origin("name.example", where[1]))), resolve)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example", "\udcff"])
def test_what_can_be_no_name(name: str) -> None:
    """It is an error of the network like any other."""
    with pytest.raises(OSError, match=r"name|label|resolution"):
        run(Connection.open(_origin(name, 80)))


def test_a_certificate_that_is_not_trusted_is_called_that() -> None:
    """It is no fault of the name, although Python takes its error for a ValueError as well."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def shake(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    with talking(shake) as (host, port):
        origin = Origin(host, port, f"{host}:{port}", ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            run(_everything(origin))
