"""A start for which there are not enough threads."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.starving import Confined, allow
from starved.conftest import OTHER
from starved.kinds import Scene, check_log, check_that_all_works

#: The threads of a server without which something would hang, its first one included.
NEEDED = 11


@pytest.fixture
def confined(user: int | None, group: Path | None) -> Iterator[Callable[[int], Confined]]:
    """Start a server that has so many threads at most."""
    folder = Path(tempfile.mkdtemp(prefix="davkeep-confined-", dir="/var/tmp"))
    with ExitStack() as opened:
        opened.callback(shutil.rmtree, folder)
        (folder / "root").mkdir()
        for path in (folder, folder / "root"):
            os.chown(path, user or 0, user or 0)

        def start(most: int) -> Confined:
            server = Confined(folder, folder / "root", most, group, user or OTHER)
            opened.callback(server.close)
            return server

        yield start
    if group is not None:
        allow(group, None)


def test_too_few(confined: Callable[[int], Confined], refused: int) -> None:
    """It serves nobody, says in one line what is missing, and ends with status 1."""
    with pytest.raises(AssertionError) as told:
        confined(refused)
    assert re.fullmatch(
        r"the server did not start, but ended with 1: ''\n"
        r"(.* WARNING davkeep.server: the system starts no thread .*\n)?"
        r"davkeep: the system starts no thread davkeep-\S+: .*\n",
        str(told.value),
    )


def test_just_enough(confined: Callable[[int], Confined]) -> None:
    """It says that it has fewer than it should, and works and stops without one more."""
    server = confined(NEEDED)
    server.wait_for_log("starts no thread davkeep-delivery")
    assert server.threads == NEEDED
    scene = Scene(server, "scene")
    check_that_all_works(scene)
    assert server.threads == NEEDED
    assert server.stop() == 0
    check_log(server)
