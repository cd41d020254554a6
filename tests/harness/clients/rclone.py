"""rclone as a server of commands, so that two of them share its connections."""

import httpx

from harness.clients.words import DEADLINE, Errand, Told
from harness.ports import free_port
from harness.programs import Daemon, find

#: Without these it repeats what failed, up to ten times.
ONCE = ["--retries", "1", "--low-level-retries", "1"]


def rclone(errand: Errand) -> Told:
    """Move a tree, then look at a file."""
    remote = f":webdav,url='http://{errand.authority}/':"
    port = free_port()
    command = [find("rclone"), "rcd", "--rc-no-auth", "--rc-addr", f"127.0.0.1:{port}"]
    command += [
        "--config",
        "",
        "--rc-serve=false",
        "--timeout",
        f"{errand.patience or DEADLINE:g}s",
    ]
    with (
        Daemon([*command, *ONCE], port, errand.home, {"HOME": str(errand.home)}),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/", timeout=99) as commands,
    ):
        source, moved_to = f"{errand.place}/tree", f"far/{errand.place}/moved"
        names = {"srcFs": f"{remote}{source}", "dstFs": f"{remote}{moved_to}"}
        moved = commands.post("sync/move", json=names)
        look = {"fs": remote, "remote": f"{errand.place}/hello"}
        looked = commands.post("operations/stat", json=look).json()
    said = "moved" if moved.is_success else str(moved.json()["error"])
    item = looked.get("item") or {}
    return Told(moved.is_success, said, item.get("Name") == "hello")
