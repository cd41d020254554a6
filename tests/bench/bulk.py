"""How fast bulk work is: against cp and rm, and against WsgiDAV as it comes."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.client import Connection, copying, request
from bench.measures import MIB, Figure, median, memory, ratio, timed
from bench.servers import Davkeep, Server, Stock
from bench.trees import contents, make_tree

#: davkeep is to take at most this part of stock WsgiDAV's time.
MOST_OF_STOCK = {"COPY": 0.6, "DELETE": 0.9, "PUT": 1.5}
BLOCK = b"\x5a" * MIB


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    files: int
    #: Bytes of a file.
    each: int
    #: Bytes of the PUT.
    put: int
    rounds: int


def measure(folder: Path, size: Size) -> Iterator[Figure]:
    """All figures; in every round each of them has its turn."""
    seconds: dict[str, list[float]] = {}
    with Davkeep(folder) as server:
        make_tree(server.share / "tree", size.files, size.each)
        source = contents(server.share / "tree")
        with Stock(server.share) as stock:
            before = memory(server.pid)
            for _ in range(size.rounds):
                _round(server, stock, size, seconds)
            grown = memory(server.pid, "VmHWM") - before
            assert contents(server.share / "tree") == source
    yield from _report(size, {name: median(each) for name, each in seconds.items()})
    yield Figure(f"PUT of {size.put // MIB} MiB", "memory more, at most", grown, "MiB")


def _round(server: Davkeep, stock: Stock, size: Size, seconds: dict[str, list[float]]) -> None:
    share = server.share

    def note(name: str, value: float) -> None:
        seconds.setdefault(name, []).append(value)

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True)

    note("cp -a", timed(lambda: run("cp", "-a", share / "tree", share / "by-cp")))
    copied = {"davkeep": "/by-davkeep", "stock": "/by-stock"}
    servers: dict[str, Server] = {"davkeep": server, "stock": stock}
    for name, target in copied.items():
        note(f"COPY {name}", _seconds(servers[name], 201, copying(servers[name], "/tree", target)))
        assert sum(len(found) for _, _, found in os.walk(share / target[1:])) == size.files
    note("rm -rf", timed(lambda: run("rm", "-rf", share / "by-cp")))
    for name, target in copied.items():
        head = request(servers[name], "DELETE", target)
        note(f"DELETE {name}", _seconds(servers[name], 204, head))
    for name in copied:
        head = request(servers[name], "PUT", f"/put-{name}", length=size.put)
        blocks = [BLOCK] * (size.put // len(BLOCK))
        note(f"PUT {name}", _seconds(servers[name], 201, head, blocks))
        file = share / f"put-{name}"
        assert file.stat().st_size == size.put
        file.unlink()


def _seconds(server: Server, status: int, head: bytes, body: list[bytes] | None = None) -> float:
    with Connection(server) as connection:
        return timed(lambda: connection.expect(status, head, body or ()))


def _report(size: Size, took: dict[str, float]) -> Iterator[Figure]:
    tree = f"{size.files} files of {size.each // 1024} KiB"
    for method, program in (("COPY", "cp -a"), ("DELETE", "rm -rf")):
        yield Figure(tree, program, took[program], "s")
        yield Figure(tree, method, took[f"{method} davkeep"], "s")
        yield Figure(tree, f"{method} by stock WsgiDAV", took[f"{method} stock"], "s")
        yield ratio(tree, f"{method} against {program}", took[f"{method} davkeep"], took[program])
        yield _against_stock(tree, method, took)
    put = f"PUT of {size.put // MIB} MiB"
    for name in ("davkeep", "stock"):
        label = "davkeep" if name == "davkeep" else "stock WsgiDAV"
        yield Figure(put, label, size.put / MIB / took[f"PUT {name}"], "MiB/s")
    yield _against_stock(put, "PUT", took)


def _against_stock(group: str, method: str, took: dict[str, float]) -> Figure:
    name = f"{method} against stock WsgiDAV"
    value, base = took[f"{method} davkeep"], took[f"{method} stock"]
    return ratio(group, name, value, base, MOST_OF_STOCK[method])
