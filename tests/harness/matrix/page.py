"""The tables of `docs/clients.md`, which a run of the tests writes into the page."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.clients import CLIENTS
from harness.matrix.outcome import Outcome
from harness.matrix.stage import WAYS
from harness.proxies import PROXIES

PAGE = Path(__file__).parents[3] / "docs" / "clients.md"


def write(part: str, table: Mapping[tuple[str, str], Outcome], page: Path = PAGE) -> None:
    """Put a table of outcomes, and the settings, into the page; pairs that did not run are "-"."""
    text = _replaced(page.read_text(), part, _outcomes(table))
    text = _replaced(text, "clients", _clients())
    page.write_text(_replaced(text, "proxies", _proxies()))


def _replaced(text: str, part: str, lines: Iterable[str]) -> str:
    """The page with other lines between the two comments that bound a part."""
    begin, end = f"<!-- {part}: written by the tests -->", f"<!-- {part}: end -->"
    pattern = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
    inside = "\n" + "\n".join(lines) + "\n\n"
    text, times = pattern.subn(lambda _: inside, text)
    assert times == 1, f"{part} is in the page {times} times"
    return text


def _rows(*rows: Iterable[str]) -> Iterable[str]:
    """The lines of a table; the first row is its head."""
    head, *others = [f"| {' | '.join(row)} |" for row in rows]
    return [head, re.sub(r"[^|]+", " --- ", head), *others]


def _outcomes(table: Mapping[tuple[str, str], Outcome]) -> Iterable[str]:
    def row(client: str) -> Iterable[str]:
        found = [table.get((client, way)) for way in WAYS]
        return [client, *(outcome.value if outcome else "-" for outcome in found)]

    return _rows(["", *WAYS], *map(row, CLIENTS))


def _clients() -> Iterable[str]:
    rows = [[each.name, each.waits, _code(each.setting)] for each in CLIENTS.values()]
    return _rows(["client", "waits by itself", "option to raise"], *rows)


def _proxies() -> Iterable[str]:
    rows = [
        [each.name, each.waits, _code(each.setting), f"`{each.behind}`"]
        for each in PROXIES.values()
    ]
    return _rows(["proxy", "waits by itself", "setting to raise", "`behind_proxy`"], *rows)


def _code(setting: str) -> str:
    return f"`{setting}`" if setting else "none"
