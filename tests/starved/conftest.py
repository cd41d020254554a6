"""Servers that lack something, with the state and the share on file systems of their own."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from harness import starving
from harness.disks import mounted
from harness.programs import missing
from harness.server import RunningServer, interpreter_for_others
from starved.kinds import KINDS, Scene

#: A user and group of which nothing else is: a limit for users counts all that they run.
OTHER = 61234

#: What the process itself may lack, and what the disks may. Enough descriptors for a PROPFIND are
#: too few for a PUT.
PROCESS = ("threads", "memory", "0 descriptors", "3 descriptors")
DISKS = ("room in the state", "room in the share", "room", "writing")

#: More of the same, in the long form: every number of descriptors up to what each request needs.
MORE = tuple(f"{number} descriptors" for number in (1, 2, *range(4, 13)))

CONFIG = {"davkeep": {"operations": {"grace": 0}, "keepalive": {"first_after": 1}}}

_numbers = itertools.count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the tests what is missing: ``lacks`` of the process, ``disks``, or ``what`` of both."""
    more = MORE if metafunc.config.getoption("--every-shortage") else ()
    threads = range(1, 11) if more else (1, 5, 10)
    both = {"lacks": (*PROCESS, *more), "disks": DISKS, "what": (*PROCESS, *more, *DISKS)}
    both["refused"] = threads
    if "name" in metafunc.fixturenames and "shared" in metafunc.fixturenames:
        # In the short form each kind of request lacks every other thing.
        argument = "lacks" if "lacks" in metafunc.fixturenames else "disks"
        pairs = [
            (what, name)
            for row, what in enumerate(both[argument])
            for column, name in enumerate(KINDS)
            if more or (row + column) % 2 == 0
        ]
        metafunc.parametrize((argument, "name"), pairs)
        return
    for argument, values in both.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values)


class Starving:
    """A server, its two disks, and what can be taken from it."""

    def __init__(self, server: RunningServer, group: Path | None) -> None:
        self.server = server
        self._group = group
        assert server.root is not None
        #: The mount points of the share and of the state.
        self.share, self.state = server.root.parent, server.state.parent

    def without(self, what: str) -> AbstractContextManager[None]:
        """Take something away for a while; "3 descriptors" leaves the server so many."""
        left, _, named = what.partition(" ")
        if named == "descriptors":
            return starving.descriptors(self.server, int(left))
        return self._limits[what]()

    @property
    def _limits(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        server = self.server
        return {
            "threads": self._without_threads,
            "memory": partial(starving.memory, server),
            "room in the state": partial(starving.full, self.state),
            "room in the share": partial(starving.full, self.share),
            "room": partial(starving.full, self.share, self.state),
            "writing": partial(starving.read_only, server, self.share),
        }

    def _without_threads(self) -> AbstractContextManager[None]:
        if self._group is None:
            return starving.user_threads(self.server)
        return starving.threads(self.server, self._group)

    def scene(self) -> Scene:
        """A collection of its own with something for every kind of request."""
        return Scene(self.server, f"s{next(_numbers)}")


@contextmanager
def starving_server(user: int | None, group: Path | None) -> Iterator[Starving]:
    """One on two file systems in memory."""
    folder = Path(tempfile.mkdtemp(prefix="davkeep-starved-", dir="/var/tmp"))
    with ExitStack() as opened:
        opened.callback(shutil.rmtree, folder)
        share = opened.enter_context(mounted(folder / "share", "16m"))
        state = opened.enter_context(mounted(folder / "state", "16m"))
        (share / "root").mkdir()
        (state / "state").mkdir()
        if user is not None:
            for path in (folder, share, share / "root", state, state / "state"):
                os.chown(path, user, user)
        config = {"davkeep": {**CONFIG["davkeep"], "state": str(state / "state")}}
        server = RunningServer(folder, share / "root", config, user=user)
        opened.callback(server.close)
        yield Starving(server, group)


@pytest.fixture(scope="session")
def group() -> Iterator[Path | None]:
    """A group of processes whose threads can be limited, if the system has such."""
    with starving.thread_group() as made:
        yield made


@pytest.fixture(scope="session")
def user(group: Path | None) -> int | None:
    """Whom the servers run as: root, whose threads only a group limits, or an ordinary user."""
    if os.geteuid() != 0:
        missing("needs root, for file systems of its own")
    if group is not None:
        return None
    try:
        interpreter_for_others()
    except FileNotFoundError as error:
        missing(f"neither a group of processes nor another user: {error}")
    return OTHER


@pytest.fixture
def starved(user: int | None, group: Path | None) -> Iterator[Starving]:
    """Start a server of the test's own."""
    with starving_server(user, group) as made:
        yield made


class Shared:
    """One server for the tests that take the same from it, and another after one that failed.

    The database's log grows until it is written into the database, and then begins anew: a server
    that has done much may have room in a log that is there already.
    """

    def __init__(self, user: int | None, group: Path | None) -> None:
        self._who = (user, group)
        self._opened = ExitStack()
        self._starving: Starving | None = None
        self._what = ""

    @contextmanager
    def use(self, what: str) -> Iterator[Starving]:
        """Give a test the server from which ``what`` is taken."""
        if self._starving is None or self._what != what:
            self._opened.close()
            self._starving = self._opened.enter_context(starving_server(*self._who))
        given, self._starving, self._what = self._starving, None, what
        yield given
        self._starving = given

    def close(self) -> None:
        """End all of them."""
        self._opened.close()


@pytest.fixture(scope="module")
def shared(user: int | None, group: Path | None) -> Iterator[Shared]:
    """Share servers among the tests of a module."""
    made = Shared(user, group)
    yield made
    made.close()
