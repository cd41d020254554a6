"""What a run of the tests of lost power comes to: printed at its end, kept in the documentation."""

import platform
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

#: Where they are kept.
PAGE = Path(__file__).parents[2] / "docs" / "durability.md"
_MARK = "<!-- made by pytest tests/power --every-flush --images 1000 --write-figures -->"

#: What is counted of each kind of disks, in the order of the columns.
KINDS = ("requests", "flushes", "images", "losses", "hidden entries left")


class Figures:
    """Counts, by what the disks are."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.faults: Counter[str] = Counter()

    def add(self, disks: str, kind: str, number: int) -> None:
        """Count more of a kind."""
        assert kind in KINDS
        self.counts.setdefault(disks, Counter())[kind] += number

    def lines(self) -> list[str]:
        """The table: a row for each kind of disks, and one for all of them."""
        total = sum(self.counts.values(), Counter[str]())
        rows = [*sorted(self.counts.items()), ("together", total)]
        lines = [f"| disks | {' | '.join(KINDS)} |", "| --- |" + " ---: |" * len(KINDS)]
        lines += [
            f"| {disks} | {' | '.join(f'{counts[kind]:,}' for kind in KINDS)} |"
            for disks, counts in rows
        ]
        if self.faults:
            told = ", ".join(f"{number} {what}" for what, number in sorted(self.faults.items()))
            lines += ["", f"Seeded faults: {told}."]
        return lines

    def write(self) -> None:
        """Put them into the page, in the place of those of an earlier run."""
        text = PAGE.read_text(encoding="utf-8")
        day, linux = datetime.now(UTC).date().isoformat(), platform.release().partition("-")[0]
        new = "\n".join([_MARK, "", f"Measured on {day}, Linux {linux}:", "", *self.lines(), ""])
        made, count = re.subn(
            rf"{re.escape(_MARK)}.*?(?=\n## |\Z)", lambda _: new, text, flags=re.S
        )
        assert count == 1, f"{PAGE} has no place for the figures"
        PAGE.write_text(made.rstrip("\n") + "\n", encoding="utf-8")
