"""The checks see what they are there for: each mistake turns them red."""

import pytest

from crash.conftest import MakeTrial, action_named
from crash.faults import FAULTS
from crash.figures import Figures
from crash.run import Lost
from crash.scene import Scene
from crash.test_order import STORED, order_of


def _is_lost(trial: MakeTrial, name: str) -> bool:
    """Whether the checker finds a loss at some point of the action that shows the fault."""
    this = trial(action_named(FAULTS[name].action), name)
    number = 0
    while True:
        number += 1
        this.begin()
        cut = this.cut(number)
        try:
            this.check(cut)
        except Lost:
            return True
        if cut.point is None:
            return False


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen(
    trial: MakeTrial, scenes: dict[bool, Scene], figures: Figures, name: str
) -> None:
    """A fault of what SIGKILL cannot show changes the order; any other one loses something."""
    fault = FAULTS[name]
    figures.add("seeded faults")
    if fault.only_in_order:
        is_seen = order_of(trial, scenes[True], fault.action, name) != STORED[fault.action]
    else:
        is_seen = _is_lost(trial, name)
    figures.add("seeded faults that no check saw", int(not is_seen))
    assert is_seen
