"""A client's uploads in ranges."""

import socket
import struct
from collections.abc import Mapping
from typing import Any

from harness.server import DEADLINE, RunningServer
from harness.wire import Response


def ranged(first: int, stop: int, total: int) -> dict[str, str]:
    """The Content-Range of bytes ``first`` up to, not including, ``stop``."""
    return {"Content-Range": f"bytes {first}-{stop - 1}/{total}"}


def put_part(
    client: Any,
    path: str,
    content: bytes,
    first: int,
    stop: int,
    fields: Mapping[str, str] | None = None,
) -> Response:
    """PUT a part of ``content``; ``client`` is a Place or a Wire."""
    head = {**ranged(first, stop, len(content)), **(fields or {})}
    answer: Response = client.ask("PUT", path, head, content[first:stop])
    return answer


def upload_path(path: str) -> str:
    """The URL path of the upload to a URL path."""
    return f"/.davkeep/uploads{path}"


def offset(answer: Response) -> int:
    """How much has arrived, by what an answer says."""
    assert answer.fields["Upload-Complete"] == "?0"
    return int(answer.fields["Upload-Offset"])


def begin_part(
    server: RunningServer,
    path: str,
    fields: Mapping[str, str],
    length: int,
    *,
    method: str = "PUT",
) -> socket.socket:
    """Send the head of a request whose content has ``length`` bytes; the rest is the caller's."""
    lines = [f"{name}: {value}" for name, value in fields.items()]
    head = "\r\n".join(
        [f"{method} {path} HTTP/1.1", f"Host: {server.host}", f"Content-Length: {length}", *lines]
    )
    sock = socket.create_connection((server.host, server.port), DEADLINE)
    sock.sendall(f"{head}\r\n\r\n".encode())
    return sock


def break_off(sock: socket.socket) -> None:
    """End the connection with RST, as when the client is killed or the network goes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
