"""Eight clients that do random things for a while: ``--soak-seconds 600`` is the long form.

Each has a collection of its own, of which it knows what every request has to answer. One collection
is everybody's: who locks it knows what is in it, and all others are refused meanwhile.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.dav import LOCK, setting
from harness.disks import folder_in_memory
from harness.model import Model, check, seen_by_client, seen_on_disk, some_ask, some_path
from harness.server import RunningServer
from harness.waiting import until
from harness.wire import Wire

CLIENTS = 8
#: Threads that operations start when they first need them, and keep: four workers for the long,
#: two for the short, one that undoes and one that counts.
LATER = 8
LOCKINFO = LOCK.format(scope="exclusive").encode()
#: A member of the collection that is everybody's, which only those touch who have not locked it.
FIXED = "fixed"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server with slow operations, and interim responses that come soon."""
    block = {
        "keepalive": {"first_after": 0.02, "interval": 0.02},
        "operations": {"grace": 0, "workers": 4, "max_members_per_second": 300},
    }
    with folder_in_memory() as folder:
        (folder / "root").mkdir()
        # So many that the pool need not grow: its growth is given back after half a minute.
        config = {"server_args": {"numthreads": 4 * CLIENTS}, "davkeep": block}
        running = RunningServer(folder, folder / "root", config)
        yield running
        running.close()
        assert "Traceback" not in running.log


class Shared:
    """The collection that is everybody's; its model belongs to who has locked it."""

    def __init__(self, folder: Path) -> None:
        self.base = "/shared/"
        self.folder = folder / "shared"
        self.folder.mkdir()
        (self.folder / FIXED).write_text("fixed")
        self.model = Model({FIXED: "fixed"})
        #: Colours of the fixed member that were acknowledged.
        self.painted: list[str] = []


class Client:
    """One client, with a connection and a collection of its own."""

    def __init__(
        self, server: RunningServer, shared: Shared, number: int, seed: int, figures: Counter[str]
    ) -> None:
        assert server.root is not None
        self.server, self.shared, self.figures = server, shared, figures
        self.dice = random.Random(seed * CLIENTS + number)
        self.name = f"client{number}"
        self.folder = server.root / self.name
        self.folder.mkdir()
        self.base = f"/{self.name}/"
        self.model = Model()
        self.asked = 0
        self.wire = Wire(server.host, server.port)

    def run(self, is_over: threading.Event) -> None:
        """Do random things until it is over, or something is wrong with anybody."""
        things: list[Callable[[], None]] = [
            *[self.ask] * 16, self.get_lost, self.lock, self.lock_shared, self.list
        ]  # fmt: skip
        try:
            while not is_over.is_set():
                self.dice.choice(things)()
        finally:
            is_over.set()

    def _count(self, what: str = "requests") -> int:
        self.figures[what] += 1
        self.asked += 1
        return self.asked

    def ask(self) -> None:
        """One request that nobody disturbs."""
        ask = some_ask(self.dice, self._count())
        answer = ask.answer(self.wire, self.base)
        assert answer.status == self.model.apply(ask), (self.name, ask, answer)
        if ask.method == "GET" and answer.status == 200:
            assert answer.body.decode() == self.model.nodes[ask.path]

    def get_lost(self) -> None:
        """Go away while a request runs, or when it has been answered, and ask again.

        The answer is that of the first one, or what it is now that the first one is done.
        """
        ask = some_ask(self.dice, self._count("clients that got lost"))
        if ask.method not in ("COPY", "MOVE", "DELETE"):
            return
        with Wire(self.server.host, self.server.port) as lost:
            ask.send(lost, self.base)
            lost.socket.recv(1)
        first = self.model.apply(ask)
        now = self.model.copy().apply(ask)
        status = ask.answer(self.wire, self.base).status
        assert status in (first, now), (self.name, ask, status)

    def lock(self) -> None:
        """Lock a member: nothing changes it without the token."""
        path = self.base + some_path(self.dice)
        self._count("locks")
        name = path.removeprefix(self.base)
        if name not in self.model.nodes:
            return
        made = self.wire.ask("LOCK", path, {"Timeout": "Second-60"}, LOCKINFO)
        assert made.status == 200, made
        token = made.fields["Lock-Token"]
        assert self.wire.ask("DELETE", path).status == 423
        assert self.wire.ask("LOCK", path, {"If": f"({token})"}).status == 200
        assert self.wire.ask("UNLOCK", path, {"Lock-Token": token}).status == 204

    def lock_shared(self) -> None:
        """Change what is everybody's while it is ours alone; else be refused."""
        shared, base = self.shared, self.shared.base
        locked = self.wire.ask("LOCK", base, {"Timeout": "Second-600"}, LOCKINFO)
        if locked.status == 423:
            self._intrude()
            return
        assert locked.status == 200, locked
        token = locked.fields["Lock-Token"]
        submitted = f"<http://{self.wire.host}{base}> ({token})"
        for _ in range(self.dice.randint(1, 5)):
            ask = some_ask(self.dice, self._count("requests in what is everybody's"))
            status = ask.answer(self.wire, base, If=submitted).status
            assert status == shared.model.apply(ask), (self.name, ask, status)
        assert seen_on_disk(shared.folder) == shared.model.nodes
        assert self.wire.ask("UNLOCK", base, {"Lock-Token": token}).status == 204

    def _intrude(self) -> None:
        """It is locked, or has just been given back."""
        color = f"{self.name}-{self._count('refused by a lock')}"
        answer = self.wire.ask("PROPPATCH", self.shared.base + FIXED, {}, setting(color=color))
        assert answer.status in (207, 423)
        if answer.status == 207:
            self.shared.painted.append(color)

    def list(self) -> None:
        """Listing and properties are the model's."""
        self._count()
        check(self.model, self.folder, self.wire, self.base)


def _check_shared(shared: Shared, wire: Wire) -> None:
    color = seen_by_client(wire, shared.base)[1].get(FIXED)
    if color is not None:
        assert color in shared.painted
        shared.model.colors[FIXED] = color
    check(shared.model, shared.folder, wire, shared.base)


def test_a_while_of_everything(
    server: RunningServer, request: pytest.FixtureRequest, figures: Counter[str]
) -> None:
    """In the end all is as the models say, and nothing has leaked."""
    seconds = request.config.getoption("--soak-seconds")
    given = request.config.getoption("--soak-seed")
    seed = random.randrange(10**6) if given is None else given
    print(f"--soak-seed {seed}")
    assert server.root is not None
    with Wire(server.host, server.port) as first:
        # What is opened with the first request stays open.
        assert first.ask("PROPFIND", "/", {"Depth": "0"}).status == 207
        assert first.ask("PUT", "/first", {}, b"1").status == 201
        assert first.ask("DELETE", "/first").status == 204
    descriptors, threads = server.descriptors, server.threads
    shared = Shared(server.root)
    counts = [Counter[str]() for _ in range(CLIENTS)]
    clients = [Client(server, shared, number, seed, counts[number]) for number in range(CLIENTS)]
    is_over = threading.Event()
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as together:
        running = [together.submit(client.run, is_over) for client in clients]
        is_over.wait(seconds)
        is_over.set()
        for each in running:
            each.result()
    for client in clients:
        client.list()
    _check_shared(shared, clients[0].wire)
    for client in clients:
        client.wire.close()
    for count in counts:
        figures.update({f"{what} (soak)": number for what, number in count.items()})
    figures["seconds of soak"] += round(time.monotonic() - began)
    assert server.staging() == []
    until(lambda: server.descriptors <= descriptors, "no descriptor has leaked")
    until(lambda: server.threads <= threads + LATER, "no thread has leaked")
