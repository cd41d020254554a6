"""Many clients in one thread: each sends one request and waits for its final response."""

import re
import resource
import selectors
import socket
import time
from collections.abc import Callable, Iterable

from bench.client import PATIENCE
from bench.servers import Server

#: Descriptors of this process beside those of the crowd.
SPARE = 200

_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d)")


class _Client:
    """One of them. No response to a COPY of ours has a body that could look like a head."""

    def __init__(self, server: Server, request: bytes) -> None:
        self.socket = socket.create_connection((server.host, server.port), PATIENCE)
        self.socket.sendall(request)
        self.socket.setblocking(False)
        self.interims = 0
        self.final: int | None = None
        self._received = b""

    def receive(self) -> None:
        block = self.socket.recv(65536)
        if not block:
            raise ConnectionError("a parked client was dropped")
        self._received += block
        while (end := self._received.find(b"\r\n\r\n")) >= 0 and self.final is None:
            found = _STATUS.match(self._received)
            assert found is not None, self._received
            self._received = self._received[end + 4 :]
            status = int(found[1])
            if status < 200:
                self.interims += 1
            else:
                self.final = status


class Crowd:
    """Clients that wait. What comes while nobody looks stays in the kernel's buffers."""

    def __init__(self) -> None:
        """Nobody yet."""
        self.clients: list[_Client] = []
        self._selector = selectors.DefaultSelector()

    def join(self, server: Server, requests: Iterable[bytes]) -> None:
        """Open a connection for each request, and send it."""
        for request in requests:
            client = _Client(server, request)
            self.clients.append(client)
            self._selector.register(client.socket, selectors.EVENT_READ, client)

    def wait_until_parked(self) -> int:
        """Wait until each has an interim or a final response; return how many are parked."""
        self._wait(lambda client: client.interims > 0 or client.final is not None)
        return sum(client.final is None for client in self.clients)

    def wait_for_results(self) -> list[int]:
        """Wait for the final statuses."""
        self._wait(lambda client: client.final is not None)
        return [client.final or 0 for client in self.clients]

    def close(self) -> None:
        """Close all connections."""
        for client in self.clients:
            client.socket.close()
        self._selector.close()

    def _wait(self, is_enough: Callable[[_Client], bool]) -> None:
        left = {client for client in self.clients if not is_enough(client)}
        until = time.monotonic() + PATIENCE
        while left:
            events = self._selector.select(max(until - time.monotonic(), 0))
            if not events:
                raise TimeoutError(f"{len(left)} clients still wait")
            for key, _ in events:
                key.data.receive()
                if is_enough(key.data):
                    left.discard(key.data)
                if key.data.final is not None:
                    self._selector.unregister(key.fileobj)


def make_room(clients: int) -> None:
    """Raise the limit of descriptors of this process, so that it can hold the crowd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + SPARE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"{wanted} descriptors are needed; the hard limit is {hard}")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
