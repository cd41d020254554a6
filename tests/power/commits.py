"""File systems that commit by themselves, as they may at any time: each disk when it likes.

Nothing of davkeep is changed by that: somebody else in the same process asks for it.
"""

import os
import random
import threading
from typing import Any

from davkeep.trees import renames
from davkeep.trees.durability import sync_file_system
from power.layouts import Ground

#: Seconds between two commits that come when nobody asked, at most.
PAUSE = 0.02


def commit_at_each_change(ground: Ground, disk: str) -> None:
    """Whenever a name has changed anywhere, one disk commits, and the others do not."""
    fd = os.open(ground.folder / disk, os.O_RDONLY)
    for owner, name in (
        (renames, "_rename"), (os, "rename"), (os, "mkdir"), (os, "unlink"), (os, "rmdir")
    ):  # fmt: skip
        setattr(owner, name, _followed_by_commit(getattr(owner, name), fd))


def _followed_by_commit(change: Any, fd: int) -> Any:
    def changed(*arguments: Any, **named: Any) -> Any:
        result = change(*arguments, **named)
        sync_file_system(fd)
        return result

    return changed


def commit_now_and_then(ground: Ground, seed: str) -> None:
    """Each disk commits at moments of its own."""
    fds = [os.open(ground.folder / disk, os.O_RDONLY) for disk in ground.layout.disks]
    dice, pause = random.Random(seed), threading.Event()

    def go_on() -> None:
        while not pause.wait(dice.random() * PAUSE):
            sync_file_system(dice.choice(fds))

    threading.Thread(target=go_on, daemon=True).start()
