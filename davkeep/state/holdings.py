"""`davkeep state list`: how much is stored about each share."""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from davkeep.control import ask
from davkeep.store.holdings import Holding, holding, subjects
from davkeep.store.reading import reading
from davkeep.terminal import output
from davkeep.words.command_failed import CommandFailed
from davkeep.words.tables import age, aligned, size

_HEADS = ("SHARE", "SEEN", "PROPERTIES", "LOCKS", "STORED", "UPLOADS", "ARRIVED", "JOURNAL", "ROOT")

#: Stands where there is nothing to say.
_NOTHING = "-"


def add_options(shown: argparse.ArgumentParser) -> None:
    """Describe its command line."""
    shown.description = "Show what is stored about each share that was ever served."
    shown.add_argument("--json", action="store_true", help="for programs: an object for each")


def run(folder: Path, arguments: argparse.Namespace) -> None:
    """Do it. Raises StateRefused, OSError, OutputLost and CommandFailed."""
    found = _asked(folder)
    if found is None:
        found = _read(folder)
    if arguments.json:
        output.show_json([each.as_told() for each in found])
    elif found:
        output.show(*aligned([_HEADS, *map(_cells, found)]))
    else:
        output.show("nothing is stored about any share")


def _asked(folder: Path) -> list[Holding] | None:
    """What a server that runs says, in as many answers as it needs; None if there is none."""
    found: list[Holding] = []
    while True:
        answer = ask(folder, "list", skip=len(found))
        if answer is None:
            return None
        if "error" in answer:
            raise CommandFailed(str(answer["error"]))
        if not answer["shares"]:
            return found
        found += map(Holding.from_told, answer["shares"])


def _read(folder: Path) -> list[Holding]:
    """What a state says with which no server works."""
    now = time.time()
    with reading(folder) as database:
        every = subjects(database)
        return [holding(database, each, is_served=False, now=now) for each in every]


def _cells(row: Holding) -> Sequence[str]:
    return (row.share or "(waits)", _seen(row), *_amounts(row), row.root)


def _seen(row: Holding) -> str:
    if row.is_served:
        return "served"
    return _NOTHING if row.age is None else age(row.age)


def _amounts(row: Holding) -> Iterator[str]:
    """Of one within another share that other one says it."""
    if row.outer is not None:
        yield from (f"in {row.outer[:8]}", *[_NOTHING] * 5)
        return
    yield from (str(row.properties), str(row.locks), size(row.stored))
    yield from (str(row.uploads), size(row.arrived), str(row.records))
