"""The servers that are measured: davkeep, WsgiDAV as it comes, and programs that serve a port."""

import sys
from pathlib import Path
from typing import Any, Protocol

from harness import programs
from harness.ports import LOOPBACK, free_port
from harness.server import RunningServer

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


class Daemon(programs.Daemon):
    """A program in the foreground that serves HTTP on loopback."""

    host = LOOPBACK

    @property
    def url(self) -> str:
        """Where it is, with a slash at the end."""
        return f"http://{self.host}:{self.port}/"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid


class Stock(Daemon):
    """WsgiDAV's own command line over a folder, with its defaults."""

    def __init__(self, share: Path, folder: Path) -> None:
        """Start it."""
        port = free_port()
        command = [sys.executable, "-m", "wsgidav.server.server_cli", "--auth", "anonymous", "-q"]
        where = ["--host", "127.0.0.1", "--port", str(port), "--root", str(share)]
        super().__init__([*command, *where], port, folder)
