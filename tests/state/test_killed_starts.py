"""A start that moves a state in, migrates it or gives other keys, and is killed at each step."""

import subprocess
import sys
from pathlib import Path

import pytest
from state.killing import CASES

from harness.server import DEADLINE

TESTS = Path(__file__).parent.parent

#: A start has more steps than this at which it changes something.
AT_LEAST = {"same": 20, "other": 35, "inner": 8}


@pytest.mark.parametrize("case", sorted(CASES))
def test_nothing_is_lost(case: str, tmp_path: Path) -> None:
    """Wherever it was killed, the next start finds all of it, and nothing else."""
    command = [sys.executable, "-m", "state.killing", case, str(tmp_path)]
    ended = subprocess.run(
        command, cwd=TESTS, capture_output=True, text=True, timeout=4 * DEADLINE, check=True
    )
    number, *lost = ended.stdout.split("\n")
    assert int(number) >= AT_LEAST[case]
    assert [line for line in lost if line] == []
