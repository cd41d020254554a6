"""One forge and one scene for all crash tests, and the figures that they come to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crash.actions import ACTIONS, Action
from crash.figures import Figures
from crash.run import Trial
from crash.scene import Scene
from crash.victim import Forge
from harness.disks import folder_in_memory

FIGURES = pytest.StashKey[Figures]()

#: Makes a trial of an action: ``trial(action, fault, stored=False)``.
MakeTrial = Callable[..., Trial]


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """The process that forks servers."""
    forge = Forge()
    yield forge
    forge.close()


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder on a file system of its own."""
    with folder_in_memory() as folder:
        yield folder


@pytest.fixture(scope="session")
def scenes(memory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Scene]:
    """Two scenes: with properties and locks, and without."""
    return {
        stored: Scene(tmp_path_factory.mktemp("crash"), memory / str(stored), stored=stored)
        for stored in (True, False)
    }


@pytest.fixture
def trial(forge: Forge, scenes: dict[bool, Scene]) -> MakeTrial:
    """Make trials."""

    def make(action: Action, fault: str | None = None, *, stored: bool = True) -> Trial:
        return Trial(forge, scenes[stored], action, fault)

    return make


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """What is counted in this run."""
    return pytestconfig.stash.setdefault(FIGURES, Figures())


@pytest.fixture
def every_point(pytestconfig: pytest.Config) -> bool:
    """Whether all points are gone through, and not a sample of them."""
    return bool(pytestconfig.getoption("--every-kill-point"))


def action_named(name: str) -> Action:
    """One of the actions."""
    return next(action for action in ACTIONS if action.name == name)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures."""
    figures = config.stash.get(FIGURES, None)
    if figures is None:
        return
    terminalreporter.section("crash tests")
    for line in figures.lines():
        terminalreporter.write_line(line)
    if config.getoption("--write-figures"):
        figures.write()
