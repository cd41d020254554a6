"""A server that says the same to everybody, whatever that is."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def answer(content: bytes, status: str = "200 OK", *fields: str) -> bytes:
    """A whole response."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + content


@contextmanager
def saying(*pieces: bytes, endless: bytes = b"") -> Iterator[str]:
    """The server's URL; each request gets the pieces, and then ``endless`` for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, b"".join(pieces), endless))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, said: bytes, endless: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(said)
                while endless:
                    connection.sendall(endless)
