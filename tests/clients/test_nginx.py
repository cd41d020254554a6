"""cadaver through nginx, where answers begin long before their operation ends and goes wrong."""

import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.programs import Daemon, find, run
from harness.proxies import PROXIES
from harness.server import RunningServer, Serve
from harness.trees import members, plant
from harness.waiting import until

#: Seconds that nginx waits, and about how long an operation takes.
PATIENCE, LENGTH = 2, 5
#: Bytes that fit on the small file system.
ROOM = 2**20

#: Starts davkeep and nginx in front of it.
Behind = Callable[[], tuple[RunningServer, Daemon]]


@pytest.fixture(params=["nginx-http1.0", "nginx-http1.1"])
def behind(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Iterator[Behind]:
    """Both ways in which nginx speaks to davkeep."""
    find("cadaver")
    proxy = PROXIES[request.param]
    find(proxy.program)
    with ExitStack() as opened:

        def start() -> tuple[RunningServer, Daemon]:
            server = serve(
                keepalive={"behind_proxy": "nginx", "first_after": 0.5, "interval": 0.5},
                operations={"max_members_per_second": 4, "max_bytes_per_second": ROOM / LENGTH},
            )
            running = proxy.start(tmp_path / "nginx", server.port, PATIENCE)
            return server, opened.enter_context(running)

        yield start


def _cadaver(proxy: Daemon, home: Path, *commands: str) -> list[str]:
    """The result of each command: "succeeded", or what failed."""
    url = f"http://127.0.0.1:{proxy.port}/"
    done = run(find("cadaver"), url, home=home, stdin="\n".join([*commands, "quit", ""]))
    results = re.split(r"^dav:.*> .*\n", done.stdout, flags=re.MULTILINE)[1:-1]
    return [" ".join(each.split()).rpartition("': ")[2] for each in results]


def test_a_full_disk_is_told(
    behind: Behind, tmpfs: Callable[..., Path], root: Path, tmp_path: Path
) -> None:
    """507, in the content of an answer whose status was sent long before; then the next one."""
    small = tmpfs(root / "small", size="1m")
    (root / "big").write_bytes(b"x" * 4 * ROOM)
    (root / "hello").write_bytes(b"hello")
    _, proxy = behind()
    first, second = _cadaver(proxy, tmp_path, "copy big small/big", "copy hello small/hello")
    assert first.startswith("failed:")
    assert "507" in first
    assert second == "succeeded."
    assert members(small) == ["hello"]


def test_a_killed_server_is_a_failure(behind: Behind, root: Path, tmp_path: Path) -> None:
    """An answer that was cut is no success, however its end looks to nginx."""
    plant(root / "tree", 4 * LENGTH)
    server, proxy = behind()

    def kill_midway() -> None:
        until(lambda: list(root.glob(".davkeep-*/00009")), "half of it is done")
        server.stop(signal.SIGKILL)

    with ThreadPoolExecutor(1) as threads:
        killed = threads.submit(kill_midway)
        results = _cadaver(proxy, tmp_path, "copy tree copied")
        killed.result()
    assert len(results) == 1
    assert results[0].startswith("failed:")
    assert not (root / "copied").exists()
