"""The order of flushes, of names that change and of commits: SIGKILL cannot show a lost power.

By the promises, Durability: the staged tree is flushed, then it is swapped, then its parent is
flushed, then the store commits, and only then is anything purged. The record comes before names
change, and is flushed where something hidden or stored hangs on it.
"""

import pytest

from crash.conftest import MakeTrial, action_named
from crash.order import skeleton
from crash.scene import Scene

CHANGING = "commit, flushed + journal changing"
ERASED = "commit + journal erased"

#: With locks and dead properties at and below source and destination.
STORED = {
    "copy-new": [
        "commit + journal staging",
        "flush STAGING below",
        "flush STAGING",
        CHANGING,
        "noreplace STAGING -> new",
        "flush /",
        "commit, flushed + store copied + journal erased",
    ],
    "copy-over": [
        "commit + journal staging",
        "flush STAGING below",
        "flush STAGING",
        CHANGING,
        "exchange STAGING -> dst",
        "flush /",
        "commit, flushed + store copied + journal effective",
        "remove STAGING",
        ERASED,
    ],
    "move-new": [
        CHANGING,
        "noreplace src -> sibling/new",
        "flush sibling",
        "flush /",
        "commit, flushed + store moved + journal erased",
    ],
    "move-over": [
        CHANGING,
        "exchange src -> dst",
        "noreplace src -> STAGING",
        "flush /",
        "commit, flushed + store moved + journal effective",
        "remove STAGING",
        ERASED,
    ],
    "move-across-over": [
        CHANGING,
        "exchange src -> there:dst",
        "commit + journal staging",
        "flush there:STAGING below",
        "flush there:STAGING",
        CHANGING,
        "exchange there:STAGING -> there:dst",
        "flush there:/",
        "noreplace src -> STAGING.gone",
        "flush /",
        "commit, flushed + store moved + journal effective",
        "remove there:STAGING",
        "remove STAGING.gone",
        ERASED,
    ],
    "delete-tree": [
        CHANGING,
        "noreplace src -> STAGING",
        "flush /",
        "commit, flushed + store hidden + journal effective",
        "remove STAGING",
        ERASED,
    ],
    "delete-file": [
        CHANGING,
        "remove file",
        "flush /",
        "commit, flushed + store removed + journal erased",
    ],
    "put-new": [
        "commit",
        "flush sibling below",
        "noreplace sibling/STAGING -> sibling/new file",
        "flush sibling",
    ],
    "put-over": [
        "commit",
        "flush STAGING",
        "exchange STAGING -> target",
        "flush /",
        "remove STAGING",
    ],
    "copy-over-plain-rename": [
        "commit + journal staging",
        "flush STAGING below",
        "flush STAGING",
        CHANGING,
        "rename dst -> STAGING.old",
        "mkdir dst",
        "rename STAGING -> dst",
        "flush /",
        "commit, flushed + store copied + journal effective",
        "remove STAGING.old",
        ERASED,
    ],
}

#: Without them: what the store has to bring to the disk, and what it need not.
BARE = {
    "copy-new": [
        "commit + journal staging",
        "flush STAGING below",
        "flush STAGING",
        "commit + journal changing",
        "noreplace STAGING -> new",
        "flush /",
        "commit + store copied + journal erased",
    ],
    "copy-over": STORED["copy-over"],
    "move-new": [
        "commit + journal changing",
        "noreplace src -> sibling/new",
        "flush sibling",
        "flush /",
        "commit + store moved + journal erased",
    ],
    "move-across-over": STORED["move-across-over"],
    "delete-tree": [
        CHANGING,
        "noreplace src -> STAGING",
        "flush /",
        "commit + store hidden + journal effective",
        "remove STAGING",
        ERASED,
    ],
    "delete-file": ["remove file", "flush /"],
    "put-over": STORED["put-over"],
}

CASES = [
    pytest.param(name, expected, stored, id=f"{name}-{'stored' if stored else 'bare'}")
    for stored, table in ((True, STORED), (False, BARE))
    for name, expected in table.items()
]


def order_of(
    trial: MakeTrial, scene: Scene, name: str, fault: str | None = None, **how: bool
) -> list[str]:
    """What happens, in order, up to the operation's end."""
    this = trial(action_named(name), fault, **how)
    this.begin()
    steps = skeleton(this.cut(None).events, scene)
    return steps[: steps.index("end")]


@pytest.mark.parametrize(("name", "expected", "stored"), CASES)
def test_order(
    trial: MakeTrial, scenes: dict[bool, Scene], name: str, expected: list[str], stored: bool
) -> None:
    """Every flush, every change of a name and every commit, in this order and no other."""
    assert order_of(trial, scenes[stored], name, stored=stored) == expected
