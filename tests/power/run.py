"""A server on disks that forget, and what is found on images of them."""

import random
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from crash.victim import Forge, Victim
from davkeep.trees.closing import Closing
from power.disk import Clock, Event, read_log
from power.images import Images, Loss
from power.layouts import Ground, copy_sparse
from power.world import Client, World, differences, owner_of, paths_in

#: Images that are looked at at the same time.
TOGETHER = 2


@dataclass(frozen=True)
class Seen:
    """What was seen on one image: after each start of a server, with what those logged."""

    loss: Loss
    looks: list[dict[str, Any]]
    log: list[list[str]]
    error: str | None

    @property
    def hidden(self) -> list[str]:
        """Hidden entries that are left."""
        names = self.looks[-1]["names"] if self.looks else ()
        return [path for path in names if "/.davkeep-" in path]


@dataclass(frozen=True)
class Recording:
    """What clients did, and what came to the disks meanwhile. ``begun``: the server served."""

    fresh: list[Path]
    events: list[Event]
    clients: list[Client]
    begun: int

    @property
    def flushes(self) -> list[int]:
        """The numbers of the flushes since the server serves."""
        found = (event.number for event in self.events if event.data is None)
        return [number for number in found if number > self.begun]

    @property
    def end(self) -> int:
        """The last event that somebody knows of."""
        steps = [step for client in self.clients for step in client.steps]
        return max([self.begun, *(step.acknowledged for step in steps)])


class Trial(Closing):
    """Servers on one ground, and what becomes of them."""

    def __init__(self, forge: Forge, ground: Ground, fault: str | None = None) -> None:
        """``fault``: one of ``faults``, committed by every server."""
        self._forge = forge
        #: Where it all happens.
        self.ground = ground
        self._fault = fault
        self._numbers = iter(range(1 << 30))
        self._forking = threading.Lock()
        self._opened = ExitStack()
        self._boot = ground.folder / "boot"
        self._boot.write_text(f"{uuid4()}\n")

    def close(self) -> None:
        """Remove what was recorded."""
        self._opened.close()

    def record(
        self, names: list[str], use: Callable[[list[Client]], None], commits: str = ""
    ) -> Recording:
        """Start a server on fresh disks, let clients of these names use it, and kill it.

        ``commits``: the disk that commits whenever a name has changed; any other text is a seed by
        which all of them commit now and then.
        """
        folder = self._folder("recording")
        files = self.ground.fresh_disks(folder / "disks")
        fresh = [file.with_suffix(".fresh") for file in files]
        for file, copy in zip(files, fresh, strict=True):
            copy_sparse(file, copy)
        clock = Clock(folder / "clock")
        plan = {
            "what": "record", "files": [str(file) for file in files], "collections": names,
            "log": str(folder / "log"), "clock": str(folder / "clock"),
            "commits": commits,
        }  # fmt: skip
        with self._child(plan) as victim, ExitStack() as opened:
            assert victim.wait_until_serving() is None
            begun = clock.now
            clients = [Client(name, victim.url, clock) for name in names]
            for client in clients:
                opened.callback(client.close)
            reader = threading.Thread(target=read_on, args=(victim,), daemon=True)
            reader.start()
            use(clients)
        reader.join()
        assert not any("Traceback" in line for line in victim.log), "\n".join(victim.log)
        return Recording(fresh, read_log(folder / "log"), clients, begun)

    def look_at(
        self, recording: Recording, losses: Iterable[Loss], seed: int, *, starts: int = 2
    ) -> Iterator[Seen]:
        """Look at the images of ``losses``, sorted by their moments, as they become ready.

        With no ``starts`` only at the file that names the instance.
        """
        images = Images(recording.fresh, self._folder("images") / "durable", recording.events)
        pending: set[Future[Seen]] = set()
        with ThreadPoolExecutor(TOGETHER) as together:
            for number, loss in enumerate(losses):
                if len(pending) > TOGETHER:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
                folder = self._folder("image")
                files = images.make(loss, folder, random.Random(seed + number))
                pending.add(together.submit(self._look, loss, folder, files, starts))
            yield from (each.result() for each in pending)

    def _look(self, loss: Loss, folder: Path, files: list[Path], starts: int) -> Seen:
        plan = {
            "what": "check", "files": [str(file) for file in files], "starts": starts,
            "boot": str(self._boot),
        }  # fmt: skip
        found: list[dict[str, Any]] = []

        def is_told() -> bool:
            return bool(found)

        with self._child(plan) as victim:
            while not is_told():
                found += [told for told in victim.heard() if told["what"] == "looked"]
            # It tells when all is unmounted but what goes with its end.
        shutil.rmtree(folder)
        return Seen(loss, found[0]["looks"], found[0]["log"], found[0]["error"])

    def _child(self, plan: dict[str, Any]) -> Victim:
        ground = self.ground
        given = {
            "layout": ground.layout.name, "folder": str(ground.folder),
            "config": str(ground.config), "fault": self._fault,
        }  # fmt: skip
        with self._forking:
            return self._forge.victim(given | plan)

    def _folder(self, name: str) -> Path:
        folder = self.ground.folder / f"{name}-{next(self._numbers)}"
        folder.mkdir()
        self._opened.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder


def read_on(victim: Victim) -> None:
    """Read what the server logs, so that it never waits for us; ends when it is killed."""
    try:
        while True:
            victim.heard()
    except (AssertionError, OSError):
        return


def judged(seen: Seen, recording: Recording, ground: Ground) -> list[str]:
    """What was lost, mixed up or invented, in words; nothing if all is well."""
    if seen.error is not None:
        return [seen.error]
    wrong = [line for log in seen.log for line in log if "Traceback" in line]
    worlds = [paths_in(look, ground.here, ground.there) for look in seen.looks]
    wrong += [f"a record is left: {record}" for record in seen.looks[-1]["records"]]
    first = without_hidden(worlds[0])
    names = {client.name for client in recording.clients}
    strays = differences(first, World({"there": None}), lambda path: owner_of(path) not in names)
    wrong += [f"nobody's: {stray}" for stray in strays if not stray.startswith("nodes there:")]
    for client in recording.clients:
        wrong += judged_client(first, client, seen.loss.moment)
    if len(worlds) > 1:
        changed = differences(worlds[1], worlds[0], lambda path: True)
        wrong += [f"the second start changed something: {change}" for change in changed]
    return wrong


def without_hidden(world: World) -> World:
    """The same without hidden entries, which are counted by themselves."""

    def shown(path: str) -> bool:
        return "/.davkeep-" not in f"/{path}"

    return World(
        {path: text for path, text in world.nodes.items() if shown(path)},
        world.colors,
        world.locks,
    )


def judged_client(found: World, client: Client, moment: int) -> list[str]:
    """What a client was answered and does not find, in words; nothing if all is well."""
    possible = client.possible(moment)

    def is_its(path: str) -> bool:
        return owner_of(path) == client.name

    wrong = [differences(found, world, is_its) for world in possible]
    if not all(wrong):
        return []
    asking = client.asking(moment)
    words = [f"client {client.name}, {'all answered' if asking is None else f'asking {asking}'}:"]
    for name, each in zip(("not as it was", "and not as it was to be"), wrong, strict=False):
        words += [f"  {name}:", *(f"    {line}" for line in each)]
    return words


def described(seen: Seen, wrong: list[str]) -> str:
    """A loss in full, for who has to find its cause."""
    log = [f"  {line}" for line in (seen.log[0] if seen.log else [])]
    return "\n".join([str(seen.loss), *wrong, "the log of the first start:", *log])
