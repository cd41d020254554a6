"""davkeep's commands, each in a process of its own."""

import os
import subprocess
import sys

from harness.server import DEADLINE

#: What runs a command.
DAVKEEP = (sys.executable, "-m", "davkeep")

#: A home without a ~/.netrc.
_HOMELESS = {"HOME": "/nonexistent"}


def environment(**more: str) -> dict[str, str]:
    """That of a command."""
    return {**os.environ, **_HOMELESS, **more}


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command that nobody sits in front of, and wait for its end."""
    return subprocess.run(
        [*DAVKEEP, *arguments],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        stdin=subprocess.DEVNULL,
        env=environment(**environ),
        check=False,
    )
