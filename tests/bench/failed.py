"""Results of operations of which very many members failed: what a server keeps of them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.client import Connection, request
from bench.measures import MIB, Figure, memory, ratio
from bench.servers import Davkeep

#: Before the memory is measured for the first time, so that all is there that any of them needs.
WARM_UP = 3
#: What the results may take, against the documents that were sent.
MOST_OF_DOCUMENTS = 0.25


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    operations: int
    members: int


def measure(folder: Path, size: Size) -> Iterator[Figure]:
    """DELETEs of a folder from which nothing can be removed; nothing where that takes root."""
    if os.geteuid() != 0:
        return
    group = f"{size.operations} DELETEs of which {size.members} members fail"
    with ExitStack() as opened:
        server = opened.enter_context(Davkeep(folder, operations={"keep_results": 3600}))
        connection = opened.enter_context(Connection(server))
        fixed = server.share / "holiday"
        fixed.mkdir()
        for number in range(size.members):
            (fixed / f"IMG_{number:06d}.JPG").touch()
        subprocess.run(["chattr", "+i", fixed], check=True)
        opened.callback(subprocess.run, ["chattr", "-i", fixed], check=True)
        head = request(server, "DELETE", "/holiday")
        sent = [len(connection.fetch(head).body) for _ in range(WARM_UP)][-1]
        before = memory(server.pid)
        for _ in range(size.operations):
            connection.fetch(head)
        after = memory(server.pid)
        yield Figure(group, "memory before", before, "MiB")
        yield Figure(group, "memory with all results kept", after, "MiB")
        yield ratio(
            group,
            "what they added, against their documents",
            after - before,
            size.operations * sent / MIB,
            MOST_OF_DOCUMENTS,
        )
