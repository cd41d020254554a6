"""WsgiDAV as it comes, on cheroot as it comes, over folders: what the defects are shown on.

Two seams make what is a race, or too fast to be met, certain. Each file that it copies takes
`SECONDS_A_FILE` longer, and threads that purge an expired lock wait a moment for another one.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.server import DEADLINE

#: What copying one file takes in addition, so that something can be done meanwhile.
SECONDS_A_FILE = 0.01
#: Seconds that a thread which meets an expired lock waits for another one to meet it as well.
MEETING = 0.3


class StockServer:
    """Stock WsgiDAV in a process of its own, with locks and properties in memory."""

    def __init__(self, config: dict[str, Any], root: Path) -> None:
        """Start it with WsgiDAV's own ``config``; ``root`` is the folder of the share at /."""
        self.root = root
        command = [sys.executable, "-m", "harness.stock", json.dumps(config)]
        tests = str(Path(__file__).parent.parent)
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": tests},
        )
        assert self.process.stdout is not None
        self.host, self.port = "127.0.0.1", int(self.process.stdout.readline())
        self.url = f"http://{self.host}:{self.port}/"

    @property
    def descriptors(self) -> int:
        """Open descriptors of the process at this moment."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def close(self) -> None:
        """End it; it is not asked, for a request that hangs would keep it."""
        self.process.kill()
        self.process.wait(DEADLINE)
        assert self.process.stdout is not None
        self.process.stdout.close()


def _copy_slowly() -> None:
    copy2 = shutil.copy2

    def slow(*arguments: Any, **more: Any) -> Any:
        time.sleep(SECONDS_A_FILE)
        return copy2(*arguments, **more)

    shutil.copy2 = slow


def _meeting_storage() -> Any:
    """WsgiDAV's lock storage, in which threads that purge an expired lock meet."""
    from wsgidav.lock_man.lock_storage import LockStorageDict

    class MeetingStorage(LockStorageDict):  # type: ignore[misc]
        barrier = threading.Barrier(2)

        def get(self, token: str) -> Any:
            lock = self._dict.get(token)
            if lock is not None and 0 <= float(lock["expire"]) < time.time():
                with suppress(threading.BrokenBarrierError):
                    self.barrier.wait(MEETING)
                if self.barrier.broken:
                    self.barrier.reset()
            return super().get(token)

    return MeetingStorage()


def main(config: dict[str, Any]) -> None:
    """Serve until killed, after one line with the port on standard output."""
    from cheroot import wsgi
    from wsgidav.wsgidav_app import WsgiDAVApp

    _copy_slowly()
    app = WsgiDAVApp(
        {"verbose": 0, "property_manager": True, **config, "lock_storage": _meeting_storage()}
    )
    server = wsgi.Server(("127.0.0.1", 0), app)
    server.prepare()
    print(server.bind_addr[1], flush=True)
    server.serve()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
