"""Very many clients at the same time."""

import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from harness.server import DEADLINE, RunningServer, Serve
from harness.trees import contents, plant
from harness.waiting import until
from harness.wire import Wire

CROWD = 2000
#: How many of them are parked together at least: a COPY whose members take long on a busy machine
#: is not slowed down, and so may be over at once.
PARKED = 1900
#: Threads that the pool may have grown by for a moment, when so many came at once.
GROWTH = 64
#: Members a second: after each a COPY stands still for 50 ms, and so goes into the long line.
MEMBERS_PER_SECOND = 20
#: Long operations at the same time; a COPY of three files takes 150 ms.
WORKERS = 48
#: Files of the COPYs that keep all workers busy until their clients leave: for minutes.
PLUG = 10_000
#: Lingering for 0 s: close() resets the connection, so that nobody waits any more.
RESET = struct.pack("ii", 1, 0)


@contextmanager
def _descriptors(count: int) -> Iterator[None]:
    """Have at least ``count`` descriptors in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_2000_parked_operations(serve: Serve, root: Path, wire: Any) -> None:
    """2,000 real COPYs are parked on 10 request threads; no thread is added, and all succeed."""
    expected = [plant(root / f"a{number}", 3, f"{number} ") for number in range(20)]
    plant(root / "plug", PLUG)
    server = serve(
        {"server_args": {"numthreads": 10}},
        keepalive={"first_after": 1, "interval": 5},
        operations={
            "workers": WORKERS,
            "grace": 0,
            "max_members_per_second": MEMBERS_PER_SECOND,
            "on_disconnect": "cancel",
        },
    )
    with _descriptors(CROWD + 500), ExitStack() as opened:
        plugs = [wire(server) for _ in range(WORKERS)]
        for number, plug in enumerate(plugs):
            plug.send("COPY", "/plug", {"Destination": f"{server.url}plug{number}"})
        until(lambda: len(server.staging(root)) == WORKERS, "the workers are busy")
        before = server.threads
        clients = []
        for number in range(CROWD):
            client = opened.enter_context(Wire(server.host, server.port, agent="curl/7.88.1"))
            to = {"Destination": f"{server.url}b{number}"}
            client.send("COPY", f"/a{number % len(expected)}", to)
            clients.append(client)
        for client in clients:
            client.socket.recv(1, socket.MSG_PEEK)
        assert server.threads <= before + GROWTH
        assert len(list(root.glob("b*"))) <= CROWD - PARKED
        for plug in plugs:
            plug.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            plug.close()
        responses = [client.response() for client in clients]
        assert {response.status for response in responses} == {201}
        assert sum(102 in response.interims for response in responses) >= PARKED
    for number in range(CROWD):
        assert contents(root / f"b{number}") == expected[number % len(expected)]
    assert server.staging() == []


class SlowClients:
    """Clients that read or write about 10 KB/s, all driven by one thread."""

    #: Bytes in each tenth of a second.
    BLOCK = 1000
    PAUSE = 0.1

    def __init__(self, server: RunningServer, readers: int, writers: int) -> None:
        self._socks: list[tuple[socket.socket, bool]] = []
        self._over = threading.Event()
        for number in range(readers):
            self._open(server, f"GET /large HTTP/1.1\r\nHost: x\r\nX: {number}\r\n\r\n", reads=True)
        for number in range(writers):
            head = f"PUT /up{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
            self._open(server, head, reads=False)
        self._thread = threading.Thread(target=self._drive)

    def _open(self, server: RunningServer, request: str, *, reads: bool) -> None:
        sock = socket.socket()
        if reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((server.host, server.port))
        sock.sendall(request.encode())
        sock.setblocking(False)
        self._socks.append((sock, reads))

    def _drive(self) -> None:
        while not self._over.wait(self.PAUSE):
            for sock, reads in self._socks:
                with suppress(BlockingIOError):
                    if reads:
                        sock.recv(self.BLOCK)
                    else:
                        sock.send(bytes(self.BLOCK))

    def __enter__(self) -> "SlowClients":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Break off."""
        self._over.set()
        self._thread.join(DEADLINE)
        for sock, _reads in self._socks:
            sock.close()


def _propfinds(client: Wire, count: int = 100) -> list[float]:
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        assert client.ask("PROPFIND", "/", {"Depth": "0"}).status == 207
        seconds.append(time.perf_counter() - began)
    return seconds


def test_slow_readers_and_writers(serve: Serve, root: Path, wire: Any) -> None:
    """With 50 of each, and 200 parked, a PROPFIND stays quick; the parked ones cost no thread."""
    with (root / "large").open("wb") as large:
        large.truncate(2**26)
    plant(root / "a", 300)
    server = serve(
        {"server_args": {"numthreads": 10, "shutdown_timeout": 0.5}},
        operations={"workers": 2, "grace": 0, "max_members_per_second": MEMBERS_PER_SECOND},
        keepalive={"first_after": 0.5},
    )
    with wire(server) as client, ExitStack() as opened:
        idle = median(_propfinds(client))
        threads = server.threads
        with SlowClients(server, readers=50, writers=50):
            until(lambda: len(server.staging()) == 50, "all uploads have begun")
            slow = _propfinds(client)
            grown = server.threads
            assert grown <= threads + 100 + GROWTH
            parked = []
            for number in range(200):
                parked.append(opened.enter_context(Wire(server.host, server.port, agent="curl/7")))
                to = {"Destination": f"{server.url}b{number}"}
                parked[-1].send("COPY", "/a", to)
            assert {each.interim() for each in parked} == {102}
            slow += _propfinds(client)
            assert server.threads <= grown + GROWTH
    # Ten processors' worth of noise is allowed, a thread that is waited for is not.
    assert median(slow) <= max(10 * idle, 0.05)
    assert sorted(slow)[-4] <= 0.5
