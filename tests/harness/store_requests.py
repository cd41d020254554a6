"""The requests during which the store fails, and what each is to make of the state: the model."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import unquote_to_bytes

from crash.actions import ACTIONS, NEW_TIME, Action
from crash.scene import Rows, Scene, State
from harness.dav import LOCK, setting
from harness.wire import Wire

#: What takes the place of a token that is not known beforehand.
NEW_TOKEN = "any token"
#: The property that is set, as it is stored, and what a request sets it to.
COLOR = "{urn:x}color"
LOCK_BODY = LOCK.format(scope="exclusive").encode()
CONTENT = b"0123456789"


@dataclass(frozen=True)
class Asked(Action):
    """An action with header fields of its own. ``unlocks``: with the lock token of that path."""

    fields: Mapping[str, str] = field(default_factory=dict)
    unlocks: str | None = None

    def send(self, wire: Wire, scene: Scene, url: str) -> None:
        """Ask for it, with every lock token that there is."""
        fields = {"If": " ".join(self._lists(scene, url))} if scene.tokens else {}
        if self.unlocks is not None:
            token = scene.tokens[_path(scene, self.unlocks)]
            fields = {"Lock-Token": f"<{token}>"}
        wire.send(self.method, self.source, fields | dict(self.fields), self.body)


def _path(scene: Scene, url: str) -> bytes:
    return os.fsencode(scene.here) + unquote_to_bytes(url)


def _same(_: Scene, before: State) -> State:
    return before


def _made(url: str, content: bytes | None, scene: Scene, before: State) -> State:
    after, path = before.copy(), _path(scene, url)
    mode = before.names[path][0] if path in before.names else oct(0o100644)
    after.names[path] = (oct(0o40755) if content is None else mode, NEW_TIME, content)
    return after


def _colored(url: str, scene: Scene, before: State) -> State:
    after, path = before.copy(), _path(scene, url)
    after.properties[path] = {**before.properties.get(path, {}), COLOR: b"red"}
    return after


def _locked(url: str, scene: Scene, before: State) -> State:
    after = before.copy()
    after.locks[_path(scene, url)] = NEW_TOKEN
    return after


def _locked_new(url: str, scene: Scene, before: State) -> State:
    return _locked(url, scene, _made(url, b"", scene, before))


def _unlocked(url: str, scene: Scene, before: State) -> State:
    after = before.copy()
    del after.locks[_path(scene, url)]
    return after


def _all_of_it(first: int, last: int) -> dict[str, str]:
    return {"Content-Range": f"bytes {first}-{last}/{len(CONTENT)}"}


_NEW = "/sibling/made"
_PATCHED = b"XYntent of the target"

REQUESTS: list[Action] = [
    *(each for each in ACTIONS if each.flags and not each.early),
    Action("mkcol", "MKCOL", _NEW, partial(_made, _NEW, None), status=201, fresh_time=_NEW),
    Action("proppatch", "PROPPATCH", "/file", partial(_colored, "/file"), None,
           setting(color="red"), 207),
    Asked("lock", "LOCK", "/src/plain", partial(_locked, "/src/plain"), None, LOCK_BODY, 200,
          fields={"Depth": "0"}),
    Asked("lock-unmapped", "LOCK", _NEW, partial(_locked_new, _NEW), None, LOCK_BODY, 201,
          fresh_time=_NEW, fields={"Depth": "0"}),
    Asked("refresh", "LOCK", "/file", _same, status=200, fields={"Timeout": "Second-1000"}),
    Asked("unlock", "UNLOCK", "/file", partial(_unlocked, "/file"), unlocks="/file"),
    Asked("ranged-put", "PUT", _NEW, partial(_made, _NEW, CONTENT), None, CONTENT, 201,
          fresh_time=_NEW, fields=_all_of_it(0, 9)),
    Asked("ranged-put-over", "PUT", "/target", partial(_made, "/target", CONTENT), None, CONTENT,
          204, fresh_time="/target", fields=_all_of_it(0, 9)),
    Asked("patch", "PATCH", "/target", partial(_made, "/target", _PATCHED), None, b"XY", 204,
          fresh_time="/target",
          fields={"Content-Type": "application/x-sabredav-partialupdate",
                  "X-Update-Range": "bytes=0-1"}),
]  # fmt: skip


def look(scene: Scene, rows: Rows, action: Action | None = None) -> State:
    """What there is now; times and tokens that nobody can know beforehand left out."""
    found = scene.look(rows)
    known = set(scene.tokens.values())
    for path, token in found.locks.items():
        found.locks[path] = token if token in known else NEW_TOKEN
    for path, own in found.properties.items():
        found.properties[path] = {
            name: b"red" if name == COLOR else value for name, value in own.items()
        }
    if action is not None and action.fresh_time is not None:
        path = _path(scene, action.fresh_time)
        if path in found.names:
            mode, _, content = found.names[path]
            found.names[path] = (mode, NEW_TIME, content)
    return found


def without_time(state: State, scene: Scene, action: Action) -> State:
    """The same, with the time left out that the action changes."""
    if action.fresh_time is None:
        return state
    path = _path(scene, action.fresh_time)
    if path not in state.names:
        return state
    mode, _, content = state.names[path]
    return replace(state, names={**state.names, path: (mode, NEW_TIME, content)})
