"""What is on the disks and in the store before an operation, and what is there afterwards."""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from davkeep.operations.looks import Owner
from davkeep.store.database import Database
from davkeep.store.instance import instance_of
from davkeep.store.locks import Locks
from davkeep.store.properties import DeadProperties
from davkeep.trees.marker import MARKER
from davkeep.trees.share import Share
from harness.keys import Rows, identify, naming

#: Seconds of the epoch that every time in the scene is near.
LONG_AGO = 1_234_567_890
#: A name that is no UTF-8.
RAW = os.fsdecode(b"\xff raw")

#: Path below a share: mode and content; None for a collection, text for a symbolic link.
Tree = dict[str, tuple[int, bytes | str | None]]

SOURCE: Tree = {
    "src": (0o750, None),
    "src/plain": (0o644, b"plain\n"),
    "src/with space": (0o755, b"#!/bin/sh\n"),
    "src/größe": (0o600, b"gr\xc3\xb6\xc3\x9fe"),
    f"src/{RAW}": (0o444, b"raw"),
    "src/link": (0o777, "plain"),
    "src/sub": (0o555, None),
    "src/sub/deep": (0o640, b"deep"),
    "src/sub/empty": (0o711, None),
}
OLD: Tree = {
    "dst": (0o755, None),
    "dst/old": (0o644, b"old"),
    "dst/plain": (0o600, b"another plain"),
    "dst/below": (0o700, None),
    "dst/below/older": (0o444, b"older"),
}
FILES: Tree = {
    "file": (0o640, b"content of the file"),
    "target": (0o604, b"content of the target"),
    "sibling": (0o755, None),
    "sibling/one": (0o644, b"one"),
}
#: The collection that names come into and go from, so that its time says nothing.
BUSY = b"sibling"
#: Which of them have a dead property.
WITH_PROPERTY = (
    "src", "src/plain", f"src/{RAW}", "src/sub/deep", "dst", "dst/old", "dst/below/older", "file",
    "target", "sibling", "sibling/one",
)  # fmt: skip
#: Which of them are locked, each for itself.
LOCKED = ("src/sub/deep", "dst", "dst/old", "file", "target", "sibling/one")


@dataclass
class State:
    """Everything that a client may rely on, by real path.

    ``names``: mode, time of modification and content; ``properties`` and ``locks`` as stored, but
    by paths.
    """

    names: dict[bytes, tuple[Any, ...]] = field(default_factory=dict)
    properties: dict[bytes, dict[str, bytes]] = field(default_factory=dict)
    locks: dict[bytes, str] = field(default_factory=dict)

    def copy(self) -> "State":
        """Another one, to be changed."""
        return State(dict(self.names), dict(self.properties), dict(self.locks))

    def differences(self, other: "State") -> list[str]:
        """What is not the same, in words."""
        found = []
        for kind in ("names", "properties", "locks"):
            mine, theirs = getattr(self, kind), getattr(other, kind)
            found += [
                f"{kind} {path!r}: {mine.get(path)} and {theirs.get(path)}"
                for path in sorted(mine.keys() | theirs.keys())
                if mine.get(path) != theirs.get(path)
            ]
        return found


class Scene:
    """Two shares on two file systems, a state folder, and a configuration."""

    def __init__(self, folder: Path, memory: Path, *, stored: bool = True) -> None:
        """``memory`` is on another file system than ``folder``. ``stored``: with what is stored."""
        self.here = memory / "here"
        self.there = folder / "there"
        self.state = memory / "state"
        #: The state folder that every reset begins with.
        self.template = memory / "template"
        self._stored = stored
        self.config = folder / "davkeep.yaml"
        mapping = {"/": str(self.here), "/there": str(self.there)}
        block = {"state": str(self.state), "fsync": True, "operations": {"grace": 5}}
        text = {"port": 0, "provider_mapping": mapping, "davkeep": block}
        self.config.write_text(yaml.safe_dump(text))
        #: Lock token of each locked path.
        self.tokens: dict[bytes, str] = {}
        self._make_state()

    def _make_state(self) -> None:
        """A start over it has nothing to write."""
        folders = (self.here, self.there)
        with Database(self.template) as database:
            (self.template / "instance").write_text("c0ffee00", encoding="ascii")
            owner = Owner(instance_of(database), os.fspath(self.state))
            for folder in folders:
                folder.mkdir(parents=True)
            here, there = identify(database, owner, folders, now=time.time)
            if self._stored:
                self._fill(database, here, "")
                self._fill(database, there, "/there")

    def _fill(self, database: Database, share: Share, url: str) -> None:
        properties, locks = DeadProperties(database), Locks(database, lambda: LONG_AGO)
        for name in WITH_PROPERTY:
            path = os.fsencode(f"{share.folder}/{name}")
            properties.change(_key(share, name), {"{urn:x}is": b"<is>" + path + b"</is>"})
        for name in LOCKED:
            path = os.fsencode(f"{share.folder}/{name}")
            self.tokens[path] = locks.acquire(
                _key(share, name), url=f"{url}/{name}", depth="0", scope="exclusive", timeout=None
            ).token

    def empty(self, collections: list[str]) -> None:
        """Begin anew with nothing but these collections in each share."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.template, self.state)
        for share in (self.here, self.there):
            _empty(share)
            for name in collections:
                (share / name).mkdir()

    def reset(self) -> State:
        """Make everything as it was; return it."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.template, self.state)
        for share in (self.here, self.there):
            _empty(share)
            plant(share, SOURCE | OLD | FILES)
        return self.look()

    def look(self, rows: Rows | None = None) -> State:
        """What there is now; hidden entries, and records of the journal, are seen as well.

        ``rows`` asks the database of a server that runs in this process; None: none runs.
        """
        found = State()
        for share in (self.here, self.there):
            found.names |= snapshot(share)
        if rows is not None:
            self._ask(rows, found)
            return found
        with closing(sqlite3.connect(self.state / "davkeep.sqlite3")) as database:
            self._ask(lambda question: database.execute(question).fetchall(), found)
        return found

    @staticmethod
    def _ask(rows: Rows, found: State) -> None:
        named = naming(rows)
        for key, name, value in rows("SELECT path, name, value FROM properties"):
            found.properties.setdefault(named(key), {})[name] = value
        found.locks = {named(key): token for key, token in rows("SELECT path, token FROM locks")}
        for (stage,) in rows("SELECT stage FROM journal"):
            found.names[b"journal"] = (stage,)


def _key(share: Share, name: str) -> bytes:
    return share.key_of(tuple(name.split("/")))


def _empty(folder: Path) -> None:
    """Leave nothing but the marker."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        elif entry.name != MARKER:
            os.unlink(entry.path)


def plant(share: Path, tree: Tree) -> None:
    """Make a tree with modes and times of its own."""
    for name, (mode, content) in tree.items():
        path = share / name
        if content is None:
            path.mkdir()
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
        if not isinstance(content, str):
            path.chmod(mode)
    for number, name in enumerate(reversed(tree)):
        moment = (LONG_AGO + number) * 10**9 + 123_456_789
        os.utime(share / name, ns=(moment, moment), follow_symlinks=False)


def snapshot(share: Path) -> dict[bytes, tuple[Any, ...]]:
    """Mode, time and content of everything below a folder, hidden entries included; not that of the
    marker.
    """
    seen: dict[bytes, tuple[Any, ...]] = {}
    pending = [os.fsencode(share)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.name == os.fsencode(MARKER):
                    continue
                status = entry.stat(follow_symlinks=False)
                content: Any = None
                if entry.is_symlink():
                    content = os.readlink(entry.path)
                elif entry.name == BUSY:
                    seen[entry.path] = (oct(status.st_mode),)
                    pending.append(entry.path)
                    continue
                elif entry.is_dir():
                    pending.append(entry.path)
                else:
                    with open(entry.path, "rb") as file:
                        content = file.read()
                seen[entry.path] = (oct(status.st_mode), status.st_mtime_ns, content)
    return seen
