"""A server in this process: real sockets outside, and operations that a test has in its hand."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from davkeep.app import make_server, make_site, recover
from davkeep.operations import Operation, Outcome, RepeatKey
from davkeep.settings.load import Overrides, load
from davkeep.trees.steps import Lane, Result, Steps
from harness.server import DEADLINE
from harness.wire import AGENT, Wire

#: Seconds between two checkpoints of work that waits for its test.
PAUSE = 0.01


class Held:
    """An operation that runs until its test lets it end."""

    def __init__(self, outcome: Outcome) -> None:
        self.operation: Operation
        self._outcome = outcome
        self._opened = threading.Event()
        self._begun = threading.Event()

    def steps(self, _: Operation) -> Steps:
        """The work."""
        self._begun.set()
        yield Lane.LONG
        while not self._opened.wait(PAUSE):
            yield None
        return Result(created=True, complete=True)

    def conclude(self, _: object) -> Outcome:
        """How it ends."""
        return self._outcome

    def wait_until_begun(self) -> None:
        """Wait until it runs."""
        assert self._begun.wait(DEADLINE)

    def end(self) -> None:
        """Let it end, and wait until it has."""
        self._opened.set()
        assert self.operation.wait(DEADLINE)


class Inside:
    """The server."""

    def __init__(self, site: Any, server: Any) -> None:
        self.site = site
        self.registry = site.registry
        self.host, port = server.url.split("/")[2].rsplit(":")
        self.port = int(port)
        self.url = server.url
        self._server = server
        self._held: list[Held] = []

    def wire(self, agent: str | None = AGENT) -> Wire:
        """A new connection."""
        return Wire(self.host, self.port, agent=agent)

    @property
    def parked(self) -> int:
        """How many connections are parked."""
        return len(self._server.lot)

    def last(self) -> Operation:
        """The operation that was admitted last."""
        found: list[Operation] = self.registry.visible(lambda _: True)
        return found[-1]

    def admit(
        self,
        owner: str = "",
        *,
        address: str = "127.0.0.1",
        method: str = "COPY",
        outcome: Outcome | None = None,
    ) -> Held:
        """An operation of a user, or of the anonymous one at an address; nobody drives it yet."""
        held = Held(outcome or Outcome(201))
        key = RepeatKey(
            owner,
            method,
            f"/a{len(self._held)}",
            "/b" if method in ("COPY", "MOVE") else None,
            address="" if owner else address,
        )
        held.operation = self.registry.admit(key, [], held.steps, held.conclude)
        self._held.append(held)
        return held

    def begin(self, owner: str = "", **options: Any) -> Held:
        """The same, and it runs."""
        held = self.admit(owner, **options)
        self.registry.begin(held.operation, 0.0)
        held.wait_until_begun()
        return held

    def ended(self, owner: str = "", **options: Any) -> Held:
        """The same, and it is over."""
        held = self.begin(owner, **options)
        held.end()
        return held

    def stop(self) -> None:
        """Accept nobody any more, and interrupt what runs."""
        self._server.stop(0.0)

    def let_all_end(self) -> None:
        """So that nothing has to be waited for."""
        for each in self._held:
            each.operation.cancel()


Start = Callable[..., Inside]


@contextmanager
def servers_inside(folder: Path, root: Path | None) -> Iterator[Start]:
    """``start(top={...}, **blocks of davkeep:)``, each at most once in a folder."""
    with ExitStack() as opened:

        def start(top: dict[str, Any] | None = None, **davkeep: Any) -> Inside:
            place = folder / "inside"
            place.mkdir()
            file = place / "davkeep.yaml"
            block = {"state": str(place / "state"), "fsync": False, **davkeep}
            # YAML understands JSON.
            file.write_text(json.dumps({**(top or {}), "davkeep": block}))
            served = None if "provider_mapping" in (top or {}) else str(root)
            configuration = load(str(file), Overrides(root=served, port=0))
            site = make_site(configuration, opened)
            recovery = recover(site, opened)
            server = make_server(configuration, site)
            server.prepare()
            recovery.start(site.upkeep)
            thread = threading.Thread(target=server.serve)
            thread.start()
            opened.callback(thread.join, DEADLINE)
            opened.callback(server.stop, 0.5)
            inside = Inside(site, server)
            opened.callback(inside.let_all_end)
            return inside

        yield start
