"""Ports of this machine's own: free ones, and whether somebody listens."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

#: Where everything in the tests listens.
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port on which nobody listens at the moment."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])


@contextmanager
def refusing_ports(count: int) -> Iterator[list[int]]:
    """So many ports, each another, at which every connection is refused.

    They are bound and nobody listens, so the kernel gives them to nobody else meanwhile.
    """
    with ExitStack() as bound:
        socks = [bound.enter_context(socket.socket()) for _ in range(count)]
        for sock in socks:
            sock.bind((LOOPBACK, 0))
        yield [int(sock.getsockname()[1]) for sock in socks]


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on a port."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex((LOOPBACK, port)) == 0
