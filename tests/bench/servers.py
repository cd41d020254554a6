"""The servers that are measured: davkeep, and WsgiDAV as it comes."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from harness.server import DEADLINE, RunningServer

#: What is logged of a request costs both servers time that has nothing to do with the request.
WARNINGS_ONLY = 2


class Server(Protocol):
    """Where a server is."""

    host: str
    port: int
    url: str

    @property
    def pid(self) -> int:
        """Its process."""


class Davkeep(RunningServer):
    """davkeep over a folder; the keyword arguments are blocks of ``davkeep:``."""

    def __init__(self, folder: Path, **davkeep: Any) -> None:
        """Start it; ``folder`` gets the share ``root`` and the state."""
        root = folder / "root"
        root.mkdir(exist_ok=True)
        super().__init__(folder, root, {"verbose": WARNINGS_ONLY, "davkeep": davkeep})
        self.share = root

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def __enter__(self) -> "Davkeep":
        """Return the server itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()


class Stock:
    """WsgiDAV's own command line over a folder, with its defaults."""

    def __init__(self, share: Path) -> None:
        """Start it and wait until it accepts."""
        self.host, self.port = "127.0.0.1", _free_port()
        self.url = f"http://{self.host}:{self.port}/"
        where = ["--host", self.host, "--port", str(self.port), "--root", str(share)]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "wsgidav.server.server_cli",
                *where,
                "--auth",
                "anonymous",
                "-q",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def __enter__(self) -> "Stock":
        """Return the server itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _wait(self) -> None:
        until = time.monotonic() + DEADLINE
        while self._process.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection((self.host, self.port), 1).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("stock WsgiDAV did not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
