"""A server that does with each of its connections what a test says."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.server import DEADLINE


@contextmanager
def talking(
    talk: Callable[[socket.socket], object], host: str = "127.0.0.1"
) -> Iterator[tuple[str, int]]:
    """Do ``talk`` with each connection, one after the other; yields address and port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.settimeout(DEADLINE)
                        talk(connection)
                    except OSError:
                        # The client went away.
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield host, listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)


def request_of(connection: socket.socket) -> bytes:
    """Read one request with its content, and return that whole; empty at the end."""
    with connection.makefile("rb") as lines:
        head = b""
        while (line := lines.readline()) not in (b"\r\n", b""):
            head += line
        if not line:
            return b""
        fields = dict(each.lower().split(b": ", 1) for each in head.split(b"\r\n")[1:] if each)
        return head + b"\r\n" + lines.read(int(fields.get(b"content-length", 0)))
