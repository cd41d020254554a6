"""The thread that answers whoever administers a running server."""

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from davkeep.control.place import LONGEST, address_in
from davkeep.words.threads import start_thread

_log = logging.getLogger("davkeep.control")

#: Seconds that somebody who has connected has for each line.
PATIENCE = 10.0
#: Seconds that a stop waits for the command that is being carried out.
STOP_SECONDS = 5.0

#: Carries out a request and returns the answer. Raises Refused.
Command = Callable[[dict[str, Any]], dict[str, Any]]


class Refused(Exception):
    """A request that is not carried out; the text says why, in one line."""


class Control:
    """The socket of a server over the state ``folder``, and its thread: one request at a time.

    ``folder`` is locked by this process, so a socket that is there was left by a crash. Only the
    thread reads and writes what it has accepted; ``_lock`` guards which connection that is, for the
    end.
    """

    def __init__(self, folder: Path, commands: Mapping[str, Command]) -> None:
        """Nothing is opened before ``start``."""
        self._folder = folder
        self._commands = commands
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._serving: socket.socket | None = None
        self._thread: threading.Thread | None = None
        #: Set when the server stops: a long command ends then.
        self.is_stopped = threading.Event()

    def start(self) -> None:
        """Listen. Raises OSError where no socket can be made, ThreadRefusedError."""
        listener = socket.socket(socket.AF_UNIX)
        try:
            with address_in(self._folder) as address:
                with suppress(FileNotFoundError):
                    os.unlink(address)
                listener.bind(address)
                os.chmod(address, 0o600)
                # Nobody can connect before.
                listener.listen()
            self._listener = listener
            self._thread = start_thread(
                self._serve, "davkeep-control", is_over=self.is_stopped.is_set
            )
        except OSError:
            self._listener = None
            listener.close()
            raise

    def stop(self) -> None:
        """End, and what is being carried out with it. A second call does nothing."""
        self.is_stopped.set()
        with self._lock:
            for each in (self._listener, self._serving):
                if each is not None:
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        if self._listener is not None:
            self._listener.close()

    def _serve(self) -> None:
        """Be the thread."""
        listener = self._listener
        assert listener is not None
        while not self.is_stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if not self.is_stopped.wait(1.0):
                    _log.error("nobody can be let in: %s", error)
                continue
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        with self._lock:
            self._serving = connection
        try:
            connection.settimeout(PATIENCE)
            with connection.makefile("rb") as lines:
                while not self.is_stopped.is_set() and (line := lines.readline(LONGEST)):
                    connection.sendall(json.dumps(self._answer(line)).encode() + b"\n")
        except OSError as error:
            _log.info("a conversation ended early: %s", error)
        finally:
            with self._lock:
                self._serving = None

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            command = self._commands[request["command"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            return {"error": "this server knows no such command"}
        try:
            return command(request)
        except Refused as error:
            return {"error": str(error)}
