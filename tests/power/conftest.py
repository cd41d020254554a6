"""One forge and one ground for each kind of disks, and the figures that the tests come to."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crash.victim import Forge
from harness.disks import folder_in_memory
from harness.programs import missing
from power.figures import Figures
from power.layouts import LAYOUTS, Ground
from power.run import Trial

FIGURES = pytest.StashKey[Figures]()
KILLS = pytest.StashKey[Counter[str]]()

#: Makes a trial on disks of a layout: ``trial("ext4", fault=None)``.
MakeTrial = Callable[..., Trial]


@pytest.fixture(scope="session")
def disks() -> None:
    """See that disks can be made here."""
    if os.geteuid() != 0:
        missing("only root can mount file systems")
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(device):
            missing(f"{device} is missing")


@pytest.fixture(scope="session")
def forge(disks: None) -> Iterator[Forge]:
    """The process that forks servers."""
    forge = Forge("power.forge")
    yield forge
    forge.close()


@pytest.fixture(scope="session")
def grounds(disks: None) -> Iterator[Callable[[str], Ground]]:
    """The ground of each layout, made when it is first asked for."""
    known = Path("/proc/filesystems").read_text().split()
    grounds: dict[str, Ground] = {}
    with ExitStack() as opened:

        def ground(name: str) -> Ground:
            if name not in grounds:
                layout = LAYOUTS[name]
                for kind in layout.kinds:
                    if kind.name not in known:
                        missing(f"the kernel has no {kind.name}")
                made = Ground(layout, opened.enter_context(folder_in_memory()))
                made.prepare()
                grounds[name] = made
            return grounds[name]

        yield ground


@pytest.fixture
def trial(forge: Forge, grounds: Callable[[str], Ground]) -> Iterator[MakeTrial]:
    """Make trials; what each recorded is removed with the test."""
    with ExitStack() as opened:

        def make(layout: str, fault: str | None = None) -> Trial:
            return opened.enter_context(Trial(forge, grounds(layout), fault))

        yield make


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """What is counted in this run."""
    return pytestconfig.stash.setdefault(FIGURES, Figures())


@pytest.fixture(scope="session")
def kill_figures(pytestconfig: pytest.Config) -> Counter[str]:
    """What is counted of servers that are killed."""
    return pytestconfig.stash.setdefault(KILLS, Counter())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures."""
    kills = config.stash.get(KILLS, None)
    if kills is not None:
        told = ", ".join(f"{number:,} {what}" for what, number in kills.items())
        terminalreporter.write_line(f"\n{told}")
    figures = config.stash.get(FIGURES, None)
    if figures is None:
        return
    terminalreporter.section("lost power")
    for line in figures.lines():
        terminalreporter.write_line(line)
    if config.getoption("--write-figures"):
        figures.write()
