"""The requests that are cut off, and what each is to make of the state: the model."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import quote, unquote_to_bytes

from crash.scene import Scene, State
from harness.wire import Wire

#: What takes the place of a time that is not known beforehand.
NEW_TIME = "any time"

T = TypeVar("T")

Model = Callable[[Scene, State], State]


@dataclass(frozen=True)
class Action:
    """One request. ``flags`` false: on a file system whose rename can only rename.

    ``early``: its client is answered at the effective point. ``fresh_time``: the path of which the
    time of modification is new.
    """

    name: str
    method: str
    source: str
    model: Model
    destination: str | None = None
    body: bytes | None = None
    status: int = 204
    flags: bool = True
    early: bool = False
    fresh_time: str | None = None

    def send(self, wire: Wire, scene: Scene, url: str) -> None:
        """Ask for it, with every lock token that there is."""
        fields = {"If": " ".join(self._lists(scene, url))} if scene.tokens else {}
        if self.destination is not None:
            fields["Destination"] = url.rstrip("/") + self.destination
        wire.send(self.method, self.source, fields, self.body)

    def _lists(self, scene: Scene, url: str) -> list[str]:
        here, there = os.fsencode(scene.here), os.fsencode(scene.there)
        lists = []
        for path, token in scene.tokens.items():
            is_here = path.startswith(here + b"/")
            below = path.removeprefix(here if is_here else there)
            above = "" if is_here else "/there"
            lists.append(f"<{url.rstrip('/')}{above}{quote(below)}> (<{token}>)")
        return lists


def _real(scene: Scene, url: str) -> bytes:
    """The real path of a URL path."""
    if url.startswith("/there/"):
        return os.fsencode(scene.there) + unquote_to_bytes(url.removeprefix("/there"))
    return os.fsencode(scene.here) + unquote_to_bytes(url)


def _is_in(path: bytes, tree: bytes) -> bool:
    return path == tree or path.startswith(tree + b"/")


def _removed(state: State, tree: bytes, *, keep: bytes | None = None) -> None:
    """Take a tree away; the lock on ``keep`` itself stays."""
    for table in (state.names, state.properties, state.locks):
        for path in [path for path in table if _is_in(path, tree)]:
            if not (table is state.locks and path == keep):
                del table[path]


def copied(source: str, destination: str, scene: Scene, before: State) -> State:
    """COPY."""
    old, new, after = _real(scene, source), _real(scene, destination), before.copy()
    _removed(after, new, keep=new)
    after.names |= _moved_keys(before.names, old, new)
    after.properties |= _moved_keys(before.properties, old, new)
    return after


def moved(source: str, destination: str, scene: Scene, before: State) -> State:
    """MOVE."""
    after = copied(source, destination, scene, before)
    _removed(after, _real(scene, source))
    return after


def deleted(source: str, scene: Scene, before: State) -> State:
    """DELETE."""
    after = before.copy()
    _removed(after, _real(scene, source))
    return after


def stored(source: str, content: bytes, scene: Scene, before: State) -> State:
    """PUT."""
    path, after = _real(scene, source), before.copy()
    mode = before.names[path][0] if path in before.names else oct(0o100644)
    after.names[path] = (mode, NEW_TIME, content)
    return after


def _moved_keys(table: dict[bytes, T], old: bytes, new: bytes) -> dict[bytes, T]:
    return {new + path[len(old) :]: what for path, what in table.items() if _is_in(path, old)}


def _transfer(
    name: str, method: str, source: str, destination: str, status: int, *, flags: bool = True
) -> Action:
    model = partial(copied if method == "COPY" else moved, source, destination)
    return Action(name, method, source, model, destination, status=status, flags=flags)


def _deletion(name: str, source: str, *, flags: bool = True, early: bool = False) -> Action:
    return Action(name, "DELETE", source, partial(deleted, source), flags=flags, early=early)


def _upload(name: str, source: str, content: bytes, status: int, *, flags: bool = True) -> Action:
    return Action(
        name, "PUT", source, partial(stored, source, content), None, content, status, flags,
        fresh_time=source,
    )  # fmt: skip


ACTIONS = [
    _transfer("copy-new", "COPY", "/src", "/new", 201),
    _transfer("copy-over", "COPY", "/src", "/dst", 204),
    _transfer("copy-file-over", "COPY", "/file", "/target", 204),
    _transfer("move-new", "MOVE", "/src", "/sibling/new", 201),
    _transfer("move-over", "MOVE", "/src", "/dst", 204),
    _transfer("move-across-new", "MOVE", "/src", "/there/new", 201),
    _transfer("move-across-over", "MOVE", "/src", "/there/dst", 204),
    _transfer("move-file-across-over", "MOVE", "/file", "/there/target", 204),
    _deletion("delete-tree", "/src"),
    _deletion("delete-tree-early", "/src", early=True),
    _deletion("delete-file", "/file"),
    _upload("put-new", "/sibling/new%20file", b"new content", 201),
    _upload("put-over", "/target", b"other content", 204),
    _transfer("copy-new-plain-rename", "COPY", "/src", "/new", 201, flags=False),
    _transfer("copy-over-plain-rename", "COPY", "/src", "/dst", 204, flags=False),
    _transfer("move-new-plain-rename", "MOVE", "/src", "/sibling/new", 201, flags=False),
    _transfer("move-file-plain-rename", "MOVE", "/file", "/new", 201, flags=False),
    _transfer("move-over-plain-rename", "MOVE", "/src", "/dst", 204, flags=False),
    _transfer("move-across-plain-rename", "MOVE", "/src", "/there/dst", 204, flags=False),
    _deletion("delete-tree-plain-rename", "/src", flags=False),
    _upload("put-over-plain-rename", "/target", b"other content", 204, flags=False),
]
