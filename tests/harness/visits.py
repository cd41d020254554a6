"""Short visits to a server, one of each kind of request and of leaving.

Each opens its own connections and leaves nothing behind on the disk but files that the next visit
of the same guest replaces.
"""

import random
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.dav import LOCK, setting
from harness.trees import plant
from harness.uploads import break_off, ranged
from harness.wire import AGENT, Response, Wire

#: davfs2 on a neon that gets one 102, and then the beginning of a 207.
IMPATIENT = "davfs2/1.7.0 neon/0.33.0"

#: Keys of `davkeep:` with which every kind of visit is what it says: COPYs that last, interim
#: responses that come soon, and work that ends with its clients.
SETTINGS: dict[str, Any] = {
    "fsync": False,
    "keepalive": {"first_after": 0.01, "interval": 0.01},
    "operations": {
        "grace": 0,
        "workers": 4,
        "max_members_per_second": 300,
        "on_disconnect": "cancel",
        "conflict_wait": 5,
    },
}

#: A COPY of so many files takes 2 s with these settings, unless its client leaves.
SLOW = 600

#: Bytes of a file that no socket buffers take as a whole.
LARGE = 32 << 20

#: Members of a collection whose listing takes several writes.
MANY = 300


def furnish(root: Path) -> None:
    """Make what visits are paid to."""
    plant(root / "slow", SLOW)
    plant(root / "many", MANY)
    with (root / "large").open("wb") as large:
        large.truncate(LARGE)


@dataclass
class Guest:
    """One who visits, again and again; used by one thread."""

    host: str
    port: int
    number: int
    tls: ssl.SSLContext | None = None
    dice: random.Random = field(default_factory=random.Random)
    #: How often it came, so that each visit is a little different.
    visits: int = 0

    @property
    def own(self) -> str:
        """The URL path of a collection that is its alone."""
        return f"/guest{self.number}"

    def wire(self, agent: str | None = AGENT) -> Wire:
        """A new connection."""
        return Wire(self.host, self.port, tls=self.tls, agent=agent)

    def leave(self, wire: Wire) -> None:
        """End a connection in one of the ways there are."""
        way = self.dice.randrange(3)
        if way == 0:
            break_off(wire.socket)
            return
        if way == 1:
            # The server may have been the first to go.
            with suppress(OSError):
                wire.socket.shutdown(socket.SHUT_RDWR)
        wire.close()

    def leave_after(self, wire: Wire, most: int) -> None:
        """Read some of what comes, if anything is to be waited for, and leave."""
        if most:
            wire.socket.recv(most)
        self.leave(wire)

    def send_and_leave(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        """Ask, and leave before any answer, at its first byte or in the middle of it."""
        wire = self.wire(**more)
        wire.send(method, path, fields)
        self.leave_after(wire, self.dice.choice([0, 1, 5000]))


def _expect(answer: Response, *statuses: int) -> Response:
    assert answer.status in statuses, answer
    return answer


def requests(guest: Guest) -> None:
    """Ordinary requests on one connection, each with its right answer."""
    own = guest.own
    with guest.wire() as wire:
        _expect(wire.ask("DELETE", own), 204, 404)
        _expect(wire.ask("MKCOL", own), 201)
        _expect(wire.ask("PUT", f"{own}/a", {}, b"content"), 201)
        _expect(wire.ask("PUT", f"{own}/c", {}, [b"in", b"chunks"]), 201)
        _expect(wire.ask("GET", f"{own}/a"), 200)
        _expect(wire.ask("HEAD", f"{own}/none"), 404)
        _expect(wire.ask("OPTIONS", own), 200)
        _expect(wire.ask("PROPPATCH", f"{own}/a", {}, setting(color="red")), 207)
        _expect(wire.ask("PROPFIND", own, {"Depth": "1"}), 207)
        _expect(wire.ask("COPY", f"{own}/a", {"Destination": f"{own}/b"}), 201)
        _expect(wire.ask("MOVE", f"{own}/b", {"Destination": f"{own}/d"}), 201)
        lock = wire.ask("LOCK", f"{own}/a", {}, LOCK.format(scope="exclusive").encode())
        token = {"Lock-Token": _expect(lock, 200).fields["Lock-Token"]}
        _expect(wire.ask("DELETE", f"{own}/a"), 423)
        _expect(wire.ask("UNLOCK", f"{own}/a", token), 204)
        _expect(wire.ask("GET", "/.davkeep/health"), 200)


def strangers(guest: Guest) -> None:
    """Names, agents and paths that never come again."""
    name = f"{guest.number}-{guest.visits}"
    with guest.wire(f"Agent/{name}") as wire:
        _expect(wire.ask("GET", f"/none/{name}?{name}", {f"X-{name}": name}), 404)
        _expect(wire.ask("GET", f"/.davkeep/operations/{name}"), 404)
        _expect(
            wire.ask("GET", "/large", {"Authorization": f"Basic {name}", "Range": "bytes=0-9"}), 206
        )
        _expect(wire.ask("PROPFIND", "/many", {"Depth": "0", "If": f"(<urn:{name}>)"}), 412)


def streams(guest: Guest) -> None:
    """The event stream of all operations."""
    guest.send_and_leave("GET", "/.davkeep/operations/events")


def _admitted(guest: Guest, wire: Wire) -> str:
    """Have a COPY begun that lasts; return the URL path of its status monitor."""
    target = {"Destination": f"/taken{guest.number}", "Prefer": "respond-async"}
    accepted = _expect(wire.ask("COPY", "/slow", target), 202)
    found = re.search(r"/\.davkeep/operations/\w+", accepted.fields["Location"])
    assert found is not None
    return found[0]


def _cancel(wire: Wire, monitor: str) -> None:
    # It may be over, and forgotten, before either.
    _expect(wire.ask("DELETE", monitor), 200, 202, 204, 404, 409, 410)
    _expect(wire.ask("GET", monitor, {"Prefer": "wait=30"}), 200, 404, 410)


def onlookers(guest: Guest) -> None:
    """The stream of one operation, a long poll for it, and its cancel."""
    with guest.wire() as wire:
        monitor = _admitted(guest, wire)
        guest.send_and_leave("GET", f"{monitor}/events")
        poll = guest.wire()
        poll.send("GET", monitor, {"Prefer": "wait=20"})
        guest.leave(poll)
        _cancel(wire, monitor)


def copies(guest: Guest) -> None:
    """A COPY whose client leaves before its first 102, after it, or after some."""
    wire = guest.wire()
    wire.send("COPY", "/slow", {"Destination": f"/left{guest.number}-{guest.visits}"})
    for _ in range(guest.dice.randrange(3)):
        assert wire.interim() == 102
    guest.leave(wire)


def answered_copies(guest: Guest) -> None:
    """A COPY after whose final response, or in the middle of it, its client leaves."""
    wire = guest.wire()
    wire.send("COPY", "/many", {"Destination": f"{guest.own}-many", "Depth": "0"})
    guest.leave_after(wire, guest.dice.choice([1, 20, 5000]))


def repeats(guest: Guest) -> None:
    """Two clients that wait for one COPY, of which one after the other leaves."""
    both = [guest.wire(), guest.wire()]
    for wire in both:
        wire.send("COPY", "/slow", {"Destination": f"/both{guest.number}-{guest.visits}"})
    assert both[guest.dice.randrange(2)].interim() == 102
    for wire in both:
        guest.leave(wire)


def early_answers(guest: Guest) -> None:
    """A 207 that has begun before its end."""
    wire = guest.wire(IMPATIENT)
    wire.send("COPY", "/slow", {"Destination": f"/early{guest.number}-{guest.visits}"})
    received = b""
    while b"multistatus" not in received:
        received += wire.socket.recv(5000)
    guest.leave_after(wire, guest.dice.choice([0, 1]))


def conflicts(guest: Guest) -> None:
    """An upload that waits for what another operation has taken."""
    with guest.wire() as wire:
        monitor = _admitted(guest, wire)
        waits = guest.wire()
        waits.send("PUT", f"/taken{guest.number}", body=b"in the way")
        guest.leave(waits)
        _cancel(wire, monitor)


def downloads(guest: Guest) -> None:
    """A file of which a part is read."""
    guest.send_and_leave("GET", "/large")


def listings(guest: Guest) -> None:
    """A listing of which a part is read."""
    guest.send_and_leave("PROPFIND", "/many", {"Depth": "1"})


def _begin_upload(guest: Guest, path: str, fields: str, sent: bytes) -> None:
    wire = guest.wire()
    head = f"PUT {path} HTTP/1.1\r\nHost: {wire.host}\r\n{fields}\r\n\r\n"
    wire.socket.sendall(head.encode() + sent)
    guest.leave(wire)


def uploads(guest: Guest) -> None:
    """An upload that breaks off, of a known length and in chunks."""
    path = f"/sent{guest.number}"
    _begin_upload(guest, path, "Content-Length: 1000000", b"some")
    _begin_upload(guest, path, "Transfer-Encoding: chunked", b"4\r\nsome\r\n")


def upload_parts(guest: Guest) -> None:
    """A part of an upload that breaks off."""
    path = f"/part{guest.number}"
    part = ranged(0, 1000, 2000)["Content-Range"]
    _begin_upload(guest, path, f"Content-Length: 1000\r\nContent-Range: {part}", b"some")


def heads(guest: Guest) -> None:
    """A connection without a request, and one with a part of a head."""
    guest.leave(guest.wire())
    wire = guest.wire()
    wire.socket.sendall(b"GET / HTTP/1.1\r\nHo")
    guest.leave(wire)


def refusals(guest: Guest) -> None:
    """A request that is refused and whose client leaves before, in or after its answer."""
    wire = guest.wire()
    wire.socket.sendall(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
    guest.leave_after(wire, guest.dice.choice([0, 1, 5000]))


#: Every kind of visit.
KINDS: list[Callable[[Guest], None]] = [
    requests,
    strangers,
    streams,
    onlookers,
    copies,
    answered_copies,
    repeats,
    early_answers,
    conflicts,
    downloads,
    listings,
    uploads,
    upload_parts,
    heads,
    refusals,
]


def pay(guest: Guest, kind: Callable[[Guest], None]) -> None:
    """One visit."""
    guest.visits += 1
    kind(guest)
