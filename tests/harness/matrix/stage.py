"""One davkeep, directly or behind a proxy, and all clients that come that way at once."""

import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clients import CLIENTS, Client, Errand, Told, Work
from harness.disks import folder_in_memory
from harness.inotify import STAGED, Event, Trace
from harness.matrix.outcome import HANGS, Call, Result
from harness.proxies import PROXIES
from harness.server import DEADLINE, RunningServer
from harness.trees import contents, plant
from harness.waiting import until

#: The way without a proxy.
DIRECT = "direct"
#: Every way, in the order of the documentation.
WAYS = (DIRECT, *PROXIES)

#: Seconds that a proxy waits, and a client; the proxy less, so that it is the first to give up.
PROXY_PATIENCE, CLIENT_PATIENCE = 3, 4
#: Seconds that a proxy or client waits whose timeout was raised.
RAISED = 40
#: Members a second.
RATE = 4
#: Seconds between interim responses where the profiles decide.
INTERVAL = 2


@dataclass(frozen=True)
class Play:
    """How long an operation takes, who has how much patience, and how davkeep is configured."""

    #: Seconds that an operation takes: three times the pair's patience, and a little more, so that
    #: it does not end when somebody gives up.
    length: float
    proxy_patience: int
    #: None: nobody's is shortened.
    client_patience: float | None
    keepalive: Mapping[str, Any]
    #: Whether somebody's patience is shorter than that. Who gave up asks again with every patience
    #: raised.
    is_tried: bool = True


def by_profiles(way: str) -> Play:
    """As davkeep comes, but for the silence, which has to be shorter than the patience."""
    behind = "auto" if way == DIRECT else PROXIES[way].behind
    patience = CLIENT_PATIENCE if way == DIRECT else PROXY_PATIENCE
    return Play(
        length=3 * patience + 0.25,
        proxy_patience=PROXY_PATIENCE,
        client_patience=CLIENT_PATIENCE,
        keepalive={"first_after": INTERVAL, "interval": INTERVAL, "behind_proxy": behind},
    )


def by_fixed_beat(way: str) -> Play:
    """An interim response each second to everybody; and nobody gives up before the end."""
    return Play(
        length=12.25,
        proxy_patience=RAISED,
        client_patience=None,
        keepalive={
            "interim": "always",
            "first_after": 1,
            "interval": 1,
            "behind_proxy": "none",
        },
        is_tried=False,
    )


class Part:
    """One client's collections on the stage."""

    def __init__(self, stage: "Stage", client: Client) -> None:
        """Plant the tree that the operation is about."""
        self.client = client
        self._stage = stage
        self.own = stage.root / client.name
        self.far = stage.far / client.name
        self.far.mkdir()
        # The tree itself is a member too, and the first one is free of charge.
        self.tree = plant(self.own / client.tree, round(stage.play.length * RATE), client.name)
        self.inode = (self.own / client.tree).stat().st_ino
        (self.own / "hello").write_bytes(b"hello")

    @property
    def target(self) -> Path:
        """What appears, or what vanishes."""
        if self.client.work is Work.COPY:
            return self.own / "copied"
        return self.own / self.client.tree if self._is_delete else self.far / "moved"

    @property
    def _is_delete(self) -> bool:
        return self.client.work is Work.DELETE

    def run(self, trace: Trace) -> Result:
        """Call the client, once more if it gave up, and look at what became of its tree."""
        began, play = time.monotonic(), self._stage.play
        calls = [self._call(began, self._stage.short, play.client_patience)]
        if not calls[0].told.succeeded and play.is_tried:
            calls.append(self._call(began, self._stage.raised, None))
        problems = tuple(self._problems(trace))
        events = tuple(trace.of(self.target.parent))
        return Result(tuple(calls), play.length, play.is_tried, events, problems)

    def _call(self, began: float, port: int, patience: float | None) -> Call:
        home = self._stage.home(self.client.name)
        errand = Errand(f"127.0.0.1:{port}", self.client.name, patience, home)
        before = time.monotonic()
        try:
            told = self.client.call(errand)
        except subprocess.TimeoutExpired:
            told = Told(False, HANGS)
        return Call(told, before - began, time.monotonic() - began)

    def _problems(self, trace: Trace) -> Iterator[str]:
        """What is not as if the operation had run exactly once."""
        events = trace.of(self.target.parent)
        try:
            until(lambda: _runs(trace.of(self.target.parent)), "the operation ran", DEADLINE)
            until(lambda: not list(self.target.parent.glob(f"{STAGED}*")), "it ended", DEADLINE)
        except AssertionError as error:
            yield str(error)
            return
        events = trace.of(self.target.parent)
        if _runs(events) != 1:
            yield f"it ran {_runs(events)} times"
        yield from self._wrong_inode(events)
        yield from self._wrong_contents()

    def _wrong_inode(self, events: list[Event]) -> Iterator[str]:
        staged = {event.inode for event in events if event.name.startswith(STAGED)} - {None}
        expected = self.inode if self._is_delete else self.target.stat().st_ino
        if staged != {expected}:
            yield f"{self.target} is inode {expected}, and {staged} was staged"

    def _wrong_contents(self) -> Iterator[str]:
        left = self.own / self.client.tree
        if self.client.work is Work.COPY and contents(left) != self.tree:
            yield "the source has changed"
        if self.client.work is Work.MOVE and left.exists():
            yield "the source is still there"
        if not self._is_delete and contents(self.target) != self.tree:
            yield "the destination is not what the source was"


def _runs(events: Iterable[Event]) -> int:
    """How often an entry was staged: made, or renamed out of sight."""
    return sum(
        event.name.startswith(STAGED) and event.kind in ("made", "moved to") for event in events
    )


class Stage:
    """A server, the proxy in front of it, and the clients' trees."""

    def __init__(self, folder: Path, far: Path, play: Play, clients: Iterable[Client]) -> None:
        """Make the folders; `far` is on another file system."""
        self.play = play
        self.folder = folder
        self.root = folder / "root"
        self.far = far / "far"
        for each in (self.root, self.far, self.root / "far"):
            each.mkdir()
        self.parts = [Part(self, client) for client in clients]
        #: The ports at which patience is short, and at which it was raised.
        self.short = self.raised = 0

    def home(self, name: str) -> Path:
        """A new, empty folder for one call of a client."""
        home = self.folder / "homes" / f"{name}-{time.monotonic_ns()}"
        home.mkdir(parents=True)
        return home

    @contextmanager
    def open(self, way: str) -> Iterator[RunningServer]:
        """Start the server and what is in front of it."""
        with ExitStack() as opened:
            (self.folder / "server").mkdir()
            config = {
                "provider_mapping": {"/": str(self.root), "/far": str(self.far)},
                "davkeep": {
                    "keepalive": dict(self.play.keepalive),
                    "operations": {
                        "workers": len(CLIENTS),
                        "max_members_per_second": RATE,
                        "conflict_wait": 0.5,
                    },
                },
            }
            server = RunningServer(self.folder / "server", None, config)
            opened.callback(server.close)
            self.short = self.raised = server.port
            if way != DIRECT:
                start = PROXIES[way].start
                patience = self.play.proxy_patience
                self.short = opened.enter_context(
                    start(self.folder / "proxy", server.port, patience)
                ).port
                self.raised = opened.enter_context(
                    start(self.folder / "raised", server.port, RAISED)
                ).port
            yield server


def perform(folder: Path, way: str, play: Play, names: Iterable[str]) -> dict[str, Result]:
    """Run clients against one davkeep at the same time; their results by name."""
    folder.mkdir()
    clients = [CLIENTS[name] for name in names]
    with ExitStack() as opened:
        far = opened.enter_context(folder_in_memory())
        stage = Stage(folder, far, play, clients)
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        opened.enter_context(stage.open(way))
        watched = {part.target.parent for part in stage.parts}
        trace = opened.enter_context(Trace(*watched))
        threads = opened.enter_context(ThreadPoolExecutor(len(clients)))
        running = {part.client.name: threads.submit(part.run, trace) for part in stage.parts}
        return {name: future.result() for name, future in running.items()}
