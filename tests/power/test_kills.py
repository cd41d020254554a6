"""A server is killed while clients do random things: what they were answered is there.

``--kills 1000`` is the long form. The kernel lives on, so the disks need not forget anything.
"""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h11
import pytest

from crash.scene import Scene
from crash.victim import Forge, Victim
from harness.disks import folder_in_memory
from harness.model import Ask
from power.forge import look
from power.run import judged_client, read_on, without_hidden
from power.world import Client, Step, paths_in

CLIENTS = 4
#: Servers that are killed in an ordinary run.
FEW = 15
#: Requests that are answered before a server is killed, at most, and seconds after that.
REQUESTS, DELAY = 120, 0.01
#: The moment of the kill: what was answered came before it, and what was not never comes.
KILLED, NEVER = 1, 2


class Still:
    """The clock of a disk that keeps everything."""

    now = 0


class Mortal(Client):
    """A client whose server may be killed in the middle of a request."""

    def do_until_gone(self, dice: random.Random, answered: threading.Semaphore) -> None:
        """Ask random things, and note the one that was not answered."""
        last, number = None, 0
        while True:
            ask = self.some_ask(dice, number)
            number += 1
            # For the moment until TCP has acknowledged an answer, a repeat is told the same.
            if ask == last:
                continue
            last = ask
            try:
                self.do(ask)
            except (OSError, h11.RemoteProtocolError):
                return self._note(ask)
            answered.release()

    def _note(self, ask: Ask) -> None:
        self.steps.append(Step(ask, 0, NEVER))
        self.world.apply(ask)
        self.worlds.append(self.world)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Two shares on two file systems, with a collection of each client."""
    with folder_in_memory() as memory:
        yield Scene(tmp_path, memory, stored=False)


def _victim(forge: Forge, scene: Scene, *, is_recovery: bool) -> Victim:
    plan: dict[str, Any] = {
        "config": str(scene.config), "stop_at": None, "flags": True, "fault": None,
        "is_recovery": is_recovery,
    }  # fmt: skip
    return forge.victim(plan)


def _killed(forge: Forge, scene: Scene, dice: random.Random) -> list[Mortal]:
    """Let clients use a server, and kill it; return them."""
    scene.empty([f"c{number}" for number in range(CLIENTS)])
    answered = threading.Semaphore(0)
    with ExitStack() as opened:
        victim = opened.enter_context(_victim(forge, scene, is_recovery=False))
        assert victim.wait_until_serving() is None
        threading.Thread(target=read_on, args=(victim,), daemon=True).start()
        clients = [Mortal(f"c{number}", victim.url, Still()) for number in range(CLIENTS)]
        for client in clients:
            opened.callback(client.close)
        with ThreadPoolExecutor(CLIENTS) as together:
            running = [
                together.submit(client.do_until_gone, random.Random(dice.random()), answered)
                for client in clients
            ]
            for _ in range(dice.randint(1, REQUESTS)):
                while not answered.acquire(timeout=1):
                    # One that was answered wrongly has ended.
                    for each in running:
                        assert not each.done(), each.result()
            threading.Event().wait(dice.random() * DELAY)
            victim.close()
            for each in running:
                each.result()
    return clients


def _recovered(forge: Forge, scene: Scene) -> list[str]:
    with _victim(forge, scene, is_recovery=True) as victim:
        assert victim.wait_until_recovered() is None
        return victim.log


def test_nothing_is_lost_when_a_server_is_killed(
    scene: Scene, request: pytest.FixtureRequest, kill_figures: Counter[str]
) -> None:
    """Names, contents, properties and locks of each client are those after its last answer, or
    after the request that it was not answered. Nothing hidden, and no record, is left.
    """
    given = request.config.getoption("--soak-seed")
    seed = random.randrange(10**6) if given is None else given
    kills = request.config.getoption("--kills") or FEW
    print(f"--soak-seed {seed}")
    forge = Forge()
    try:
        for number in range(kills):
            clients = _killed(forge, scene, random.Random(f"{seed} {number}"))
            log = _recovered(forge, scene)
            seen = look(scene)
            world = paths_in(seen, scene.here, scene.there)
            wrong = [f"a record is left: {record}" for record in seen["records"]]
            hidden = [path for path in seen["names"] if "/.davkeep-" in path]
            for client in clients:
                wrong += judged_client(without_hidden(world), client, KILLED)
            kill_figures["servers killed at random"] += 1
            kill_figures["requests"] += sum(len(client.steps) for client in clients)
            kill_figures["hidden entries left"] += len(hidden)
            kill_figures["losses"] += bool(wrong)
            wrong += hidden
            assert not wrong, "\n".join([f"kill {number}:", *wrong, *log])
    finally:
        forge.close()
