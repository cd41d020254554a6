"""The judge: what may not get worse against stock WsgiDAV."""

from pathlib import Path

import pytest

from bench import run
from bench.measures import Figure
from bench.speed import judge
from bench.speed.rounds import WORKS, Samples
from bench.speed.rows import rows
from bench.speed.site import QUICK

AGREED = {"copy": 0.5, "delete": 1.5}


def _status(davkeep: dict[str, float], stock: dict[str, float]) -> int:
    return run.exit_status(list(judge.judged(davkeep, stock, AGREED)), seconds=1)


def test_what_was_agreed_passes() -> None:
    """A run in which no ratio is exceeded ends with 0."""
    assert _status({"copy": 1.0, "delete": 3.0}, {"copy": 2.0, "delete": 2.0}) == 0


def test_one_ratio_that_got_worse_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One row beyond what was agreed is enough, and is named."""
    assert _status({"copy": 1.01, "delete": 0.1}, {"copy": 2.0, "delete": 2.0}) == 1
    assert "COPY of 1,000 files of 4 KiB" in capsys.readouterr().out


def test_a_row_that_was_not_measured_is_not_in_order() -> None:
    """Nothing passes by being left out."""
    with pytest.raises(KeyError, match="delete"):
        _status({"copy": 1.0}, {"copy": 2.0, "delete": 2.0})


def test_every_row_has_an_agreed_ratio() -> None:
    """What is measured is judged, and what is judged has a title."""
    measured = {row for work in WORKS.values() for row in work.rows}
    assert judge.AGREED.keys() == measured == {row.key for row in rows(QUICK)}


def test_the_best_rounds_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A round that something else slowed down does not count."""
    samples = Samples()
    for number in range(2):
        for row in judge.AGREED:
            samples.add("davkeep", {row: (0.001, 9.0)[number]})
            samples.add("stock", {row: 1.0})
    monkeypatch.setattr(judge, "measure", lambda *_, **__: samples)
    figures = list(judge.compare(tmp_path))
    assert [each.value for each in figures] == [pytest.approx(0.001)] * len(judge.AGREED)
    assert all(isinstance(each, Figure) and each.is_ratio and each.is_met for each in figures)
