"""A process that has davkeep imported and forks servers: each is there within milliseconds.

``python -m crash.forge FD`` reads plans from a socket; with each comes the socket of the server
that it asks for. A server tells what happens to it in lines of JSON: ``serving`` (with its URL),
``log``, ``reached`` (a point of the plan, where it stands still), ``ended`` (an operation).
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crash.faults import FAULTS
from crash.points import Points, install
from davkeep import app
from davkeep.operations.operation import Operation
from davkeep.settings.load import Overrides, load

#: The longest plan, in bytes.
PLAN = 65_536

#: What a child does by its plan; it tells of it through the socket.
Be = Callable[[dict[str, Any], socket.socket], None]


class Teller:
    """Writes to the driver."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def tell(self, what: str, **more: Any) -> None:
        """Send one line."""
        with self._lock:
            self._channel.sendall(json.dumps({"what": what, **more}).encode() + b"\n")


class Lines:
    """What stands in for a standard stream."""

    def __init__(self, teller: Teller, what: str) -> None:
        self._teller = teller
        self._what = what

    def write(self, text: str) -> None:
        """Pass on what is a line."""
        if text.strip():
            self._teller.tell(self._what, text=text.strip())

    def flush(self) -> None:
        """Everything is sent already."""


def serve(plan: dict[str, Any], channel: socket.socket) -> None:
    """Be a server, until killed."""
    teller = Teller(channel)
    # Typeshed asks for more of a stream than print and logging do.
    sys.stdout = Lines(teller, "serving")  # type: ignore[assignment]
    sys.stderr = Lines(teller, "log")  # type: ignore[assignment]
    logging.raiseExceptions = False
    points = Points(
        plan["stop_at"], lambda number, event: teller.tell("reached", number=number, event=event)
    )
    install(points, flags=plan["flags"])
    if plan["fault"] is not None:
        FAULTS[plan["fault"]].commit(plan["is_recovery"])
    _tell_ends(teller, points)
    app.serve(load(plan["config"], Overrides(port=0)))


def _tell_ends(teller: Teller, points: Points) -> None:
    end = Operation.end

    def ended(self: Any, *arguments: Any) -> None:
        end(self, *arguments)
        teller.tell("ended", events=points.events)

    Operation.end = ended  # type: ignore[method-assign]


def main(fd: int, be: Be = serve) -> None:
    """Fork a process for each plan, which does ``be``, until the driver is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    orders = socket.socket(fileno=fd)
    while True:
        text, fds, _, _ = socket.recv_fds(orders, PLAN, 1)
        if not text:
            return
        child = os.fork()
        if child == 0:
            _be_child(be, json.loads(text), orders, fds[0])
        os.close(fds[0])
        orders.sendall(child.to_bytes(4, "big"))


def _be_child(be: Be, plan: dict[str, Any], orders: socket.socket, fd: int) -> None:
    status = 1
    try:
        orders.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channel = socket.socket(fileno=fd)
        channel.recv(1)
        be(plan, channel)
        status = 0
    finally:
        if status:
            Path(plan["config"]).with_suffix(".failed").write_text(_trace())
        os._exit(status)


def _trace() -> str:
    import traceback

    return traceback.format_exc()


if __name__ == "__main__":
    main(int(sys.argv[1]))
