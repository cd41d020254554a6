"""Every peer does every work: its real program is started, and its answers are checked."""

import os

import pytest

from bench.measures import MIB
from bench.speed.further import FURTHER
from bench.speed.peers import PACKAGES, PEERS
from bench.speed.places import place
from bench.speed.rounds import WORKS, measure
from bench.speed.site import Scale
from harness.programs import lookup

TINY = Scale(
    files=120,
    listed=10,
    large=2 * MIB,
    requests=5,
    copies=3,
    copied=20,
    trees=(10, 20),
    parked=10,
)
#: The programs of those that need one.
PROGRAMS = {"apache": "apache2", "nginx": "nginx", "lighttpd": "lighttpd"}


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_does_its_works(name: str) -> None:
    """Each row that a peer does not skip has the seconds of each round that counts."""
    program = PROGRAMS.get(name)
    if program is not None and lookup(program) is None:
        assert os.environ.get("CI") != "true", f"{program} is missing"
        pytest.skip(f"{program} is missing; sudo apt-get install {PACKAGES[program]}")
    with place("disk") as folder:
        samples = measure(folder, list(WORKS), [name], TINY, rounds=2, is_disk=False)
        assert not os.listdir(folder)
    wanted = {row for work in WORKS.values() for row in work.rows} - PEERS[name].skips
    assert {row: list(each) for row, each in samples.seconds.items()} == {
        row: [name] for row in wanted
    }
    assert all(len(each[name]) == 2 and min(each[name]) > 0 for each in samples.seconds.values())


def test_the_other_works_are_done() -> None:
    """Fairness, growth and start have their figures."""
    with place("disk") as folder:
        groups = {
            name: list(FURTHER[name](folder, ["davkeep", "plain"], TINY))
            for name in ("fairness", "growth", "start")
        }
        assert not os.listdir(folder)
    assert [len(each) for each in groups.values()] == [6, 2 * 9 + 3 + 2, 1]
    assert all(figure.value >= 0 for each in groups.values() for figure in each)
    judged = [figure.name for figure in groups["fairness"] if figure.most is not None]
    assert judged == ["davkeep, 99 %, busy", "davkeep, 99 %, busy against idle"]
