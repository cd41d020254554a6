"""Clients, each in collections of its own on both disks, and what each may find afterwards."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.dav import LOCK
from harness.model import NAMES, Ask, Model
from harness.wire import Response, Wire
from power.disk import Clock

#: A longer content than most, in characters, so that several blocks are written.
LONG = 30_000


@dataclass
class World(Model):
    """What one client has: members, properties and locks (their depths)."""

    locks: dict[str, str] = field(default_factory=dict)

    def apply(self, ask: Ask) -> int:
        """Do it, and return the status that it has to have."""
        if ask.method == "LOCK":
            return self._lock(ask)
        if ask.method == "UNLOCK":
            del self.locks[ask.path]
            return 204
        kept = self.locks.get(ask.to)
        status = super().apply(ask)
        if kept is not None and ask.method in ("COPY", "MOVE") and status < 300:
            # The lock of an overwritten destination stays, for the UNLOCK of Office.
            self.locks[ask.to] = kept
        return status

    def _lock(self, ask: Ask) -> int:
        depth = "0" if ask.depth_zero else "infinity"
        if not self._is_collection(ask.path.rpartition("/")[0]):
            return 409
        if self._is_covered(ask.path) or (depth == "infinity" and self._is_locked_below(ask.path)):
            return 423
        self.locks[ask.path] = depth
        if ask.path in self.nodes:
            return 200
        self.nodes[ask.path] = ""
        return 201

    def _is_covered(self, path: str) -> bool:
        infinite = (each for each, depth in self.locks.items() if depth == "infinity")
        return path in self.locks or any(path.startswith(f"{each}/") for each in infinite)

    def _is_locked_below(self, path: str) -> bool:
        return any(each.startswith(f"{path}/") for each in self.locks)

    def _remove(self, path: str) -> None:
        for each in self.under(path):
            self.locks.pop(each, None)
        super()._remove(path)


@dataclass(frozen=True)
class Step:
    """One request: the last event before it was sent, and before its response had been received."""

    ask: Ask
    sent: int
    acknowledged: int


class Client:
    """One client. Its paths begin with its name, or with ``there/`` and its name."""

    def __init__(self, name: str, url: str, clock: Clock) -> None:
        self.name = name
        self.world = World({"there": None, name: None, f"there/{name}": None})
        #: The world before each step, and after the last.
        self.worlds = [self.world.copy()]
        self.steps: list[Step] = []
        self._tokens: dict[str, str] = {}
        self._clock = clock
        self._parts = urlsplit(url)
        self.wire = Wire(str(self._parts.hostname), int(self._parts.port or 0))

    def do(self, ask: Ask) -> None:
        """Ask, see that the answer is right, and note when it came."""
        sent = self._clock.now
        answer = self._answer(ask)
        acknowledged = self._clock.now
        expected = self.world.apply(ask)
        assert answer.status == expected, (self.name, ask, answer, expected)
        self._note_tokens(ask, answer)
        self.steps.append(Step(ask, sent, acknowledged))
        self.worlds.append(self.world.copy())

    def _answer(self, ask: Ask) -> Response:
        fields = {"If": " ".join(self._lists())} if self._tokens else {}
        if ask.method == "LOCK":
            depth = "0" if ask.depth_zero else "infinity"
            fields |= {"Depth": depth, "Timeout": "Second-86400"}
            body = LOCK.format(scope="exclusive").encode()
            return self.wire.ask("LOCK", f"/{ask.path}", fields, body)
        if ask.method == "UNLOCK":
            return self.wire.ask("UNLOCK", f"/{ask.path}", {"Lock-Token": self._tokens[ask.path]})
        return ask.answer(self.wire, "/", **fields)

    def _lists(self) -> list[str]:
        base = f"http://{self.wire.host}/"
        return [f"<{base}{path}> ({token})" for path, token in self._tokens.items()]

    def _note_tokens(self, ask: Ask, answer: Response) -> None:
        if ask.method == "LOCK" and answer.status < 300:
            self._tokens[ask.path] = answer.fields["Lock-Token"]
        self._tokens = {path: self._tokens[path] for path in self.world.locks}

    def possible(self, moment: int) -> list[World]:
        """What may be there if power is lost after the event of this number."""
        done = sum(step.acknowledged <= moment for step in self.steps)
        is_asking = done < len(self.steps) and self.steps[done].sent < moment
        return self.worlds[done : done + 1 + is_asking]

    def asking(self, moment: int) -> Ask | None:
        """The request that was not answered at that moment."""
        done = sum(step.acknowledged <= moment for step in self.steps)
        return self.steps[done].ask if len(self.possible(moment)) > 1 else None

    def some_ask(self, dice: random.Random, number: int) -> Ask:
        """A random request; ``number`` makes what it writes unique."""
        method = dice.choice(_METHODS)
        if method == "UNLOCK":
            if not self.world.locks:
                return self.some_ask(dice, number)
            return Ask("UNLOCK", dice.choice(list(self.world.locks)))
        if method in ("COPY", "MOVE"):
            return Ask(
                method, self._path(dice), self._path(dice, 0.3), dice.random() < 0.9,
                depth_zero=method == "COPY" and dice.random() < 0.1,
            )  # fmt: skip
        is_new = method in ("PUT", "MKCOL")
        long = LONG if dice.random() < 0.1 else 40
        text = f"{number} " * dice.randint(1, long // 3)
        path = self._path(dice, 0.2 if is_new else 0.9)
        return Ask(method, path, text=text if method in ("PUT", "PROPPATCH") else "",
                   depth_zero=dice.random() < 0.7)  # fmt: skip

    def _path(self, dice: random.Random, likely: float = 0.9) -> str:
        """A path on either disk, ``likely`` one that is there."""
        tops = (self.name, f"there/{self.name}")
        known = [path for path in self.world.nodes if path not in ("there", *tops)]
        if known and dice.random() < likely:
            return dice.choice(known)
        folders = [path for path, text in self.world.nodes.items() if text is None]
        folders.remove("there")
        if dice.random() < 0.9:
            return f"{dice.choice(folders)}/{dice.choice(NAMES)}"
        return "/".join([dice.choice(tops), *dice.choices(NAMES, k=2)])

    def close(self) -> None:
        """Close the connection."""
        self.wire.close()


_METHODS = (
    ["PUT"] * 4
    + ["MKCOL"] * 3
    + ["COPY"] * 2
    + ["MOVE"] * 4
    + ["DELETE"] * 2
    + ["PROPPATCH"] * 3
    + ["LOCK"]
    + ["UNLOCK"]
)


def paths_in(look: dict[str, Any], here: Path, there: Path) -> World:
    """What was seen on the disks, as a world of all clients; other real paths stay as they are."""

    def named(path: str) -> str:
        for share, above in ((there, "there/"), (here, "")):
            if path.startswith(f"{share}/"):
                return above + path.removeprefix(f"{share}/")
        return path

    return World(
        {"there": None} | {named(path): text for path, text in look["names"].items()},
        {named(path): _color(value) for path, value in look["properties"].items()},
        {named(path): depth for path, depth in look["locks"].items()},
    )


def _color(value: str) -> str:
    """The text of a stored property element."""
    return value.partition(">")[2].rpartition("<")[0]


def differences(found: World, expected: World, belongs: Callable[[str], bool]) -> list[str]:
    """What is not the same of that which ``belongs`` to somebody, in words."""
    words = []
    for kind in ("nodes", "colors", "locks"):
        mine, theirs = getattr(found, kind), getattr(expected, kind)
        words += [
            f"{kind} {path}: {_short(mine, path)}, and not {_short(theirs, path)}"
            for path in sorted(mine.keys() | theirs.keys())
            if belongs(path) and mine.get(path, "nothing") != theirs.get(path, "nothing")
        ]
    return words


def _short(table: dict[str, Any], path: str) -> str:
    if path not in table:
        return "nothing"
    text = repr(table[path])
    return text if len(text) < 60 else f"{text[:40]}... ({len(text)})"


def owner_of(path: str) -> str:
    """The name of the client that a path belongs to."""
    return path.removeprefix("there" + os.sep).partition("/")[0]
