"""Slow clients, as a process: ``slow.py HOST PORT READERS WRITERS PATH`` until its input ends.

Each reader takes ``PATH``, each writer sends ``/slow-N``, both at 10 KB/s. Says "ready" when every
one of them is under way, and at the end how many still are.
"""

import selectors
import socket
import sys

#: Bytes that a client moves in one tick.
PORTION = 1000
#: Seconds between two ticks.
TICK = 0.1
#: Bytes that a writer promises; at this speed it takes more than an hour.
PROMISED = 40_000_000
#: Bytes of a reader's receive buffer, so that the server has to wait for it.
BUFFER = 4096


def main(host: str, port: int, readers: int, writers: int, path: str) -> None:
    """Be slow until the standard input ends."""
    heads = [f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"] * readers
    heads += [
        f"PUT /slow-{number} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {PROMISED}\r\n\r\n"
        for number in range(writers)
    ]
    clients = [_open(host, port, head) for head in heads]
    alive = set(clients)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    began = dict.fromkeys(clients[:readers], False)
    said = False
    while not selector.select(TICK):
        for client in list(alive):
            if not _move(client, began):
                alive.discard(client)
        if not said and all(began.values()):
            print("ready", flush=True)
            said = True
    print(len(alive), flush=True)


def _open(host: str, port: int, head: str) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    client.settimeout(60)
    client.connect((host, port))
    client.sendall(head.encode("ascii"))
    client.setblocking(False)
    return client


def _move(client: socket.socket, began: dict[socket.socket, bool]) -> bool:
    """Move one portion; False when the server has ended it."""
    try:
        if client in began:
            if not client.recv(PORTION):
                return False
            began[client] = True
        else:
            client.send(b"x" * PORTION)
    except BlockingIOError:
        pass
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
