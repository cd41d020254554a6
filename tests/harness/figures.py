"""What the tests of robustness count, told at the end of the run and kept if that is asked for."""

import platform
import re
from collections import Counter
from pathlib import Path

import pytest

FIGURES = pytest.StashKey[Counter[str]]()

#: Where the figures stand in the documentation.
BLOCK = re.compile(r"(<!-- figures -->\n).*(<!-- end of figures -->)", re.DOTALL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of the random tests is run, and where their figures are written."""
    group = parser.getgroup("robustness")
    group.addoption(
        "--model-examples", type=int, default=100, help="random sequences against the model"
    )
    group.addoption("--soak-seconds", type=float, default=20, help="how long the soak lasts")
    group.addoption(
        "--memory-seconds", type=float, default=6, help="how long memory is watched (3600: long)"
    )
    group.addoption("--soak-seed", type=int, default=None, help="repeats a soak")
    group.addoption(
        "--robustness-report", type=Path, help="write the figures into this file, between its marks"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[FIGURES] = Counter()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Counter[str]:
    """What was counted so far, by what it is."""
    return request.config.stash[FIGURES]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Tell the figures; only a run without failures can say that nothing was lost."""
    figures = config.stash[FIGURES]
    if not figures:
        return
    lines = [f"{count} {what}" for what, count in sorted(figures.items())]
    if exitstatus == pytest.ExitCode.OK:
        lines.append("0 losses")
    terminalreporter.section("robustness")
    for line in lines:
        terminalreporter.write_line(line)
    report: Path | None = config.getoption("--robustness-report")
    if report is not None and exitstatus == pytest.ExitCode.OK:
        write(report, lines)


def write(report: Path, lines: list[str]) -> None:
    """Put the figures into a document, in the place of those that it has."""
    where = f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    table = "\n".join(["| figure | count |", "| --- | --- |", *map(_row, lines)])
    text, found = BLOCK.subn(
        lambda match: f"{match[1]}\n{table}\n\nMeasured on {where}.\n\n{match[2]}",
        report.read_text(),
    )
    assert found == 1, f"{report} has no place for figures"
    report.write_text(text)


def _row(line: str) -> str:
    count, _, what = line.partition(" ")
    return f"| {what} | {count} |"
