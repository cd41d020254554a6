"""Servers that are killed: the driver's side of the forge."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from davkeep.trees.closing import Closing
from harness.server import DEADLINE

TESTS = Path(__file__).parent.parent


class Forge:
    """The process that forks them."""

    def __init__(self, module: str = "crash.forge") -> None:
        """Start it; ``module`` says what its children do."""
        self._orders, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=TESTS,
        )
        theirs.close()

    def close(self) -> None:
        """End it; it goes when nobody asks any more."""
        self._orders.close()
        self._process.wait(DEADLINE)

    def victim(self, plan: dict[str, Any]) -> "Victim":
        """Fork a server."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self._orders, [json.dumps(plan).encode()], [theirs.fileno()])
        theirs.close()
        pid = int.from_bytes(self._orders.recv(4), "big")
        return Victim(pid, ours)


class Victim(Closing):
    """One server process, until it is killed with SIGKILL, from outside."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self._pidfd = os.pidfd_open(pid)
        self._channel = channel
        self._rest = b""
        self._reached: dict[str, Any] | None = None
        self.log: list[str] = []
        self.url = ""
        channel.settimeout(DEADLINE)
        channel.sendall(b"!")

    def close(self) -> None:
        """SIGKILL; returns when the process is gone, and with it what it had locked."""
        if self._pidfd < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        assert select.select([self._pidfd], [], [], DEADLINE)[0], "SIGKILL did not work"
        os.close(self._pidfd)
        self._pidfd = -1
        self._channel.close()

    def fileno(self) -> int:
        """What can be waited for."""
        return self._channel.fileno()

    def heard(self) -> list[dict[str, Any]]:
        """Wait for what the server tells, and return it."""
        block = self._channel.recv(1 << 20)
        assert block, "the server ended by itself:\n" + "\n".join(self.log)
        *lines, self._rest = (self._rest + block).split(b"\n")
        told = [json.loads(line) for line in lines]
        self.log += [each["text"] for each in told if each["what"] == "log"]
        return told

    def wait_until(self, is_enough: Callable[[], object]) -> dict[str, Any] | None:
        """Return None as soon as it is enough, or at which point the server stands still."""
        while self._reached is None and not is_enough():
            for each in self.heard():
                if each["what"] == "reached":
                    self._reached = each
                elif each["what"] == "serving":
                    self.url = each["text"].rpartition(" at ")[2]
        return self._reached

    def wait_until_serving(self) -> dict[str, Any] | None:
        """The same, once it serves."""
        return self.wait_until(lambda: self.url)

    def wait_until_recovered(self) -> dict[str, Any] | None:
        """The same, once nothing that a crash left is to be purged any more."""
        return self.wait_until(lambda: self.url and not self._is_recovering)

    @property
    def recovered(self) -> list[str]:
        """What it has told of recovery."""
        return [line for line in self.log if " davkeep.recovery" in line]

    @property
    def _is_recovering(self) -> bool:
        """Whether it purges still."""
        return bool(self.recovered) and not any(
            line.endswith("recovery is complete") for line in self.recovered
        )
