"""A server with a toy application, and a client that sees every byte."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import trustme

from davkeep.keepalive import Facts, Mode, Plan, Settings, Waiting
from davkeep.server import Server, ServerSettings, TlsAdapter

#: Seconds after which a test gives up waiting for something that should have come.
PATIENCE = 10.0


@dataclass
class Answer:
    """One response as it came over the wire."""

    interims: list[int]
    status: int
    fields: dict[str, str]
    body: bytes = b""

    @property
    def statuses(self) -> list[int]:
        return [*self.interims, self.status]


class Wire:
    """A client's end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE)
        self.stream = sock.makefile("rb")

    def send(self, *lines: str, body: bytes = b"") -> "Wire":
        """Send a request: its lines, then its body."""
        self.sock.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1") + body)
        return self

    def head(self) -> tuple[int, dict[str, str]]:
        line = self.stream.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        fields = {}
        while (text := self.stream.readline()) not in (b"\r\n", b""):
            name, _, value = text.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        return int(line[9:12]), fields

    def answer(self, method: str = "GET") -> Answer:
        """Read interim responses and the final one."""
        interims = []
        while (got := self.head())[0] < 200:
            interims.append(got[0])
        status, fields = got
        has_body = method != "HEAD" and status not in (204, 304)
        return Answer(interims, status, fields, self._body(fields) if has_body else b"")

    def _body(self, fields: dict[str, str]) -> bytes:
        if "content-length" in fields:
            return self.stream.read(int(fields["content-length"]))
        if fields.get("transfer-encoding") == "chunked":
            blocks = []
            while size := int(self.stream.readline(), 16):
                blocks.append(self.stream.read(size))
                assert self.stream.readline() == b"\r\n"
            assert self.stream.readline() == b"\r\n"
            return b"".join(blocks)
        return self.stream.read()

    def rest(self) -> bytes:
        """Everything until the server ends the connection; ConnectionResetError if it resets it."""
        return self.stream.read()

    def is_open(self) -> bool:
        """Whether the server answers another request on this connection."""
        return self.send("GET /hello HTTP/1.1", "Host: x").answer().status == 200

    def close(self) -> None:
        self.stream.close()
        self.sock.close()


@dataclass
class Gate:
    """A wait that the test ends; it also notes what the server tells the application."""

    status: str = "201 Created"
    beat: Settings | None = field(default_factory=lambda: Settings(Mode.ALWAYS, 0.02, 0.02))
    deadline: float | None = None
    body: bytes = b""

    def __post_init__(self) -> None:
        self.parked = threading.Event()
        self.gone = threading.Event()
        self.resumed = threading.Event()
        self.departures = 0
        self._callbacks: list[Callable[[], None]] = []

    def subscribe(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)
        self.parked.set()

    def open(self) -> None:
        for callback in self._callbacks:
            callback()

    def disconnected(self) -> None:
        self.departures += 1
        self.gone.set()

    def __call__(self, environ, start_response):
        def resume():
            self.resumed.set()
            start_response(self.status, [("Content-Length", str(len(self.body)))])
            return [self.body]

        beat = Plan(Facts.of(environ), self.beat) if self.beat else None
        label = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        environ["davkeep.exchange"].hold(
            Waiting(self.subscribe, resume, beat, self.deadline, self.disconnected, label)
        )
        return []


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class Toy:
    """An application that is a table of paths; /hello is always there."""

    def __init__(self) -> None:
        self.paths = {"/hello": hello}

    def __call__(self, environ, start_response):
        return self.paths.get(environ["PATH_INFO"], hello)(environ, start_response)


@dataclass
class House:
    """A running server and what a test does with it."""

    server: Server
    toy: Toy
    thread: threading.Thread
    tls: ssl.SSLContext | None = None
    wires: list[Wire] = field(default_factory=list)

    def raw(self) -> socket.socket:
        return socket.create_connection(self.server.bind_addr, PATIENCE)

    def connect(self, sock: socket.socket | None = None) -> Wire:
        sock = sock or self.raw()
        if self.tls is not None:
            sock = self.tls.wrap_socket(sock, server_hostname="localhost")
        self.wires.append(Wire(sock))
        return self.wires[-1]

    def route(self, path: str, app):
        self.toy.paths[path] = app
        return app

    def gate(self, path: str = "/slow", **more) -> Gate:
        return self.route(path, Gate(**more))

    def close(self) -> None:
        for wire in self.wires:
            with contextlib.suppress(OSError):
                wire.close()
        self.server.stop(1.0)
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


@pytest.fixture
def open_house() -> Iterator[Callable[..., House]]:
    """Starts servers; the arguments are settings, and `tls`, `context`, `drain`."""
    houses: list[House] = []

    def opened(*, tls=None, context=None, drain=None, **settings) -> House:
        toy = Toy()
        server = Server(
            ("127.0.0.1", 0), toy, settings=ServerSettings(**settings), tls=tls, drain=drain
        )
        server.prepare()
        thread = threading.Thread(target=server.serve)
        thread.start()
        houses.append(House(server, toy, thread, context))
        return houses[-1]

    yield opened
    for house in houses:
        house.close()


@pytest.fixture
def house(open_house) -> House:
    """A server with default settings."""
    return open_house()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the certificate."""
    return trustme.CA()


@pytest.fixture
def adapter(authority, tmp_path) -> TlsAdapter:
    """The server's side of TLS."""
    issued = authority.issue_cert("localhost")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return TlsAdapter(str(certificate), str(key))


@pytest.fixture
def tls_house(open_house, adapter, authority) -> House:
    """A server that speaks TLS."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return open_house(tls=adapter, context=context)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Polls a condition that has no event, with a deadline."""

    def wait(condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < give_up, "it did not happen in time"
            pause.wait(0.005)

    return wait
