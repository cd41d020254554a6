"""Node's fetch, which is kept as soon as the configuration has a row for it."""

from dataclasses import replace
from pathlib import Path

from harness.matrix.outcome import Outcome
from harness.matrix.stage import DIRECT, by_profiles, perform
from harness.programs import find


def test_a_row_of_the_configuration_keeps_it(tmp_path: Path) -> None:
    """It names itself `node`; interim responses renew its patience, and it skips them."""
    find("node")
    play = by_profiles(DIRECT)
    rows = [{"name": "Node's fetch", "agent": "node", "cap": 100}]
    play = replace(play, keepalive={**play.keepalive, "profiles": rows})
    result = perform(tmp_path / "stage", DIRECT, play, ["fetch"])["fetch"]
    assert result.outcome is Outcome.KEPT, result.calls
    assert result.problems == ()
