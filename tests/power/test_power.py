"""Power is lost while clients do random things: what they were answered is there.

``--every-flush --images 1000`` is the long form.
"""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from power.conftest import MakeTrial
from power.figures import Figures
from power.images import Keep, Loss
from power.layouts import LAYOUTS
from power.run import Recording, described, judged
from power.world import Client

#: Clients that ask at the same time.
CLIENTS = 4
#: Requests of each client between two fresh starts, in the long form and in the short one.
REQUESTS, FEW_REQUESTS = 60, 12
#: The share of the images that each kind of disks gets.
SHARES = {"ext4": 0.4, "ext4-three": 0.2, "xfs": 0.2, "btrfs": 0.2}
#: Failures that are told in full.
TOLD = 3


def _do_random_things(seed: str, requests: int, clients: list[Client]) -> None:
    def go_on(client: Client) -> None:
        dice = random.Random(f"{seed} {client.name}")
        last = None
        for number in range(requests):
            ask = client.some_ask(dice, number)
            # For the moment until TCP has acknowledged an answer, a repeat is told the same.
            if ask != last:
                client.do(ask)
            last = ask

    with ThreadPoolExecutor(len(clients)) as together:
        list(together.map(go_on, clients))


def _losses(
    recording: Recording, disks: int, dice: random.Random, images: int, *, every_flush: bool
) -> list[Loss]:
    """Just before and just after flushes, and at random moments between."""
    keeps = tuple(Keep)

    def at(moment: int) -> Loss:
        return Loss(moment, tuple(dice.choice(keeps) for _ in range(disks)))

    flushes = recording.flushes
    if not every_flush:
        flushes = dice.sample(flushes, min(len(flushes), images // 2))
    moments = [flush - dice.randint(0, 1) for flush in flushes]
    while len(moments) < images:
        moments.append(dice.randint(recording.begun, recording.end))
    return [at(moment) for moment in sorted(moments)]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_is_lost(
    trial: MakeTrial, figures: Figures, pytestconfig: pytest.Config, layout: str
) -> None:
    """What was answered is there, what was asked for has happened or not, and nothing else is.

    Names, contents, properties and locks belong together; nothing hidden is left, and a second
    start does nothing.
    """
    every_flush = pytestconfig.getoption("--every-flush")
    wanted = round(pytestconfig.getoption("--images") * SHARES[layout])
    requests = REQUESTS if every_flush else FEW_REQUESTS
    given = pytestconfig.getoption("--soak-seed")
    seed = random.randrange(10**6) if given is None else given
    print(f"--soak-seed {seed}")
    dice = random.Random(seed)
    wrong: list[str] = []
    done = 0
    while done < wanted:
        done += _session(
            trial, figures, layout, dice, wrong,
            partial(_do_random_things, f"{seed} {done}", requests),
            partial(_losses, every_flush=every_flush), wanted - done,
        )  # fmt: skip
    assert not wrong, "\n\n".join([f"{len(wrong)} of {done} images", *wrong[:TOLD]])


def _session(
    trial: MakeTrial,
    figures: Figures,
    layout: str,
    dice: random.Random,
    wrong: list[str],
    use: Callable[[list[Client]], None],
    choose: Callable[..., list[Loss]],
    images: int,
) -> int:
    """Record once, and look at some images of that; return how many."""
    words, disks = LAYOUTS[layout].words, len(LAYOUTS[layout].kinds)
    with trial(layout) as this:
        names = [f"c{number}" for number in range(CLIENTS)]
        recording = this.record(names, use, commits=f"seed {dice.random()}")
        losses = choose(recording, disks, dice, images)
        figures.add(words, "requests", sum(len(client.steps) for client in recording.clients))
        figures.add(words, "flushes", len(recording.flushes))
        for seen in this.look_at(recording, losses, dice.randrange(10**6)):
            found = judged(seen, recording, this.ground)
            figures.add(words, "images", 1)
            figures.add(words, "losses", int(bool(found)))
            figures.add(words, "hidden entries left", len(seen.hidden))
            if found or seen.hidden:
                left = [f"left: {path}" for path in seen.hidden]
                wrong.append(described(seen, found + left))
    return len(losses)
