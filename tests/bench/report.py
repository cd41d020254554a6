"""What a run leaves: lines for people, JSON for programs, and the table of docs/benchmark.md."""

import json
import os
import platform
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from bench.measures import Figure

#: The table stands between these two lines.
BEGIN, END = "<!-- made by tests/bench/run.py --full -->", "<!-- end -->"


def line(figure: Figure) -> str:
    """One line for people."""
    most = "" if figure.most is None else f"  (at most {figure.most:g}: {figure.verdict})"
    return f"  {figure.name:<72} {value(figure):>14}{most}"


def told(figures: Iterable[Figure]) -> Iterator[Figure]:
    """Print each figure as it comes."""
    for group, members in groupby(figures, key=lambda each: each.group):
        print(f"\n{group}", flush=True)
        for figure in members:
            print(line(figure), flush=True)
            yield figure


def value(figure: Figure) -> str:
    """The value with its unit, in as many digits as mean something."""
    digits = 0 if float(figure.value).is_integer() and not figure.unit else 2
    return f"{figure.value:.{digits}f} {figure.unit}".rstrip()


def machine(folder: str) -> dict[str, object]:
    """Where it was measured; ``folder`` held the shares and the state."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "folder": folder,
        "load_before": round(os.getloadavg()[0], 2),
    }


def write_json(file: Path, where: dict[str, object], figures: Iterable[Figure]) -> None:
    """Every figure."""
    rows = [
        {
            "group": each.group,
            "name": each.name,
            "value": round(each.value, 4),
            "unit": each.unit,
            "most": each.most,
            "asserted": each.is_ratio and each.most is not None,
        }
        for each in figures
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"machine": where, "figures": rows}, indent=1) + "\n", "utf-8")


def write_table(page: Path, where: dict[str, object], figures: Iterable[Figure]) -> None:
    """Replace the table in the page, which says everything else by itself."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{_table(where, figures)}\n{END}{after}", "utf-8")


def _table(where: dict[str, object], figures: Iterable[Figure]) -> str:
    measured = (
        f"Measured on {where['date']}: {where['processors']} processors, {where['system']},"
        f" Python {where['python']}, load before {where['load_before']},"
        f" shares and state in {where['folder']}.\n"
    )
    parts = [measured]
    for group, members in groupby(figures, key=lambda each: each.group):
        parts.append(f"### {group}\n")
        parts.append("| what | value | at most | met |\n| --- | ---: | ---: | --- |")
        for each in members:
            most = "" if each.most is None else f"{each.most:g}"
            parts.append(f"| {each.name} | {value(each)} | {most} | {each.verdict} |")
        parts.append("")
    return "\n".join(parts)
