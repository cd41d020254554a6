"""Scale: what a member of a tree costs in trees of different sizes, and what memory they take."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench.client import Connection, copying, request
from bench.measures import MIB, Figure, median, memory, timed
from bench.servers import Davkeep, processes
from bench.speed.site import Scale
from bench.trees import FAN, make_tree, throw_away
from harness.trees import members

#: Bytes of a file; on tmpfs any file takes a page.
EACH = 64
#: Every so many files the bytes are compared.
COMPARED = 100
#: The largest tree that is listed, since its listing is kept by the client until it is counted.
LISTED = 100_000
#: Times that a member may cost in the largest tree what it costs in the smallest.
MOST_TIMES = 1.5
#: MiB that an operation may add to the memory, whatever the size of its tree.
MOST_MEMORY = 16
#: Seconds until the server serves.
MOST_START = 0.5


def measure(folder: Path, scale: Scale) -> Iterator[Figure]:
    """COPY, DELETE and PROPFIND of trees of so many files, and PUT and GET of a large file."""
    cost: dict[str, list[float]] = {}
    for files in scale.trees:
        for method, figures in _of_tree(folder, files):
            cost.setdefault(method, []).append(figures[0].value)
            yield from figures
    for method, each in cost.items():
        name = f"{method}: a member in the largest tree against the smallest"
        yield Figure("trees of all sizes", name, each[-1] / each[0], "times", MOST_TIMES)
    yield from _of_file(folder, scale.large)


def start(folder: Path, times: int = 5) -> Iterator[Figure]:
    """How long the server takes until it serves, in a state of its own, its modules compiled."""
    with TemporaryDirectory(dir=folder) as compiled:
        seconds = [_start(folder, compiled) for _ in range(1 + times)]
    # The first one has compiled them, as an installation does.
    yield Figure("start", "until it serves", median(seconds[1:]), "s", MOST_START)


def _start(folder: Path, compiled: str) -> float:
    with TemporaryDirectory(dir=folder) as own:
        begun = perf_counter()
        with _Compiled(Path(own), compiled):
            return perf_counter() - begun


class _Compiled(Davkeep):
    """davkeep whose modules are compiled into a folder."""

    def __init__(self, folder: Path, compiled: str) -> None:
        self._compiled = compiled
        super().__init__(folder)

    @property
    def environment(self) -> dict[str, str]:
        """As an installed one, whatever is said to the one who measures."""
        return {"PYTHONPYCACHEPREFIX": self._compiled, "PYTHONDONTWRITEBYTECODE": ""}


class _Watched:
    """A server, and the memory that one request adds to it at most."""

    def __init__(self, server: Davkeep) -> None:
        self._server = server
        self.grown = 0.0

    def seconds(self, step: Callable[[Connection], object]) -> float:
        """Take a step on a connection; ``grown`` holds the MiB that were added."""
        before = self._memory("VmRSS")
        self._forget()
        with Connection(self._server) as connection:
            took = timed(lambda: step(connection))
        self.grown = max(self._memory("VmHWM") - before, 0)
        return took

    def more(self, group: str, method: str) -> Figure:
        """What the last step added."""
        return Figure(group, f"{method}, memory more, at most", self.grown, "MiB", MOST_MEMORY)

    def _memory(self, field: str) -> float:
        return sum(memory(pid, field) for pid in processes(self._server.pid))

    def _forget(self) -> None:
        """Have the most memory so far counted from now on (proc_pid_clear_refs(5))."""
        for pid in processes(self._server.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def _of_tree(folder: Path, files: int) -> Iterator[tuple[str, list[Figure]]]:
    count = files + -(-files // FAN) + 1
    group = f"tree of {files:,} files"
    with TemporaryDirectory(dir=folder) as own, Davkeep(Path(own), fsync=False) as server:
        make_tree(server.share / "tree", files, EACH)
        watched = _Watched(server)

        def figures(method: str, head: bytes, status: int) -> tuple[str, list[Figure]]:
            seconds = watched.seconds(lambda connection: connection.expect(status, head))
            each = Figure(group, f"{method}, a member", seconds / count * 1e6, "µs")
            whole = Figure(group, method, seconds, "s")
            return method, [each, whole, watched.more(group, method)]

        if files <= LISTED:
            listing = request(server, "PROPFIND", "/tree/", ("Depth", "infinity"))
            yield figures("PROPFIND infinity", listing, 207)
        yield figures("COPY", copying(server, "/tree/", "/copy/"), 201)
        _compare(server.share / "tree", server.share / "copy")
        yield figures("DELETE", request(server, "DELETE", "/copy/"), 204)
        assert members(server.share) == ["tree"]
        throw_away(server.share / "tree")


def _compare(source: Path, copy: Path) -> None:
    """Every name, size and mode, that no file is shared, and the bytes of some."""
    count = 0
    for above, folders, names in os.walk(source):
        beside = copy / os.path.relpath(above, source)
        assert sorted(os.listdir(beside)) == sorted(folders + names), f"{beside} differs"
        for name in names:
            count += 1
            old, new = os.lstat(os.path.join(above, name)), os.lstat(beside / name)
            assert (old.st_mode, old.st_size) == (new.st_mode, new.st_size), (
                f"{beside / name} differs"
            )
            assert old.st_ino != new.st_ino, f"{beside / name} is a hard link"
            if count % COMPARED == 0:
                assert Path(above, name).read_bytes() == (beside / name).read_bytes()


def _of_file(folder: Path, size: int) -> Iterator[Figure]:
    group = f"file of {size // MIB} MB"
    with TemporaryDirectory(dir=folder) as own, Davkeep(Path(own), fsync=False) as server:
        watched = _Watched(server)
        blocks = [os.urandom(MIB)] * (size // MIB)
        put = request(server, "PUT", "/large.bin", length=size)
        watched.seconds(lambda connection: connection.expect(201, put, blocks))
        yield watched.more(group, "PUT")
        get = request(server, "GET", "/large.bin")
        watched.seconds(lambda connection: _expect(connection.drain(get), (200, size)))
        yield watched.more(group, "GET")


def _expect(answer: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert answer == wanted, f"{answer}, not {wanted}"
