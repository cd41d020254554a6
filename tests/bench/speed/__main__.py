"""davkeep beside other WebDAV servers: ``python tests/bench/speed``, or with ``--quick``.

The same work for each, one after another, in rounds. Prints every row with its ratios, and whether
the goals are met. A run of everything writes docs/speed.json, the tables of docs/speed.md and the
chart docs/speed.svg; any other one writes the JSON and the chart below build. The exit status is 0
although a goal is missed: what may not get worse is judged by ``run.py --small``.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
# In the place of this folder, whose modules belong to a package.
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

from bench.report import told  # noqa: E402  (found through the line above)
from bench.speed import page, report  # noqa: E402
from bench.speed.further import FURTHER  # noqa: E402
from bench.speed.peers import PEERS  # noqa: E402
from bench.speed.places import PLACES, file_system, place, stolen  # noqa: E402
from bench.speed.rounds import WORKS, measure  # noqa: E402
from bench.speed.site import FULL, QUICK  # noqa: E402

#: Rounds that count, unless it is said.
ROUNDS = 7


def main(arguments: list[str]) -> int:
    """Run it."""
    options = _options(arguments)
    # `python -m davkeep` is to be the one of this checkout.
    os.chdir(ROOT)
    begun = time.monotonic()
    is_whole = not (options.quick or options.work or options.peers or options.json)
    target = options.json or ROOT / ("docs" if is_whole else "build") / "speed.json"
    for where in options.where or PLACES:
        with place(where) as folder:
            sections = _measured(where, folder, options, target)
    if is_whole:
        page.write(sections, ROOT / "docs" / "speed.md", target.with_suffix(".svg"))
    else:
        page.draw(sections, target.with_suffix(".svg"))
    print(f"\n{time.monotonic() - begun:.0f} s, written to {target}")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="who (default: everybody)")
    parser.add_argument("--work", nargs="+", choices=[*WORKS, *FURTHER], help="what")
    parser.add_argument("--where", nargs="+", choices=PLACES, help="on which file systems")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="beside one that does not count")
    parser.add_argument("--quick", action="store_true", help="much less of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures are written")
    return parser.parse_args(arguments)


def _measured(
    where: str, folder: Path, options: argparse.Namespace, target: Path
) -> dict[str, report.Section]:
    """Measure what was asked for in one place, and write down what there is so far."""
    print(f"\n{where}: {folder}", flush=True)
    is_disk = where == "disk"
    # Flushing costs nothing where there is no disk.
    peers = options.peers or [name for name in PEERS if is_disk or name != "davkeep-fsync"]
    scale = QUICK if options.quick else FULL
    noise = report.Noise(folder, file_system(folder), stolen())
    works = [name for name in WORKS if name in (options.work or WORKS)]
    samples = measure(folder, works, peers, scale, options.rounds, is_disk)
    found = report.section(samples, scale, options.rounds)
    print("\n".join(report.lines(found)), flush=True)
    further: list[dict[str, Any]] = []

    def written() -> dict[str, report.Section]:
        section = {"machine": noise.seen(stolen()), **found, "further": further}
        return report.write(target, where, section)

    sections = written()
    for name in _further(where, options):
        further += report.figures(told(FURTHER[name](folder, peers, scale)))
        sections = written()
    return sections


def _further(where: str, options: argparse.Namespace) -> list[str]:
    """The other works; they look at processors and memory, for which one place is enough."""
    is_first = where == (options.where or PLACES)[0]
    return [name for name in FURTHER if is_first and name in (options.work or FURTHER)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
