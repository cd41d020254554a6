"""Servers for the tests of the WebDAV door: most share one, each in a collection of its own."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.dav import Place
from harness.server import RunningServer, interpreter_for_others
from harness.wire import Wire

#: User and group id of nobody.
NOBODY = 65534

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for a module, with a folder at /."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "root").mkdir()
    running = RunningServer(folder, folder / "root", {"davkeep": {"fsync": False}})
    yield running
    running.close()
    assert "Traceback" not in running.log
    assert not running.staging()


@pytest.fixture
def place_on() -> Iterator[Callable[..., Place]]:
    """Make a new collection on a server: ``place_on(server)``, or one in a share's folder."""
    with ExitStack() as opened:

        def new(server: RunningServer, folder: Path | None = None, share: str = "/") -> Place:
            name = f"t{next(_numbers)}"
            top = folder or server.root
            assert top is not None
            (top / name).mkdir()
            opened.callback(shutil.rmtree, top / name, ignore_errors=True)
            wire = opened.enter_context(Wire(server.host, server.port))
            return Place(server, wire, top / name, f"{share}{name}/")

        yield new


@pytest.fixture
def here(server: RunningServer, place_on: Callable[..., Place]) -> Place:
    """A new collection on the module's server."""
    return place_on(server)


@pytest.fixture(scope="module")
def nobodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that runs as an ordinary user, with a folder of that user's at /."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    try:
        interpreter_for_others()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    # pytest's own folders cannot be entered by others.
    folder = Path(tempfile.mkdtemp(prefix="davkeep-nobody-", dir="/var/tmp"))
    try:
        (folder / "root").mkdir()
        for path in (folder, folder / "root"):
            os.chown(path, NOBODY, NOBODY)
        running = RunningServer(folder, folder / "root", {"davkeep": {"fsync": False}}, user=NOBODY)
        yield running
        running.close()
        assert "Traceback" not in running.log
    finally:
        shutil.rmtree(folder)


def owned(folder: Path, user: int = NOBODY) -> None:
    """Give a folder and all below it to a user."""
    for path, _, names in os.walk(folder):
        for each in (path, *(os.path.join(path, name) for name in names)):
            os.chown(each, user, user, follow_symlinks=False)


@pytest.fixture
def theirs(nobodys: RunningServer, place_on: Callable[..., Place]) -> Iterator[Place]:
    """A new collection of the ordinary user's."""
    place = place_on(nobodys)
    owned(place.folder)
    yield place
    for path, folders, _ in os.walk(place.folder):
        for name in folders:
            if not os.path.islink(os.path.join(path, name)):
                os.chmod(os.path.join(path, name), 0o700)


@pytest.fixture
def give() -> Callable[..., Any]:
    """``give(folder)`` makes a folder and all below it the ordinary user's."""
    return owned
