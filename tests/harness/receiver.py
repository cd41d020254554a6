"""Somebody who is told by webhooks: a real HTTP server that answers as a test wants."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.server import DEADLINE

SECRET = "a secret that only the two know"


@dataclass(frozen=True)
class Told:
    """One request that a receiver got."""

    path: str
    fields: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> dict[str, Any]:
        """What it says."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    def is_signed(self, secret: str = SECRET) -> bool:
        """Verify the signature, written anew here from the specification."""
        signed = f"{self.fields['Webhook-Id']}.{self.fields['Webhook-Timestamp']}.".encode()
        code = hmac.new(secret.encode(), signed + self.body, hashlib.sha256).digest()
        return self.fields["Webhook-Signature"] == f"v1,{base64.b64encode(code).decode()}"


class Handler(BaseHTTPRequestHandler):
    """Writes down what comes, and answers with the next of the server's answers."""

    server: "Receiver"
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1
        self.server.sockets.append(self.connection)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields = {name.title(): value for name, value in self.headers.items()}
        answer = self.server.note(Told(self.path, fields, body))
        if self.server.delay:
            self.server.closing.wait(self.server.delay)
        if answer is None:
            self.server.closing.wait(DEADLINE)
            self.close_connection = True
            return
        status, more = answer
        self.send_response(status)
        for name, value in {"Content-Length": "0", **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


#: A status, with header fields or without; None: no answer ever.
Answer = int | tuple[int, dict[str, str]] | None


class Receiver(ThreadingHTTPServer):
    """Gives its ``answers`` in their order, and the last one for ever."""

    daemon_threads = True
    block_on_close = False

    #: So many connections at once are not refused.
    request_queue_size = 128

    def __init__(
        self,
        answers: Iterable[Answer] = (200,),
        port: int = 0,
        choose: Callable[[Told], Answer] | None = None,
        delay: float = 0.0,
    ) -> None:
        """Listen on loopback; ``port`` 0 takes a free one.

        ``choose`` says what the answer to a request is, instead of ``answers``; each takes
        ``delay`` seconds.
        """
        super().__init__(("127.0.0.1", port), Handler)
        self._answers = list(answers)
        self._choose = choose
        self.delay = delay
        #: How many were accepted, and when each request came.
        self.connections = 0
        self.moments: list[float] = []
        self.sockets: list[socket.socket] = []
        self._changed = threading.Condition()
        self.told: list[Told] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """What is configured."""
        return f"http://127.0.0.1:{self.server_port}/told?by=davkeep"

    @property
    def authority(self) -> str:
        """The Host field of what it is sent."""
        return f"127.0.0.1:{self.server_port}"

    def row(self, **more: Any) -> dict[str, Any]:
        """The row of the configuration; pauses are so short that a test need not wait."""
        return {"url": self.url, "secret": SECRET, "pause": 0.05, **more}

    def handle_error(self, *_: object) -> None:
        """Say nothing of connections that were ended."""

    def hang_up(self) -> None:
        """End all connections."""
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def note(self, told: Told) -> tuple[int, dict[str, str]] | None:
        """Write down a request and return its answer."""
        with self._changed:
            self.told.append(told)
            self.moments.append(time.monotonic())
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            self._changed.notify_all()
        if self._choose is not None:
            answer = self._choose(told)
        return (answer, {}) if isinstance(answer, int) else answer

    def wait_for(self, count: int, deadline: float = DEADLINE) -> list[Told]:
        """Wait until so many requests came, and return all."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.told) >= count, deadline)
            assert done, f"{len(self.told)} requests, not {count}"
            return list(self.told)


@contextmanager
def receiving(
    *answers: Answer,
    port: int = 0,
    choose: Callable[[Told], Answer] | None = None,
    delay: float = 0.0,
) -> Iterator[Receiver]:
    """Run a receiver; 200 is its answer where none is given."""
    receiver = Receiver(answers or (200,), port, choose, delay)
    thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        receiver.shutdown()
        receiver.server_close()
        receiver.hang_up()
        thread.join(DEADLINE)
