"""What a run of the crash tests comes to: printed at its end, and kept in the documentation."""

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

#: Where they are kept.
PAGE = Path(__file__).parents[2] / "docs" / "durability.md"
_MARK = "<!-- made by pytest tests/crash --every-kill-point --write-figures -->"

#: What is counted, in the order of the table.
KINDS = (
    "operations",
    "servers killed at a point of an operation, or after it",
    "servers killed at a point of recovery",
    "seeded faults",
    "seeded faults that no check saw",
    "losses",
)


class Figures:
    """Counts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, number: int = 1) -> None:
        """Count more of a kind."""
        assert kind in KINDS
        self.counts[kind] += number

    def lines(self) -> list[str]:
        """A line for each kind, also for those of which there is none."""
        return [f"| {kind} | {self.counts[kind]:,} |" for kind in KINDS]

    def write(self) -> None:
        """Put them into the page, in the place of those of an earlier run."""
        text = PAGE.read_text(encoding="utf-8")
        day = datetime.now(UTC).date().isoformat()
        table = [_MARK, "", f"Measured on {day}:", "", "| what | number |", "| --- | ---: |"]
        new = "\n".join([*table, *self.lines(), ""])
        made, count = re.subn(
            rf"{re.escape(_MARK)}.*?(?=\n## |\Z)", lambda _: new, text, flags=re.S
        )
        assert count == 1, f"{PAGE} has no place for the figures"
        PAGE.write_text(made.rstrip("\n") + "\n", encoding="utf-8")
