"""A file that is sent in many parts, each appended by a PATCH, against one PUT of it.

On file systems that share blocks, for only there OPTIONS invites clients to do so, each on an image
on the disk, and with everything flushed as by default. In memory flushing costs nothing, and only
the number of requests would be compared.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from bench.client import Connection, request
from bench.measures import MIB, Figure, median, ratio
from bench.servers import Davkeep
from harness.states import image_mounted

#: What can be had on an image, and shares blocks.
KINDS = ("btrfs", "xfs")
#: Bytes of a part, as Obsidian's Remotely Save sends them.
PART = 5 * MIB
#: Times that all parts may bring to the disk what one PUT brings: they share the rest.
MOST_WRITTEN = 1.5
#: MiB of an image beside the files: those of a round, and what a file system needs for itself.
ROOM = 1024

APPENDING = (
    ("Content-Type", "application/x-sabredav-partialupdate"),
    ("X-Update-Range", "append"),
)
#: Bytes of a sector, and which number of a device's statistics says how many were written (the
#: kernel's Documentation/block/stat.rst).
_SECTOR, _WRITTEN = 512, 6


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    parts: int
    rounds: int
    #: Times that all parts may take what one PUT takes. Of little the disk takes a part only after
    #: the answer, so that requests are compared rather than writing.
    times: float


def measure(size: Size) -> Iterator[Figure]:
    """The seconds and what comes to the disk, on each file system that can be mounted here."""
    for kind in KINDS:
        with ExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="davkeep-")))
            try:
                most = ROOM + 3 * size.parts * PART // MIB
                disk = opened.enter_context(image_mounted(folder, kind, most))
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"{kind} is left out, for it cannot be mounted: {error}", file=sys.stderr)
                continue
            yield from _on(kind, disk, size)


def _on(kind: str, disk: Path, size: Size) -> Iterator[Figure]:
    with Davkeep(disk) as server, Connection(server) as client:
        upload = _Upload(server, client, size.parts)
        # The first round writes where nothing was before, which costs the disk below more.
        rounds = [
            (upload.watched(upload.put), upload.watched(upload.append))
            for _ in range(size.rounds + 1)
        ][1:]
    group = f"{size.parts} parts of {PART // MIB} MiB on {kind}"
    seconds, written = ([[way[number] for way in each] for each in rounds] for number in range(2))
    for way, name in enumerate(("one PUT", "a PATCH for each")):
        yield Figure(group, name, median([each[way] for each in seconds]), "s")
        yield Figure(group, f"{name}, to the disk", median([each[way] for each in written]), "MiB")
    name = "PATCHes against one PUT"
    yield ratio(group, name, _times(seconds), 1, size.times)
    yield ratio(group, f"{name}, to the disk", _times(written), 1, MOST_WRITTEN)


def _times(rounds: list[list[float]]) -> float:
    """How many times what PUT takes the others do, each compared in its own round."""
    return median([patches / put for put, patches in rounds])


class _Upload:
    """One content, sent in one piece or in parts."""

    def __init__(self, server: Davkeep, client: Connection, parts: int) -> None:
        self._server, self._client = server, client
        self._blocks = [os.urandom(PART) for _ in range(parts)]
        self._statistics = Path("/sys/block", _device(server.share), "stat")

    def watched(self, way: Callable[[], None]) -> tuple[float, float]:
        """Do it on an idle disk; return the seconds, and the MiB that came to the disk."""
        os.sync()
        before, begun = self._written(), perf_counter()
        way()
        took = perf_counter() - begun
        os.sync()
        return took, (self._written() - before) / MIB

    def put(self) -> None:
        """In one piece."""
        self._ask("PUT", "/whole.bin", self._blocks)

    def append(self) -> None:
        """As clients do: a PUT of nothing, then each part."""
        self._ask("PUT", "/parts.bin", [])
        for block in self._blocks:
            self._ask("PATCH", "/parts.bin", [block], *APPENDING)

    def _ask(self, method: str, path: str, body: list[bytes], *fields: tuple[str, str]) -> None:
        head = request(self._server, method, path, *fields, length=sum(map(len, body)))
        status = self._client.ask(head, body)
        assert status in (201, 204), f"{status} to {method}"

    def _written(self) -> int:
        return int(self._statistics.read_text("ascii").split()[_WRITTEN]) * _SECTOR


def _device(folder: Path) -> str:
    """The name of the block device that a folder is on."""
    command = ["findmnt", "--noheadings", "--output", "SOURCE", "--target", str(folder)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(found.stdout.strip().partition("[")[0]).name
