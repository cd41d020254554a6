"""The images show what they are there for: each mistake loses something on one of them."""

from collections.abc import Iterator

import pytest

from power.conftest import MakeTrial
from power.faults import FAULTS
from power.figures import Figures
from power.images import Loss
from power.run import Recording, Trial, judged
from power.scenarios import (
    SCENARIOS,
    Scenario,
    losses_until_answered,
    losses_when_answered,
)


def _losses(scenario: Scenario, recording: Recording) -> Iterator[list[Loss]]:
    """First the moment of the answer, which shows most faults, then every one before it."""
    disks = len(recording.fresh)
    yield losses_when_answered(recording, disks)
    begin = scenario.begin(recording)
    yield losses_until_answered(recording, disks, begin, every=False)


def _is_seen(this: Trial, scenario: Scenario) -> bool:
    """Whether something is neither as it was nor as it was to be."""
    recording = scenario.record(this)
    return any(
        judged(seen, recording, this.ground)
        for losses in _losses(scenario, recording)
        for seen in this.look_at(recording, losses, seed=0, starts=1)
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Those that no image shows take the longest, and come with ``--every-flush`` only."""
    if "name" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-flush")
        faults = {name: fault for name, fault in FAULTS.items() if fault.scenario in SCENARIOS}
        names = [name for name, fault in faults.items() if every or not fault.healed]
        metafunc.parametrize("name", names)


@pytest.mark.timeout(600)
def test_a_fault_is_seen(trial: MakeTrial, figures: Figures, name: str) -> None:
    """An image shows it; of those that recovery heals it is known why."""
    fault = FAULTS[name]
    scenario = SCENARIOS[fault.scenario]
    is_seen = _is_seen(trial(scenario.layout, name), scenario)
    figures.faults["seen" if is_seen else "healed" if fault.healed else "not seen"] += 1
    assert is_seen == (not fault.healed), fault.healed
