"""The benchmark: ``python tests/bench/run.py --small`` (under a minute) or ``--full``.

Both fail when a comparison within the run exceeds what was agreed. How long something takes is
printed and written down, and makes nothing fail: that depends on the machine. ``--small`` writes
``build/benchmark.json``, ``--full`` ``docs/benchmark.json`` and the table in ``docs/benchmark.md``.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from bench import (  # noqa: E402  (found through the line above)
    appending,
    busy,
    failed,
    listing,
    parked,
    ranged,
    report,
    told,
)
from bench.measures import MIB, Figure  # noqa: E402
from bench.speed import judge  # noqa: E402

#: tmpfs, so that no disk is measured.
MEMORY = Path("/dev/shm")
#: Bytes that a full run needs there at most.
NEEDED = 8 * 1024 * MIB

Measurement = Callable[[Path], Iterable[Figure]]

SMALL: list[Measurement] = [
    judge.compare,
    lambda folder: busy.measure(folder, busy.Size(15_000, changes=100, gets=300, rounds=3)),
    lambda folder: parked.measure(folder, parked.Size(500, 256 * MIB, slow=20, requests=300)),
    lambda folder: listing.measure(folder, listing.Size(1_000, pending=200, requests=50)),
    lambda folder: failed.measure(folder, failed.Size(10, members=10_000)),
    lambda folder: ranged.measure(folder, ranged.Size(files=20, rounds=5)),
    lambda folder: appending.measure(appending.Size(parts=20, rounds=3, times=4)),
    lambda folder: told.measure(folder, told.Size(3_000, 5, told.MOST_TIMES_IN_SHORT)),
]
FULL: list[Measurement] = [
    lambda folder: busy.measure(folder, busy.Size(60_000, changes=100, gets=1000, rounds=5)),
    lambda folder: parked.measure(folder, parked.Size(2_000, 1024 * MIB, slow=50, requests=1000)),
    lambda folder: listing.measure(folder, listing.Size(1_000, pending=200, requests=200)),
    lambda folder: failed.measure(folder, failed.Size(60, members=20_000)),
    lambda folder: ranged.measure(folder, ranged.Size(files=60, rounds=9)),
    lambda folder: appending.measure(appending.Size(parts=80, rounds=3, times=2)),
    lambda folder: told.measure(folder, told.Size(9_000, 15)),
]


def main(arguments: list[str]) -> int:
    """Run it and return the exit status: 0, or 1 when an agreed ratio was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--small", action="store_true", help="a reduced form, for every run of tests")
    how.add_argument("--full", action="store_true", help="the figures of docs/benchmark.md")
    is_full = parser.parse_args(arguments).full
    # `python -m davkeep` is to be the one of this checkout.
    os.chdir(ROOT)
    begun, where = time.monotonic(), report.machine(_place())
    figures = list(report.told(_figures(FULL if is_full else SMALL)))
    if is_full:
        report.write_json(ROOT / "docs" / "benchmark.json", where, figures)
        report.write_table(ROOT / "docs" / "benchmark.md", where, figures)
    else:
        report.write_json(ROOT / "build" / "benchmark.json", where, figures)
    return exit_status(figures, time.monotonic() - begun)


def _figures(measurements: Iterable[Measurement]) -> Iterator[Figure]:
    for measurement in measurements:
        with tempfile.TemporaryDirectory(prefix="davkeep-bench-", dir=_place()) as folder:
            yield from measurement(Path(folder))


def _place() -> str:
    """The folder that everything is measured in."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > NEEDED
    return str(MEMORY) if has_room else tempfile.gettempdir()


def exit_status(figures: list[Figure], seconds: float) -> int:
    """Say what was missed, and whether that makes the run fail: 0 or 1."""
    missed = [each for each in figures if not each.is_met]
    failed = [each for each in missed if each.is_ratio]
    print(f"\n{len(figures)} figures in {seconds:.0f} s, {len(missed)} beyond what was agreed")
    for each in missed:
        print(f"  {each.group}: {report.line(each).strip()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
