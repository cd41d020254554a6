"""Of single requests every moment is gone through, with each way in which two disks can differ."""

import pytest

from power.conftest import MakeTrial
from power.run import described, judged
from power.scenarios import SCENARIOS, losses_until_answered

#: Those of an ordinary run, and which disk commits by itself whenever a name has changed; all
#: others come with ``--every-flush``.
SHORT = [("MOVE across", "a"), ("MOVE across, over a file of the same number", "")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All scenarios, or some."""
    if "name" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-flush")
        all_of_them = [(name, commits) for name in SCENARIOS for commits in ("", "a", "b")]
        metafunc.parametrize(("name", "commits"), all_of_them if every else SHORT)


@pytest.mark.timeout(1800)
def test_old_or_new_at_every_moment(
    trial: MakeTrial, pytestconfig: pytest.Config, name: str, commits: str
) -> None:
    """Whatever each disk has kept, what is there is as before the request, or as it was to be.

    If the response had come, it is the latter.
    """
    scenario = SCENARIOS[name]
    this = trial(scenario.layout)
    recording = scenario.record(this, commits)
    begin = scenario.begin(recording)
    every = pytestconfig.getoption("--every-flush")
    losses = losses_until_answered(recording, len(recording.fresh), begin, every=every)
    wrong = []
    for seen in this.look_at(recording, losses, seed=0, starts=2 if every else 1):
        found = judged(seen, recording, this.ground) + seen.hidden
        if found:
            wrong.append(described(seen, found))
    assert not wrong, "\n\n".join([f"{len(wrong)} of {len(losses)} images", *wrong[:3]])
