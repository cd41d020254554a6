"""The servers that are measured: davkeep, WsgiDAV as it comes, and programs that serve a port."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol, Self

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


def processes(pid: int) -> list[int]:
    """A process, its children and theirs."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").iterdir():
            found += map(int, (task / "children").read_text("ascii").split())
    return found


class Davkeep(RunningServer):
    """davkeep over a folder; the keyword arguments are blocks of ``davkeep:``."""

    def __init__(self, folder: Path, **davkeep: Any) -> None:
        """Start it; ``folder`` gets the share ``root`` and the state."""
        root = folder / "root"
        root.mkdir(parents=True, exist_ok=True)
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


class Daemon:
    """A program in the foreground that listens on loopback; use it as a context manager."""

    def __init__(self, command: list[str], port: int, folder: Path) -> None:
        """Start it and wait until it accepts; what it says goes into ``folder/output``."""
        self.host, self.port = "127.0.0.1", port
        self.url = f"http://{self.host}:{self.port}/"
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def __enter__(self) -> Self:
        """Return the server itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """End it; SIGTERM, for some of them have children that they have to end."""
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
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
        said = self._output.read_text(errors="replace")
        raise AssertionError(f"{self._process.args!r} did not start: {said}")


class Stock(Daemon):
    """WsgiDAV's own command line over a folder, with its defaults."""

    def __init__(self, share: Path, folder: Path) -> None:
        """Start it."""
        port = free_port()
        command = [sys.executable, "-m", "wsgidav.server.server_cli", "--auth", "anonymous", "-q"]
        where = ["--host", "127.0.0.1", "--port", str(port), "--root", str(share)]
        super().__init__([*command, *where], port, folder)


def free_port() -> int:
    """A port on which nobody listens at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
