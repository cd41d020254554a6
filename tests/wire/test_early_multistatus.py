"""The 207 that begins before its operation ends, for clients that parse it and cannot wait."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h11
import pytest
from lxml import etree

from harness.disks import mounted
from harness.server import DEADLINE, RunningServer, Serve
from harness.trees import contents, members, plant
from harness.waiting import until
from harness.wire import Wire

#: davfs2 on a neon that wants every 1xx within one read timeout from the request's start.
NEON_33 = "davfs2/1.7.0 neon/0.33.0"
#: cadaver on Debian 12's neon, which takes as many as 127.
NEON_32 = "cadaver/0.24 neon/0.32.5"
#: A COPY of these files takes 0.8 s, and something is due after each tenth of a second.
FILES = 80
SOON = {"first_after": 0.1, "interval": 0.1}
SLOW = {"max_members_per_second": 100, "grace": 0}
BEHIND_NGINX = {**SOON, "behind_proxy": "nginx"}

Told = dict[str, str | None]


def told(document: bytes) -> Told:
    """The status of each resource in a 207."""
    found = etree.fromstring(document).iterfind("{DAV:}response")
    return {str(each.findtext("{DAV:}href")): each.findtext("{DAV:}status") for each in found}


def from_nginx(server: RunningServer, method: str, path: str, agent: str, **fields: str) -> Any:
    """A connection on which an HTTP/1.0 request was sent, as nginx does by default."""
    lines = [f"{method} {path} HTTP/1.0", "Host: here", "Connection: close", f"User-Agent: {agent}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    sock = socket.create_connection((server.host, server.port), DEADLINE)
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    return sock


def rest(sock: socket.socket) -> bytes:
    """Everything that comes up to the end of the connection."""
    received = b""
    while block := sock.recv(65536):
        received += block
    return received


def begun(client: Wire) -> bytes:
    """Read up to the first content of an early 207, past its interim responses."""
    while isinstance(event := client.event(), h11.InformationalResponse):
        assert event.status_code == 102
    assert isinstance(event, h11.Response)
    assert event.status_code == 207
    piece = client.event()
    assert isinstance(piece, h11.Data)
    return bytes(piece.data)


@pytest.fixture
def server(serve: Serve, root: Path, elsewhere: Path) -> RunningServer:
    """A server on which /a takes its time; /other is on another file system."""
    plant(root / "a", FILES)
    shares = {"/": str(root), "/other": str(elsewhere)}
    return serve({"provider_mapping": shares}, keepalive=SOON, operations=SLOW)


@pytest.fixture
def behind_nginx(serve: Serve, root: Path) -> RunningServer:
    """The same, with an nginx declared before it."""
    plant(root / "a", FILES)
    return serve(keepalive=BEHIND_NGINX, operations=SLOW)


@pytest.mark.parametrize("method", ["COPY", "MOVE", "DELETE"])
def test_to_a_client_whose_interim_responses_are_spent(
    server: RunningServer, root: Path, elsewhere: Path, wire: Any, method: str
) -> None:
    """One 102, then the 207 begins, white space goes on, and the 201 or 204 is inside."""
    target = f"{server.url}other/b" if method == "MOVE" else f"{server.url}b"
    planted = contents(root / "a")
    with wire(server, agent=NEON_33) as client:
        fields = {} if method == "DELETE" else {"Destination": target}
        answer = client.ask(method, "/a", fields)
        assert (answer.interims, answer.status) == ((102,), 207)
        before, _, elements = answer.body.partition(b"<D:response")
        assert before.count(b"\n") >= 3
        assert elements
        ended = {"COPY": "/b", "MOVE": "/other/b", "DELETE": "/a"}[method]
        status = "HTTP/1.1 204 No Content" if method == "DELETE" else "HTTP/1.1 201 Created"
        assert told(answer.body) == {ended: status}
        assert client.ask("PROPFIND", "/", {"Depth": "0"}).status == 207
    if method != "DELETE":
        folder = elsewhere / "b" if method == "MOVE" else root / "b"
        assert contents(folder) == planted


def test_through_a_declared_nginx(behind_nginx: RunningServer, root: Path) -> None:
    """HTTP/1.0 gets no 102 but the early 207, whose end is that of the connection."""
    server = behind_nginx
    with from_nginx(server, "COPY", "/a", NEON_32, Destination="/b") as sock:
        head, _, body = rest(sock).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 207 ", b"HTTP/1.0 207 "))
    assert b"102" not in head.split(b"\r\n")[0]
    assert b"transfer-encoding" not in head.lower()
    assert told(body) == {"/b": "HTTP/1.1 201 Created"}
    assert contents(root / "b") == contents(root / "a")


@pytest.mark.parametrize("agent", ["curl/7.88.1", "rclone/v1.60.1-DEV", "python-requests/2.34.2"])
def test_who_does_not_parse_it_gets_silence(
    behind_nginx: RunningServer, root: Path, agent: str
) -> None:
    """They read the status alone and would believe it done at once."""
    with from_nginx(behind_nginx, "COPY", "/a", agent, Destination="/b") as sock:
        answer = rest(sock)
    assert answer.split(b"\r\n")[0].endswith(b" 201 Created")
    assert (root / "b").exists()


def test_http_1_0_that_nobody_declared_gets_silence(server: RunningServer) -> None:
    """Who is between is not known, so neither is what becomes of a 207 that begins early."""
    with from_nginx(server, "COPY", "/a", NEON_32, Destination="/b") as sock:
        assert rest(sock).split(b"\r\n")[0].endswith(b" 201 Created")


def test_a_failure_is_told_inside(serve: Serve, root: Path, tmp_path: Path, wire: Any) -> None:
    """A disk that is full after the 207 has begun: 507 for the destination, and no trace."""
    (root / "a").mkdir()
    for number in range(100):
        (root / "a" / str(number)).write_bytes(bytes(20_000))
    with mounted(tmp_path / "small", "1m") as small:
        shares = {"/": str(root), "/small": str(small)}
        server = serve({"provider_mapping": shares}, keepalive=SOON, operations=SLOW)
        with wire(server, agent=NEON_33) as client:
            answer = client.ask("COPY", "/a", {"Destination": f"{server.url}small/b"})
            assert answer.status == 207
            assert told(answer.body) == {"/small/b": "HTTP/1.1 507 Insufficient Storage"}
            assert client.ask("OPTIONS", "/").status == 200
        assert members(small) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_end_of_the_server_is_no_success(
    serve: Serve, root: Path, wire: Any, number: signal.Signals, version: str
) -> None:
    """The connection is reset, so that neither neon nor nginx takes the part for the whole."""
    plant(root / "a", 2000)
    stopping = {"server_args": {"shutdown_timeout": 0.1}}
    server = serve(stopping, keepalive=BEHIND_NGINX if version == "1.0" else SOON, operations=SLOW)
    if version == "1.1":
        with wire(server, agent=NEON_33) as client:
            client.send("COPY", "/a", {"Destination": f"{server.url}b"})
            assert b"multistatus" in begun(client)
            server.process.send_signal(number)
            with pytest.raises(ConnectionResetError):
                rest(client.socket)
    else:
        with from_nginx(server, "COPY", "/a", NEON_32, Destination="/b") as sock:
            received = sock.recv(65536)
            assert b" 207 " in received
            server.process.send_signal(number)
            with pytest.raises(ConnectionResetError):
                received += rest(sock)
            assert b"</D:multistatus>" not in received
    assert not (root / "b").exists()


def test_a_client_that_goes_is_noticed(serve: Serve, root: Path, wire: Callable[..., Wire]) -> None:
    """Also when its 207 has begun: with ``on_disconnect: cancel`` the work is undone."""
    plant(root / "a", 2000)
    server = serve(keepalive=SOON, operations={**SLOW, "on_disconnect": "cancel"})
    with wire(server, agent=NEON_33) as client:
        client.send("COPY", "/a", {"Destination": f"{server.url}b"})
        assert b"multistatus" in begun(client)
    until(lambda: not server.staging(), "the COPY is undone")
    assert not (root / "b").exists()
