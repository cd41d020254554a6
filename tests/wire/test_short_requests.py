"""Short requests while every worker is busy."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from harness.server import RunningServer, Serve
from harness.trees import plant
from harness.waiting import until
from harness.wire import Wire

#: Moved, and as many deleted.
FILES = 100
#: Seconds that are quick in any case.
QUICK = 0.05
#: Of the requests that may be slower, for this machine does other things as well.
STRAGGLERS = 2
AGENT = "curl/7.88.1"


def _timed(client: Wire, method: str, number: int, url: str, status: int) -> float:
    fields = {"Destination": f"{url}files/moved-{number}"} if method == "MOVE" else {}
    began = time.perf_counter()
    response = client.ask(method, f"/files/{method}-{number}", fields)
    seconds = time.perf_counter() - began
    assert response.statuses == [status]
    return seconds


def _files(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    for number in range(FILES):
        for method in ("MOVE", "DELETE"):
            (folder / f"{method}-{number}").write_bytes(b"x")


def _round(server: RunningServer, client: Wire) -> dict[str, list[float]]:
    """Move and delete single files, one after the other."""
    return {
        method: [_timed(client, method, number, server.url, status) for number in range(FILES)]
        for method, status in (("MOVE", 201), ("DELETE", 204))
    }


def test_moves_and_deletes_of_single_files(
    serve: Serve, root: Path, wire: Any, together: ThreadPoolExecutor
) -> None:
    """Beside long COPYs each takes at most twice what it takes alone, or less than 50 ms."""
    plant(root / "a", 6000)
    server = serve(
        {"server_args": {"shutdown_timeout": 0.5}},
        operations={"workers": 2, "max_members_per_second": 1000},
    )
    clients = [wire(server, agent=AGENT) for _ in range(4)]
    with wire(server) as client:
        _files(root / "files")
        idle = _round(server, client)
        _files(root / "files")
        for number, each in enumerate(clients):
            each.send("COPY", "/a", {"Destination": f"{server.url}b{number}"})
        until(lambda: len(server.staging()) >= 2, "the workers are busy")
        busy = _round(server, client)
        # None of the four had ended by then.
        assert list(root.glob("b*")) == []
    for method, seconds in busy.items():
        allowed = max(QUICK, 2 * median(idle[method]))
        assert median(seconds) <= allowed, (method, median(idle[method]), median(seconds))
        slow = [each for each in seconds if each > max(QUICK, 2 * max(idle[method]))]
        assert len(slow) <= STRAGGLERS, (method, slow)
