"""Random requests of two clients of one user on one upload in ranges, against a model of it.

Each client has at most one request under way, whose content comes in pieces, in chunks or not. At
every step the model knows how much has arrived, which request may still write, and how each is
answered; what is stored is the content that was meant, whoever of the two sent it.
"""

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from harness.disks import folder_in_memory
from harness.server import DEADLINE, RunningServer
from harness.uploads import offset, upload_path
from harness.waiting import until
from harness.wire import Wire

CONTENT = random.Random(23).randbytes(1000)
TOTAL = len(CONTENT)
NAME = "f"

clients = st.sampled_from("ab")
#: Where parts begin and how long they are, so that they meet, overlap and leave gaps.
places = st.sampled_from([0, 0, 0, 100, 300, 500, 900])
pieces = st.integers(1, 400)


@dataclass
class Part:
    """One request under way: what it is to bring, and how much of that it has sent."""

    sock: socket.socket
    first: int
    length: int
    is_chunked: bool
    sent: int = 0
    #: Whether a newer request, or a DELETE, took the upload from it.
    is_replaced: bool = False

    def send(self, amount: int, *, more: bytes = b"") -> None:
        """Send the next bytes, and whatever comes after them."""
        begin = self.first + self.sent
        block = CONTENT[begin : begin + amount]
        if self.is_chunked and block:
            block = b"%x\r\n%b\r\n" % (len(block), block)
        self.sent += amount
        try:
            self.sock.sendall(block + more)
        except (BrokenPipeError, ConnectionResetError):
            # One that was replaced is answered, and closed, as soon as it sends anything.
            assert self.is_replaced

    @property
    def last_chunk(self) -> bytes:
        """What ends the body, where its length does not."""
        return b"0\r\n\r\n" if self.is_chunked else b""

    def end(self) -> int:
        """The status of its answer; 409 for one whose answer was lost with its connection."""
        with self.sock, self.sock.makefile("rb") as stream:
            try:
                line = stream.readline()
            except ConnectionResetError:
                line = b""
        assert line or self.is_replaced
        return int(line.split()[1]) if line else 409


class TwoRequests(RuleBasedStateMachine):
    """One upload, in a collection that it has for itself."""

    server: RunningServer

    def __init__(self) -> None:
        super().__init__()
        assert self.server.root is not None
        self.target = self.server.root / NAME
        self.asking = Wire(self.server.host, self.server.port)
        self.parts: dict[str, Part] = {}
        #: Bytes that have arrived; None: there is no upload.
        self.arrived: int | None = None

    @initialize(has_old=st.booleans())
    def start(self, has_old: bool) -> None:
        """With a file there, or without."""
        if has_old:
            self.target.write_bytes(CONTENT)

    @rule(
        who=clients,
        first=places,
        length=pieces,
        amount=pieces,
        is_all=st.booleans(),
        is_chunked=st.booleans(),
    )
    def begin(
        self, who: str, first: int, length: int, amount: int, is_all: bool, is_chunked: bool
    ) -> None:
        """A client sends the head of a part and a piece of it; an older request has lost then."""
        if who in self.parts:
            return
        length = TOTAL - first if is_all else min(length + 1, TOTAL - first)
        part = Part(self._connected(first, length, is_chunked), first, length, is_chunked)
        self._replace()
        if first > (self.arrived or 0):
            part.is_replaced = True
            part.send(length, more=part.last_chunk)
            assert part.end() == 409
            return
        self.parts[who] = part
        part.send(min(amount, length - 1))
        self.arrived = first + part.sent

    def _connected(self, first: int, length: int, is_chunked: bool) -> socket.socket:
        how = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {length}"
        sock = socket.create_connection((self.server.host, self.server.port), DEADLINE)
        sock.sendall(
            f"PUT /{NAME} HTTP/1.1\r\nHost: x\r\n{how}\r\n"
            f"Content-Range: bytes {first}-{first + length - 1}/{TOTAL}\r\n\r\n".encode()
        )
        return sock

    def _replace(self) -> None:
        for part in self.parts.values():
            part.is_replaced = True

    @rule(who=clients, amount=pieces)
    def go_on(self, who: str, amount: int) -> None:
        """Some more of a part, but not its end."""
        part = self.parts.get(who)
        if part is None or part.sent == part.length - 1:
            return
        part.send(min(amount, part.length - 1 - part.sent))
        if not part.is_replaced:
            self.arrived = part.first + part.sent

    @rule(who=clients)
    def complete(self, who: str) -> None:
        """The rest of a part: 202, and 201 or 204 with the end of the file; 409 for who lost."""
        part = self.parts.pop(who, None)
        if part is None:
            return
        existed = self.target.exists()
        part.send(part.length - part.sent, more=part.last_chunk)
        status = part.end()
        if part.is_replaced:
            assert status == 409
        elif part.first + part.length < TOTAL:
            assert status == 202
            self.arrived = part.first + part.length
        else:
            assert status == (204 if existed else 201)
            assert self.target.read_bytes() == CONTENT
            self.arrived = None

    @rule(who=clients, is_long=st.booleans())
    def end_wrongly(self, who: str, is_long: bool) -> None:
        """A body in chunks that is shorter or longer than its range: 400, and it is taken back."""
        if who not in self.parts or not self.parts[who].is_chunked:
            return
        part = self.parts.pop(who)
        wrong = b"%x\r\n%b\r\n" % (TOTAL, bytes(TOTAL)) if is_long else b""
        part.send(0, more=wrong + b"0\r\n\r\n")
        assert part.end() == (409 if part.is_replaced else 400)
        if not part.is_replaced:
            self.arrived = part.first or None

    @rule(who=clients)
    def break_off(self, who: str) -> None:
        """The connection is closed; what has arrived stays."""
        part = self.parts.pop(who, None)
        if part is not None:
            part.sock.close()

    @rule()
    def give_up(self) -> None:
        """DELETE of the upload."""
        status = self.asking.ask("DELETE", upload_path(f"/{NAME}")).status
        assert status == (404 if self.arrived is None else 204)
        self.arrived = None
        self._replace()

    @invariant()
    def as_much_has_arrived(self) -> None:
        """HEAD tells it, and readers see the whole file or none."""
        until(lambda: self._standing() == self.arrived, f"{self.arrived} bytes have arrived")
        if self.target.exists():
            assert self.target.read_bytes() == CONTENT

    def _standing(self) -> int | None:
        answer = self.asking.ask("HEAD", upload_path(f"/{NAME}"))
        return offset(answer) if answer.status == 204 else None

    def teardown(self) -> None:
        """Leave nothing."""
        for part in self.parts.values():
            part.sock.close()
        self.asking.ask("DELETE", upload_path(f"/{NAME}"))
        self.asking.close()
        self.target.unlink(missing_ok=True)
        assert self.server.root is not None
        root = self.server.root
        until(lambda: self.server.staging(root) == [], "nothing is hidden")


@pytest.fixture(scope="module", params=["beside", "spool"])
def server(request: Any) -> Iterator[RunningServer]:
    """With hidden files beside their targets, or in a folder of their own."""
    with folder_in_memory() as folder:
        for name in ("root", "spool"):
            (folder / name).mkdir()
        spool = str(folder / "spool") if request.param == "spool" else None
        block = {"fsync": False, "put": {"spool": spool}}
        running = RunningServer(folder, folder / "root", {"davkeep": block})
        yield running
        running.close()
        assert "Traceback" not in running.log


def test_two_requests_on_one_upload(server: RunningServer, request: pytest.FixtureRequest) -> None:
    """No sequence stores anything but the content, or counts what does not.

    ``--model-examples 2000`` is the long form.
    """
    TwoRequests.server = server
    run_state_machine_as_test(
        TwoRequests,
        settings=settings(
            max_examples=max(request.config.getoption("--model-examples") // 3, 1),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
