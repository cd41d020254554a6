"""What a run leaves: a section of docs/speed.json, and from that the tables and the chart."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.measures import Figure
from bench.report import machine, value
from bench.speed.peers import PEERS
from bench.speed.rounds import Samples
from bench.speed.rows import rows
from bench.speed.site import Scale

#: One place's results, as they are written: see ``section``.
Section = dict[str, Any]

#: What a table's columns are compared with, and what it is called.
BASES = {"stock": "against stock", "plain": "against the tool"}


def section(samples: Samples, scale: Scale, rounds: int) -> Section:
    """Every figure of the table, with the least and the most beside each median."""
    found = []
    for row in rows(scale):
        medians = samples.medians(row.key)
        if not medians:
            continue
        goal = row.goal_here({peer: each for peer, each in medians.items() if peer != "davkeep"})
        is_met = medians["davkeep"] <= goal if goal and "davkeep" in medians else None
        seconds = {
            peer: {"median": medians[peer], "least": min(each), "most": max(each)}
            for peer in PEERS
            if (each := samples.seconds[row.key].get(peer))
        }
        entry = {"key": row.key, "title": row.title, "seconds": seconds}
        found.append({**entry, "goal_there": row.goal, "goal": goal, "met": is_met})
    lapses = {peer: sorted(each) for peer, each in samples.lapses.items() if each}
    return {"rounds": rounds, "rows": found, "lapses": lapses}


def figures(further: Iterable[Figure]) -> list[dict[str, Any]]:
    """The other measurements."""
    return [
        {
            "group": each.group,
            "name": each.name,
            "value": each.value,
            "shown": value(each),
            "most": each.most,
            "met": None if each.most is None else each.is_met,
        }
        for each in further
    ]


class Noise:
    """What else the machine did meanwhile."""

    def __init__(self, folder: Path, file_system: str, ticks: tuple[int, int]) -> None:
        """Begin."""
        self._where = {**machine(str(folder)), "folder": file_system}
        self._ticks = ticks

    def seen(self, ticks: tuple[int, int]) -> Section:
        """The machine, and its noise until now."""
        taken, total = (now - then for now, then in zip(ticks, self._ticks, strict=True))
        return {
            **self._where,
            "load_after": round(os.getloadavg()[0], 2),
            "stolen_percent": round(100 * taken / max(total, 1), 2),
        }


def lines(found: Section) -> list[str]:
    """The table for people, and what was found wrong."""
    told = [line for entry in found["rows"] for line in row_lines(entry)]
    return told + [lapses(peer, each) for peer, each in found["lapses"].items()]


def lapses(peer: str, found: list[str]) -> str:
    """What a peer does not do as it should."""
    return f"{PEERS[peer].title}: {'; '.join(found)}."


def row_lines(entry: Mapping[str, Any]) -> list[str]:
    """One row for people: every peer, and how it compares."""
    medians = {peer: each["median"] for peer, each in entry["seconds"].items()}
    lines = [entry["title"]]
    for peer, seconds in medians.items():
        parts = [f"  {PEERS[peer].title:<18}{shown(seconds):>10} s"]
        if peer == "davkeep":
            parts += [
                f"  {seconds / medians[base]:.2f} times {PEERS[base].title}"
                for base in BASES
                if base in medians
            ]
            if entry["goal"]:
                parts.append(f"  goal {shown(entry['goal'])} s: {verdict(entry['met'])}")
        lines.append("".join(parts))
    return lines


def shown(seconds: float) -> str:
    """Seconds in three digits that mean something."""
    return f"{seconds:.{2 if seconds >= 10 else 3 if seconds >= 0.1 else 4}f}"


def verdict(is_met: bool | None) -> str:
    """What a table says about it."""
    return "" if is_met is None else "yes" if is_met else "**no**"


def write(file: Path, where: str, found: Section) -> dict[str, Section]:
    """Put one place's section into the JSON file beside those that are there; return all."""
    sections = json.loads(file.read_text("utf-8")) if file.exists() else {}
    sections[where] = found
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_rounded(sections), indent=1) + "\n", "utf-8")
    return sections


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value
