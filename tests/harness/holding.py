"""A proxy that passes on the beginning of an event stream, and then holds back what follows."""

import socket
import threading
from contextlib import suppress
from typing import Any

from harness.listening import Listening
from harness.server import DEADLINE


class HoldingProxy(Listening):
    """As one that collects a buffer before it passes anything on, and whose buffer is large."""

    def __init__(self, server: Any) -> None:
        self._target = (server.host, server.port)
        #: Set once there is something that it has not passed on.
        self.holds = threading.Event()
        super().__init__()

    def _serve(self, client: socket.socket) -> None:
        is_stream = threading.Event()
        with client, socket.create_connection(self._target) as server:
            back = threading.Thread(target=self._answer, args=(server, client, is_stream))
            back.start()
            with suppress(OSError):
                while block := client.recv(65536):
                    if b"/events" in block.split(b"\r\n", 1)[0]:
                        is_stream.set()
                    server.sendall(block)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join(DEADLINE)

    def _answer(
        self, server: socket.socket, client: socket.socket, is_stream: threading.Event
    ) -> None:
        with suppress(OSError):
            while block := server.recv(65536):
                if self.holds.is_set() and is_stream.is_set():
                    continue
                client.sendall(block)
                if b"event: begin" in block:
                    self.holds.set()
