"""A server that is killed at any point leaves the old state or the new one, and nothing else."""

from collections.abc import Iterator

import pytest

from crash.actions import ACTIONS, Action
from crash.conftest import MakeTrial
from crash.figures import Figures
from crash.run import Cut, Trial

#: Of an ordinary run: one point in so many, another one for each action.
SAMPLE = 8
#: The same for the points at which a server is killed whose recovery is to be killed as well.
RECOVERY_SAMPLE = 30

#: A thorough run of the longest action takes minutes.
pytestmark = pytest.mark.timeout(3600)


def _cuts(trial: Trial, step: int) -> Iterator[Cut]:
    """Cut the action off at every point that is ``step`` from the one before, then let it end."""
    number = 1 + ACTIONS.index(trial.action) % step
    while True:
        trial.begin()
        cut = trial.cut(number)
        yield cut
        if cut.point is None:
            return
        number += step


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Scenes without properties and locks come with ``--every-kill-point`` only."""
    if "stored" in metafunc.fixturenames:
        each = [True, False] if metafunc.config.getoption("--every-kill-point") else [True]
        metafunc.parametrize("stored", each, ids=["stored", "bare"][: len(each)])


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_old_or_new(
    trial: MakeTrial, figures: Figures, every_point: bool, action: Action, stored: bool
) -> None:
    """Names, bytes, modes, times, properties and locks are those of one state after a restart.

    It is the new one if the client was answered. Nothing hidden and no record is left, and a second
    restart does nothing.
    """
    this = trial(action, stored=stored)
    figures.add("operations")
    for cut in _cuts(this, 1 if every_point else SAMPLE):
        figures.add("servers killed at a point of an operation, or after it")
        _check(this, cut, figures)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_killed_again_during_recovery(
    trial: MakeTrial, figures: Figures, every_point: bool, action: Action
) -> None:
    """Recovery that is killed at its first point, then at its second and so on, ends the same."""
    this = trial(action)
    for cut in _cuts(this, 1 if every_point else RECOVERY_SAMPLE):
        figures.add("servers killed at a point of an operation, or after it")
        points = 1
        while this.cut_recovery(points) is not None:
            points += 1
            figures.add("servers killed at a point of recovery")
        _check(this, cut, figures)


def _check(trial: Trial, cut: Cut, figures: Figures) -> None:
    try:
        trial.check(cut)
    except AssertionError:
        figures.add("losses")
        raise
