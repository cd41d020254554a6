"""Ports of this machine's own: free ones, and whether somebody listens."""

import socket

#: Where everything in the tests listens.
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port on which nobody listens at the moment."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on a port."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex((LOOPBACK, port)) == 0
