"""File systems that commit by themselves, as they may at any time: each disk when it likes.

Nothing of davkeep is changed by that: somebody else in the same process asks for it.
"""

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from davkeep.trees import renames
from davkeep.trees.durability import sync_file_system
from power.layouts import Ground

#: Seconds between two commits that come when nobody asked, at most.
PAUSE = 0.02


class Somebody:
    """Somebody else on the same disk, who brings a file of theirs to it, and what comes along.

    On a file system with one journal those are all names, though not what is in other files.
    """

    def __init__(self, folder: Path) -> None:
        """``folder`` is on the disk, and in no share."""
        self._fd = os.open(folder / "somebody", os.O_RDWR | os.O_CREAT, 0o600)
        self._flush = os.fsync

    def flush_file(self) -> None:
        """Flush that file."""
        os.pwrite(self._fd, b"something", 0)
        self._flush(self._fd)

    def flush_all(self) -> None:
        """Flush the whole file system."""
        sync_file_system(self._fd)


def commit_at_each_change(ground: Ground, disk: str) -> None:
    """Whenever a name has changed anywhere, one disk commits, and the others do not."""
    commit = Somebody(ground.folder / disk).flush_file
    renames._rename = _followed_by(commit, renames._rename)
    for name in ("rename", "replace", "mkdir", "unlink", "rmdir"):
        setattr(os, name, _followed_by(commit, getattr(os, name)))


def _followed_by(commit: Callable[[], None], change: Any) -> Any:
    def changed(*arguments: Any, **named: Any) -> Any:
        result = change(*arguments, **named)
        commit()
        return result

    return changed


def commit_now_and_then(ground: Ground, seed: str) -> None:
    """Each disk commits at moments of its own."""
    everybody = [Somebody(ground.folder / disk) for disk in ground.layout.disks]
    ways = [way for each in everybody for way in (each.flush_file, each.flush_all)]
    dice, pause = random.Random(seed), threading.Event()

    def go_on() -> None:
        while not pause.wait(dice.random() * PAUSE):
            dice.choice(ways)()

    threading.Thread(target=go_on, daemon=True).start()
