"""A server in this process, each of whose long-lived threads meets an exception nobody foresaw."""

import re
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from davkeep.control import Control
from davkeep.control.asking import ask
from davkeep.dav.uploads import sweeper
from davkeep.keepalive.lot import ParkingLot
from davkeep.operations import counting, gate
from davkeep.operations.counting import Counting
from davkeep.operations.helpers import _Call
from davkeep.operations.lanes import Lanes
from davkeep.operations.upkeep import Upkeep
from davkeep.server.idle import IdleConnections
from davkeep.server.lingering import Lingering
from davkeep.server.pool import Pool
from davkeep.webhooks.queue import Queue
from davkeep.webhooks.receiver import Receiver
from harness.inside import Start
from harness.receiver import receiving
from harness.trees import contents, plant
from harness.waiting import until

#: What the loop of each kind of thread calls.
CALLED: tuple[tuple[type, str], ...] = (
    (Upkeep, "turn"),
    (Lanes, "_next_of"),
    (_Call, "make"),
    (Counting, "turn"),
    (sweeper.Sweeper, "_look"),
    (ParkingLot, "_take_due"),
    (Lingering, "_admit"),
    (Pool, "take"),
    (Pool, "_relieve"),
    (IdleConnections, "_serve_ready"),
    (Control, "_converse"),
    (Queue, "_until_flush"),
    (Receiver, "fields"),
)


class BugError(Exception):
    """What nobody has foreseen."""


class Bugs:
    """Makes the first of those calls in each thread raise, when it has done what it should."""

    def __init__(self) -> None:
        self.met: dict[threading.Thread, str] = {}

    def put_into(self, called: Callable[..., Any]) -> Callable[..., Any]:
        """The same call with a bug."""

        def buggy(*arguments: Any, **named: Any) -> Any:
            thread = threading.current_thread()
            is_first = thread not in self.met
            # Who takes something from others would lose it.
            if is_first and called.__name__ in ("take", "_next_of"):
                self.met[thread] = thread.name
                raise BugError
            done = called(*arguments, **named)
            if is_first:
                self.met[thread] = thread.name
                raise BugError
            return done

        return buggy

    def kinds(self) -> set[str]:
        return {_kind(name) for name in self.met.values()}


def _kind(name: str) -> str:
    """A thread's name without what tells it from others of its kind."""
    return re.sub(r"( \d+ \(.*|-\d+( \(serve\))?)$", "", name)


def _ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("davkeep-")]


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch) -> Bugs:
    bugs = Bugs()
    for owner, name in CALLED:
        monkeypatch.setattr(owner, name, bugs.put_into(getattr(owner, name)))
    # All work counts as one that waits for a disk, and as one that lasts; uploads are looked at.
    monkeypatch.setattr(gate, "BUSY", 2.0)
    monkeypatch.setattr(gate, "LOOK", 0.0)
    monkeypatch.setattr(counting, "COUNT_AFTER", 0.0)
    monkeypatch.setattr(sweeper.Sweeper.__init__, "__defaults__", ((), 0.05))
    return bugs


def test_every_thread_outlives_a_bug(
    inside: Start, root: Path, tmp_path: Path, bugs: Bugs, caplog: pytest.LogCaptureFixture
) -> None:
    """Each long-lived thread of the server meets an exception, and everything works afterwards."""
    planted = plant(root / "a", 300)
    with receiving() as receiver, ExitStack() as opened:
        server = inside(
            {"server_args": {"numthreads": 2}},
            operations={"grace": 0, "max_members_per_second": None},
            keepalive={"first_after": 0.1},
            webhooks=[receiver.row()],
        )
        control = Control(tmp_path, {"ping": lambda _: {"pong": 1}})
        control.start()
        opened.callback(control.stop)

        def everything(name: str) -> None:
            with server.wire() as wire:
                copied = wire.ask("COPY", "/a", {"Destination": f"{server.url}{name}"})
                assert copied.status == 201
                assert contents(root / name) == planted
                assert wire.ask("PUT", f"/{name}.txt", {}, b"x").status == 201
                assert wire.ask("DELETE", f"/{name}").status == 204
            _crowd(server, name)
            until(lambda: not server.registry.unfinished(), "all is over")

        everything("b")
        # The thread meets its bug when this is answered.
        assert ask(tmp_path, "ping") == {"pong": 1}
        everything("c")
        assert ask(tmp_path, "ping") == {"pong": 1}
        until(lambda: {_kind(each.name) for each in _ours()} <= bugs.kinds(), "each has met one")
        assert "Thread" in bugs.kinds()
        everything("d")
        assert len(bugs.kinds()) >= len(CALLED) + 2
        assert all(thread.is_alive() for thread in bugs.met if "pool" not in thread.name)
        receiver.wait_for(9)
    assert caplog.text.count("met a bug and goes on") >= len(bugs.met)


def _crowd(server: Any, name: str) -> None:
    """More uploads at a time than there are threads at first."""
    with ExitStack() as opened:
        wires = [opened.enter_context(server.wire()) for _ in range(6)]
        for number, wire in enumerate(wires):
            head = f"PUT /{name}{number} HTTP/1.1\r\nHost: {wire.host}\r\nContent-Length: 2\r\n"
            wire.socket.sendall(f"{head}\r\nx".encode())
            wire.already_sent("PUT", f"/{name}{number}")
        until(lambda: _pool_size() >= 6, "the pool has grown")
        for wire in wires:
            wire.socket.sendall(b"x")
        assert [wire.response().status for wire in wires] == [201] * 6


def _pool_size() -> int:
    return sum(_kind(thread.name) == "davkeep-pool" for thread in _ours())
