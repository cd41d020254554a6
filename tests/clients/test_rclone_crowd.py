"""Twenty rclone processes at once, each with its default retries."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.disks import folder_in_memory
from harness.inotify import STAGED, Event, Trace
from harness.programs import find, run
from harness.server import DEADLINE, RunningServer
from harness.trees import Contents, contents, members, plant
from harness.waiting import until

#: How many move a tree each, and how many of them work at a time.
CROWD, WORKERS = 20, 5
NAMES = [f"tree-{number:02}" for number in range(CROWD)]
#: Members of a tree and members a second: a MOVE takes 3 s, and the last ones wait for 9 s before.
MEMBERS, RATE = 31, 10
#: Seconds of rclone's patience: as it comes, and so that it asks again and again.
PATIENCE = {"patient": 300, "impatient": 2}


@dataclass(frozen=True)
class Crowd:
    """What became of all moves."""

    before: dict[str, Contents]
    after: dict[str, Contents]
    #: What happened in the folder that the trees were moved to.
    events: list[Event]
    #: The exit status of each process.
    statuses: list[int]


def _move(server: RunningServer, home: Path, name: str, patience: int) -> int:
    """Move one tree to the other file system; rclone's exit status."""
    home.mkdir()
    remote = f":webdav,url='{server.url}':"
    paths = [f"{remote}near/{name}", f"{remote}far/{name}"]
    options = ["--config", "", f"--timeout={patience}s"]
    return run(find("rclone"), "moveto", *paths, *options, home=home, deadline=120).returncode


def _move_all(server: RunningServer, folder: Path, patience: int) -> list[int]:
    with ThreadPoolExecutor(CROWD) as threads:
        moves = [threads.submit(_move, server, folder / name, name, patience) for name in NAMES]
        return [move.result() for move in moves]


@pytest.fixture(scope="module", params=PATIENCE)
def crowd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    """All of them, from one file system to another."""
    find("rclone")
    near, homes = tmp_path_factory.mktemp("near"), tmp_path_factory.mktemp("homes")
    before = {name: plant(near / name, MEMBERS - 1, name) for name in NAMES}
    config = {"operations": {"workers": WORKERS, "max_members_per_second": RATE}}
    with folder_in_memory() as far:
        shares = {"/near": str(near), "/far": str(far)}
        server = RunningServer(
            tmp_path_factory.mktemp("server"), None, {"provider_mapping": shares, "davkeep": config}
        )
        try:
            with Trace(far) as trace:
                statuses = _move_all(server, homes, PATIENCE[request.param])
                until(lambda: not members(near), "every tree has left", DEADLINE)
                events = trace.of(far)
            after = {name: contents(far / name) for name in members(far)}
        finally:
            server.close()
    return Crowd(before, after, events, statuses)


def test_none_is_lost(crowd: Crowd) -> None:
    """Each tree is where it was moved to, whole, and nothing else is there."""
    assert crowd.after == crowd.before


def test_none_is_moved_twice(crowd: Crowd) -> None:
    """The kernel saw each tree staged once and named once."""
    made = [each for each in crowd.events if each.name.startswith(STAGED) and each.kind == "made"]
    assert len(made) == CROWD
    assert sorted(each.name for each in crowd.events if each.kind == "moved to") == NAMES


def test_everybody_is_told_so(crowd: Crowd) -> None:
    """Every process succeeds, whether its repeat came before the end of the MOVE or after it."""
    assert crowd.statuses == [0] * CROWD
