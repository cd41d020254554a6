"""Asking a server that runs."""

import json
import os
import socket
from typing import Any

from davkeep.control.place import LONGEST, address_in


def ask(folder: str | os.PathLike[str], command: str, **more: Any) -> dict[str, Any] | None:
    """The answer of the server over the state ``folder``, however long that takes.

    None: there is none that listens. Raises OSError where it ends before it has answered, and for
    a folder that cannot be looked into.
    """
    with address_in(folder) as address, socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.sendall(json.dumps({"command": command, **more}).encode() + b"\n")
        with connection.makefile("rb") as answers:
            line = answers.readline(LONGEST)
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the server ended before it had answered")
    return _parsed(line)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ConnectionError("what the server answered is no answer")
    return answer
