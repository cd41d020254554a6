"""What a run leaves: goals, tables and the chart."""

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from bench.measures import Figure
from bench.speed import page, report
from bench.speed.chart import draw
from bench.speed.rounds import Samples
from bench.speed.rows import Row
from bench.speed.site import FULL


def test_a_goal_is_as_much_shorter_as_the_others_are() -> None:
    """A goal moves with the machine, by the middle one of those who are there."""
    row = Row("copy", "COPY", 0.30, {"stock": 3.0, "apache": 0.3, "nginx": 0.2})
    assert row.goal_here({"stock": 1.5, "apache": 0.15, "nginx": 0.4}) == pytest.approx(0.15)
    assert row.goal_here({"stock": 6.0}) == pytest.approx(0.60)
    assert row.goal_here({"davkeep": 1.0}) is None


def _samples() -> Samples:
    samples = Samples()
    for seconds in (0.2, 0.3, 0.9):
        samples.add("davkeep", {"copy": seconds, "delete": seconds})
        samples.add("stock", {"copy": 2 * seconds, "delete": 5.0})
        samples.add("plain", {"copy": seconds / 2, "delete": 0.25})
    samples.lapses["nginx"] = {"modes are not kept"}
    samples.lapses["apache"] = set()
    return samples


@pytest.fixture
def section() -> dict[str, Any]:
    """A place's results."""
    further = [Figure("start", "until it serves", 0.4, "s", most=0.5)]
    machine = {
        "date": "2026-11-21",
        "processors": 2,
        "system": "Linux",
        "python": "3.11",
        "folder": "tmpfs",
        "load_before": 0.1,
        "load_after": 1.0,
        "stolen_percent": 0.0,
    }
    found = report.section(_samples(), FULL, rounds=3)
    return {"machine": machine, **found, "further": report.figures(further)}


def test_a_row_tells_medians_and_whether_the_goal_is_met(section: dict[str, Any]) -> None:
    """The goal of COPY is the plain tool's time; that of DELETE moves with the others."""
    copy, delete = section["rows"]
    assert copy["seconds"]["davkeep"] == {"median": 0.3, "least": 0.2, "most": 0.9}
    assert copy["goal"] == pytest.approx(0.15)
    assert copy["met"] is False
    assert delete["goal"] > 0.3
    assert delete["met"] is True
    assert section["lapses"] == {"nginx": ["modes are not kept"]}


def test_people_are_told_ratios(section: dict[str, Any]) -> None:
    """davkeep's line compares it with stock WsgiDAV, the plain tool and the goal."""
    lines = report.lines(section)
    own = next(line for line in lines if line.startswith("  davkeep"))
    assert "0.50 times stock WsgiDAV  2.00 times plain tool  goal 0.150 s: **no**" in own
    assert lines[-1] == "nginx + dav-ext: modes are not kept."


def test_the_page_keeps_what_was_written_by_hand(section: dict[str, Any], tmp_path: Path) -> None:
    """Only what lies between the two lines is replaced, twice as well as once."""
    file, picture = tmp_path / "speed.md", tmp_path / "speed.svg"
    file.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    for _ in range(2):
        page.write({"tmpfs": section}, file, picture)
    text = file.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    row = "| COPY of 10,000 files of 4 KiB | 0.300 | 0.600 | 0.150 | 0.50 | 2.00 | 0.150 | **no** |"
    assert row in text
    assert "| until it serves | 0.40 s | 0.5 | yes |" in text
    assert text.count("- nginx + dav-ext: modes are not kept.") == 1
    assert picture.exists()


def test_the_chart_has_a_mark_for_each_peer_in_each_row(section: dict[str, Any]) -> None:
    """It is XML, tells its values to those who point at it, and knows dark and light."""
    picture = draw(section["rows"])
    svg = etree.fromstring(picture.encode())
    titles = [each.text for each in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert titles.count("davkeep: 0.300 s") == 2
    assert len(titles) == 3 + 2 * 3
    assert "prefers-color-scheme: dark" in picture


def test_other_places_stay_in_the_file(section: dict[str, Any], tmp_path: Path) -> None:
    """A run on one file system leaves the other's figures."""
    file = tmp_path / "docs" / "speed.json"
    report.write(file, "tmpfs", section)
    report.write(file, "disk", {**section, "rounds": 5})
    found = json.loads(file.read_text())
    assert [each["rounds"] for each in found.values()] == [3, 5]
