"""The process that forks servers on disks that forget, and looks at what is there afterwards.

``python -m power.forge FD`` is the forge of the crash tests with other children, one of

- ``record``: mounts disks that forget, and is a server on them;
- ``check``: mounts images of them, starts a server over them twice, and tells what it sees.

Each has mounts of its own, which go with it, as do the loop devices.
"""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from crash.forge import Lines, Teller
from crash.forge import main as forge
from crash.victim import Victim
from davkeep import app
from davkeep.settings.load import load
from davkeep.trees.durability import sync_file_system
from davkeep.trees.marker import MARKER
from harness.keys import naming
from harness.waiting import until
from power.commits import commit_at_each_change, commit_now_and_then
from power.disk import Disks, mounted
from power.faults import FAULTS
from power.layouts import LAYOUTS, Ground
from power.system import forget_btrfs, have_mounts_of_our_own, pretend_boot, unmount

#: prctl(2).
_DIE_WITH_PARENT = 1
#: Seconds in which everything hidden has to be gone once a log says that recovery is complete.
_PATIENCE = 5.0


def be(plan: dict[str, Any], channel: socket.socket) -> None:
    """Do what the plan says."""
    _die_with_parent()
    ground = Ground(LAYOUTS[plan["layout"]], Path(plan["folder"]))
    {"record": _record, "check": _check}[plan["what"]](plan, ground, channel)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


# Recording


def _record(plan: dict[str, Any], ground: Ground, channel: socket.socket) -> None:
    files = [Path(file) for file in plan["files"]]
    places = _mount_disks(ground, files, Path(plan["log"]), Path(plan["clock"]))
    ground.mount(places)
    _make_shares(ground, plan["collections"])
    commits = plan["commits"]
    if commits in ground.layout.disks:
        commit_at_each_change(ground, commits)
    elif commits:
        commit_now_and_then(ground, commits)
    _serve(ground, channel, plan["fault"], is_recovery=False)


def _mount_disks(ground: Ground, files: list[Path], log: Path, clock: Path) -> list[Path]:
    """Mount the file system of the disks; another process serves it for as long as it is mounted.

    That process has no part in our mounts, which would stay with it.
    """
    mount, order = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _be_disks(files, log, clock, order)
    have_mounts_of_our_own()
    device = mounted(ground.folder / "disks")
    socket.send_fds(mount, [b"!"], [device])
    os.close(device)
    mount.close()
    order.close()
    return [ground.folder / "disks" / file.name for file in files]


def _be_disks(files: list[Path], log: Path, clock: Path, order: socket.socket) -> None:
    try:
        _, (device,), _, _ = socket.recv_fds(order, 1, 1)
        Disks(files, log, clock).serve(device)
    finally:
        os._exit(0)


def _make_shares(ground: Ground, collections: list[str]) -> None:
    """Make what is there from the beginning, and flush it."""
    for share in (ground.here, ground.there):
        share.mkdir()
        for name in collections:
            (share / name).mkdir()
        fd = os.open(share, os.O_RDONLY)
        sync_file_system(fd)
        os.close(fd)


def _serve(ground: Ground, channel: socket.socket, fault: str | None, *, is_recovery: bool) -> None:
    """Be a server, until killed."""
    teller = Teller(channel)
    # Typeshed asks for more of a stream than print and logging do.
    sys.stdout = Lines(teller, "serving")  # type: ignore[assignment]
    sys.stderr = Lines(teller, "log")  # type: ignore[assignment]
    logging.raiseExceptions = False
    if fault is not None:
        FAULTS[fault].commit(ground, is_recovery=is_recovery)
    app.serve(load(str(ground.config)))


# Checking


def _check(plan: dict[str, Any], ground: Ground, channel: socket.socket) -> None:
    teller = Teller(channel)
    have_mounts_of_our_own()
    pretend_boot(Path(plan["boot"]))
    devices = ground.mount([Path(file) for file in plan["files"]])
    told: dict[str, Any] = {"error": None, "log": [], "looks": []}
    if plan["starts"] == 0:
        told["looks"].append({"instance": _text(ground.state / "instance")})
    try:
        for number in range(plan["starts"]):
            told["log"].append(_start(plan, ground, _PATIENCE if number == 0 else 0.0))
            told["looks"].append(look(ground))
    except AssertionError as error:
        told["error"] = str(error)
    if "btrfs" in {kind.name for kind in ground.layout.kinds}:
        _forget(ground, devices)
    teller.tell("looked", **told)


def _start(plan: dict[str, Any], ground: Ground, patience: float) -> list[str]:
    """Start a server, kill it when it has recovered, and return what it logged.

    ``patience``: seconds that it has for what is hidden and of which no log tells.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _be_server(plan, ground, theirs)
    theirs.close()
    with Victim(pid, ours) as victim:
        victim.wait_until_recovered()
        with contextlib.suppress(AssertionError):
            until(lambda: not _hidden(ground), "nothing hidden is left", patience)
        log = victim.log
    os.waitpid(pid, 0)
    return log


def _be_server(plan: dict[str, Any], ground: Ground, channel: socket.socket) -> None:
    try:
        _die_with_parent()
        channel.recv(1)
        _serve(ground, channel, plan["fault"], is_recovery=True)
    except BaseException as error:
        Teller(channel).tell("log", text=f"Traceback: {error!r}")
    finally:
        os._exit(1)


def _forget(ground: Ground, devices: list[str]) -> None:
    for disk, device in zip(ground.layout.disks, devices, strict=True):
        unmount(ground.folder / disk)
        forget_btrfs(device)


def _hidden(ground: Ground) -> list[str]:
    return [
        str(path)
        for share in (ground.here, ground.there)
        for path in share.rglob("*")
        if path.name.startswith(".davkeep-")
    ]


def look(ground: Ground) -> dict[str, Any]:
    """Everything that a client may rely on, by real path, and what should not be there."""
    names = {}
    for share in (ground.here, ground.there):
        for path in (each for each in share.rglob("*") if each.name != MARKER):
            names[str(path)] = None if path.is_dir() else path.read_bytes().decode("latin-1")
    return {"names": names, "instance": _text(ground.state / "instance"), **_stored(ground)}


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("latin-1")
    except FileNotFoundError:
        return None


def _stored(ground: Ground) -> dict[str, Any]:
    found: dict[str, Any] = {"properties": {}, "locks": {}, "records": []}
    file = ground.state / "davkeep.sqlite3"
    if not file.exists():
        return found
    with closing(sqlite3.connect(file)) as database:
        named = naming(database.execute)
        for key, value in database.execute("SELECT path, value FROM properties"):
            found["properties"][os.fsdecode(named(key))] = value.decode()
        for key, depth in database.execute("SELECT path, depth FROM locks"):
            found["locks"][os.fsdecode(named(key))] = depth
        found["records"] = [row[0] for row in database.execute("SELECT record FROM journal")]
    return found


if __name__ == "__main__":
    forge(int(sys.argv[1]), be)
