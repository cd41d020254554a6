"""What every test of the whole server starts from."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.marker import MARKER
from harness.inside import Start, servers_inside
from harness.server import RunningServer, Serve
from harness.wire import Wire

pytest_plugins = ["harness.figures", "harness.refusing"]


def pytest_configure() -> None:
    """Let what the tests start be ended by signals, also where `nohup`, or a script in whose
    background this runs, has them ignored: what is started would inherit that, and heed it.
    """
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of `tests/clients/test_pairs.py`, and of the tests of crashes and lost power."""
    group = parser.getgroup("davkeep")
    group.addoption(
        "--fixed-beat",
        action="store_true",
        help="send everybody a 102 each second, and expect those clients to break that it breaks",
    )
    group.addoption(
        "--write-table",
        action="store_true",
        help="write the outcomes of clients and proxies into docs/clients.md",
    )
    group.addoption(
        "--every-kill-point",
        action="store_true",
        help="kill servers at every point of every operation, not at a sample (some minutes)",
    )
    group.addoption(
        "--every-shortage",
        action="store_true",
        help="let servers lack everything with every request and disk, not a sample (two minutes)",
    )
    group.addoption(
        "--every-statement",
        action="store_true",
        help="let the store fail at every statement of every request, not at some (some minutes)",
    )
    group.addoption(
        "--kills",
        type=int,
        help="how many servers are killed at random moments (1000: half an hour)",
    )
    group.addoption(
        "--write-figures",
        action="store_true",
        help="write what the tests of crashes and of lost power come to into docs/durability.md",
    )
    group.addoption(
        "--every-flush",
        action="store_true",
        help="lose power at every flush and every moment, not at a sample (with --images)",
    )
    group.addoption(
        "--images",
        type=int,
        default=30,
        help="how many images of disks are looked at after random requests",
    )
    group.addoption(
        "--visits",
        type=int,
        default=36,
        help="after how many visits of each kind the objects in memory are counted (10000: hours)",
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that is served at /."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(tmp_path: Path, root: Path) -> Iterator[Serve]:
    """Start servers; each is ended with the test.

    ``serve(operations={...}, keepalive={...}, ...)`` are blocks of ``davkeep:``; ``top={...}`` are
    keys of the top level, and with its ``provider_mapping`` nothing is served at / by itself. Each
    has a state of its own, and so a root of its own: the first one ``root``, others a copy of it.
    """
    with ExitStack() as running:
        count = 0

        def start(top: dict[str, Any] | None = None, **davkeep: Any) -> RunningServer:
            nonlocal count
            count += 1
            folder = tmp_path / f"server-{count}"
            folder.mkdir()
            config = {**(top or {}), "davkeep": davkeep}
            served = None if "provider_mapping" in config else root
            if served is not None and count > 1:
                served = folder / "root"
                shutil.copytree(root, served, ignore=shutil.ignore_patterns(MARKER))
            server = RunningServer(folder, served, config)
            running.callback(server.close)
            return server

        yield start


@pytest.fixture
def wire() -> Iterator[Any]:
    """Open raw connections; each is closed with the test: ``wire(server, agent="curl/7.88.1")``."""
    with ExitStack() as opened:

        def connect(server: RunningServer, **options: Any) -> Wire:
            return opened.enter_context(Wire(server.host, server.port, **options))

        yield connect


@pytest.fixture
def inside(tmp_path: Path, root: Path) -> Iterator[Start]:
    """Start a server in this process."""
    with servers_inside(tmp_path, root) as start:
        yield start
