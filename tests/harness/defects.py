"""One exchange, two servers: davkeep has to be right where stock WsgiDAV is wrong."""

import socket
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.dav import LOCK, Place
from harness.disks import mounted
from harness.server import RunningServer
from harness.stock import StockServer
from harness.wire import Response, Wire

#: What each of them has to be.
WORD = {"davkeep": "right", "stock": "wrong"}

Either = RunningServer | StockServer

#: Seconds that an answer may take: davkeep needs milliseconds, stock WsgiDAV for ever.
PATIENCE = 2.0


class Scene(Place):
    """A collection of a test's own on one of the servers; each request has its own connection."""

    def __init__(self, server: Either, folder: Path, opened: ExitStack) -> None:
        """``folder`` is directly below the root; what is opened is closed with ``opened``."""
        self.opened = opened
        wire = opened.enter_context(Wire(server.host, server.port))
        super().__init__(server, wire, folder, f"/{folder.name}/")  # type: ignore[arg-type]

    def ask(
        self,
        method: str,
        name: str = "",
        fields: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Response:
        """Ask on a connection of its own and read the final response."""
        with self.server_wire() as wire:
            return wire.ask(method, self.path(name), fields, body)

    def begin(self, method: str, name: str, to: str, **fields: str) -> Wire:
        """Send COPY or MOVE and return its connection, without waiting for the answer."""
        wire = self.opened.enter_context(self.server_wire())
        wire.send(method, self.path(name), {"Destination": self.whole(to), **fields})
        return wire

    def whole(self, name: str) -> str:
        """The URL of a member with scheme and host."""
        return f"http://{self.wire.host}{self.path(name)}"

    def locked(self, name: str, **fields: str) -> str:
        """LOCK on its own, not what is below, and return the token."""
        return self.lock(name, **{"Depth": "0", **fields})

    def try_lock(self, name: str) -> int:
        """LOCK, and return the status."""
        return self.ask("LOCK", name, {}, LOCK.format(scope="exclusive").encode()).status

    def together(self, *asks: Callable[[], int]) -> list[int]:
        """Ask at the same time and return the statuses."""
        with ThreadPoolExecutor(len(asks)) as threads:
            return [each.result() for each in [threads.submit(ask) for ask in asks]]

    def small(self) -> Path:
        """Mount a file system with room for 1 MiB in the collection, and return its folder."""
        return self.opened.enter_context(mounted(self.folder / "small", "1m"))

    def said(self, raw: bytes, patience: float = PATIENCE) -> bytes:
        """Send bytes as they are and return what comes until the server closes or falls silent."""
        received = b""
        where = (self.server.host, self.server.port)
        with (
            suppress(TimeoutError, ConnectionError),
            socket.create_connection(where, patience) as sock,
        ):
            sock.sendall(raw)
            while block := sock.recv(65536):
                received += block
        return received

    def request(self, method: str, path: str, *lines: str, body: str = "") -> bytes:
        """The bytes of a request after which the connection is closed."""
        head = [f"{method} {path} HTTP/1.1", "Connection: close", *lines]
        if not any(line.startswith("Host") for line in lines):
            head.append(f"Host: {self.wire.host}")
        return "\r\n".join([*head, "", body]).encode("latin-1")


def status_of(received: bytes) -> int:
    """The status of a response; 0 for none that is complete."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return 0
    lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    is_whole = len(body) >= int(fields.get("content-length", "0"))
    return int(lines[0].split()[1]) if is_whole else 0


class Defect(ABC):
    """One thing that stock WsgiDAV gets wrong; its docstring begins with its number."""

    @abstractmethod
    def exchange(self, scene: Scene) -> Any:
        """Do it, and return what shows who is right."""

    @abstractmethod
    def is_right(self, evidence: Any) -> bool:
        """Whether this is what has to be."""


def both(*defects: type[Defect]) -> Callable[..., None]:
    """The test that davkeep is right and stock is wrong, by the same predicate."""
    cases = [
        pytest.param(defect, server, id=f"{defect.__name__}-{server}")
        for defect in defects
        for server in ("davkeep", "stock")
    ]

    @pytest.mark.parametrize(("defect", "server"), cases)
    def check(
        defect: type[Defect],
        server: str,
        scene_on: Callable[[str], Scene],
        figures: Counter[str],
    ) -> None:
        """The same exchange with both, judged by the same predicate."""
        case = defect()
        evidence = case.exchange(scene_on(server))
        assert case.is_right(evidence) is (server == "davkeep"), evidence
        figures[f"exchanges in which {server} is {WORD[server]}"] += 1

    return check
