"""The order of what an operation does, with everything left out that only builds or empties."""

import re
from collections.abc import Iterable

from crash.scene import Scene

#: What is done to a member while a hidden tree is built; its flushes count.
_BUILDING = frozenset(
    [
        "create",
        "write",
        "copy_file_range",
        "symlink",
        "mknod",
        "ftruncate",
        "setxattr",
        "removexattr",
        "utime",
        "chmod",
        "fchmod",
        "fchown",
    ]
)
_REMOVING = frozenset(("unlink", "rmdir"))


def skeleton(events: Iterable[str], scene: Scene) -> list[str]:
    """One word for each step that counts: flushes, names that change, commits, removals.

    Paths are relative to the share, ``there:`` before those of the other one. What happens several
    times in a row is told once; a commit is told with what it brings.
    """
    steps: list[str] = []
    committing: list[str] = []
    for event in events:
        if event.startswith(("journal ", "store ")):
            committing.append(event)
            continue
        if event.startswith("commit"):
            step = " + ".join([event, *committing])
            committing = []
        else:
            step = _word(_relative(event, scene))
        if step and (not steps or steps[-1] != step):
            steps.append(step)
    return steps


def _relative(event: str, scene: Scene) -> str:
    for share, mark in ((scene.here, ""), (scene.there, "there:")):
        event = re.sub(rf"{re.escape(str(share))}(?=/|$| )/?", mark, event)
    return event


def _word(event: str) -> str:
    call, _, subject = event.partition(" ")
    top, below, _ = subject.partition("/")
    is_hidden = "STAGING" in top and " -> " not in subject
    if call in _BUILDING or (call == "mkdir" and is_hidden):
        return ""
    if call in _REMOVING:
        return f"remove {top}"
    if call in ("fsync", "syncfs"):
        what = f"{top} below" if below else top
        return f"flush {what}" if what not in ("", "there:") else f"flush {what}/"
    return event if below or "->" in subject or not subject else f"{call} {subject}"
