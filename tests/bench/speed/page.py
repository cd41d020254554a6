"""The tables of docs/speed.md, and the chart, from what docs/speed.json holds."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.speed import chart, report
from bench.speed.peers import PEERS
from bench.speed.places import PLACES
from bench.speed.report import BASES, Section, shown, verdict

#: The tables stand between these two lines.
BEGIN, END = "<!-- made by tests/bench/speed -->", "<!-- end -->"


def write(sections: dict[str, Section], page: Path, picture: Path) -> None:
    """Replace the tables in the page, which says everything else by itself, and draw the chart."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n".join(_tables(sections))
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}", "utf-8")
    draw(sections, picture)


def draw(sections: dict[str, Section], picture: Path) -> None:
    """Draw the chart of the first place that has rows."""
    for place in PLACES:
        if rows := sections.get(place, {}).get("rows"):
            picture.write_text(chart.draw(rows), "utf-8")
            return


def _tables(sections: dict[str, Section]) -> Iterator[str]:
    for place in PLACES:
        if place in sections:
            yield f"### {TITLES[place]}\n"
            yield _machine(sections[place])
            yield from _rows(sections[place]["rows"])
            yield from _lapses(sections[place]["lapses"])
    for place in PLACES:
        yield from _further(sections.get(place, {}).get("further", []))


TITLES = {"tmpfs": "In memory (tmpfs)", "disk": "On disk"}


def _machine(section: Section) -> str:
    where = section["machine"]
    return (
        f"Measured on {where['date']}: {where['processors']} processors, {where['system']},"
        f" Python {where['python']}, {where['folder']}; medians of {section['rounds']} rounds, in"
        f" seconds. Load {where['load_before']} before and {where['load_after']} after;"
        f" {where['stolen_percent']} % of the processors' time was taken by the host.\n"
    )


def _rows(rows: list[dict[str, Any]]) -> Iterator[str]:
    peers = [name for name in PEERS if any(name in row["seconds"] for row in rows)]
    heads = ["work", *(PEERS[name].title for name in peers), *BASES.values(), "goal", "met"]
    yield f"| {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (len(heads) - 2)} --- |"
    for row in rows:
        yield f"| {' | '.join([row['title'], *_cells(row, peers)])} |"
    yield ""


def _cells(row: dict[str, Any], peers: list[str]) -> Iterator[str]:
    medians = {peer: each["median"] for peer, each in row["seconds"].items()}
    for peer in peers:
        yield shown(medians[peer]) if peer in medians else ""
    for base in BASES:
        yield f"{medians['davkeep'] / medians[base]:.2f}" if base in medians else ""
    yield shown(row["goal"]) if row["goal"] else ""
    yield verdict(row["met"])


def _lapses(lapses: dict[str, list[str]]) -> Iterator[str]:
    for peer, found in lapses.items():
        yield f"- {report.lapses(peer, found)}"
    if lapses:
        yield ""


def _further(figures: list[dict[str, Any]]) -> Iterator[str]:
    for group, members in groupby(figures, key=lambda each: str(each["group"])):
        yield f"### {group}\n"
        yield "| what | value | at most | met |\n| --- | ---: | ---: | --- |"
        for each in members:
            most = "" if each["most"] is None else f"{each['most']:g}"
            yield f"| {each['name']} | {each['shown']} | {most} | {verdict(each['met'])} |"
        yield ""
