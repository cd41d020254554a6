"""A collection as a plain dictionary, and what each WebDAV request does to it (RFC 4918 9)."""

import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from davkeep.trees.marker import MARKER
from harness.dav import DAV, setting
from harness.wire import Response, Wire

#: Names that members have, so few that they meet.
NAMES = "abc"
#: How deep paths are.
DEPTH = 3
#: The property that is set.
COLOR = "{urn:x}color"


@dataclass(frozen=True)
class Ask:
    """One request; paths are relative to the collection and have no slash at either end."""

    method: str
    path: str
    to: str = ""
    overwrite: bool = True
    depth_zero: bool = False
    text: str = ""

    def send(self, client: Wire, base: str, **more: str) -> None:
        """Send it; ``base`` is the collection's URL path, with a slash at the end."""
        fields = dict(more)
        body = None
        if self.method in ("COPY", "MOVE"):
            fields["Destination"] = f"http://{client.host}{base}{self.to}"
            fields["Overwrite"] = "T" if self.overwrite else "F"
            if self.depth_zero:
                fields["Depth"] = "0"
        elif self.method == "PUT":
            body = self.text.encode()
        elif self.method == "PROPPATCH":
            body = setting(color=self.text)
        client.send(self.method, base + self.path, fields, body)

    def answer(self, client: Wire, base: str, **more: str) -> Response:
        """Send it and read the final response."""
        self.send(client, base, **more)
        return client.response()


@dataclass
class Model:
    """What is in the collection: files (text) and collections (None), and a property of each."""

    nodes: dict[str, str | None] = field(default_factory=dict)
    colors: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "Model":
        """One that changes by itself."""
        return deepcopy(self)

    def apply(self, ask: Ask) -> int:
        """Do it, and return the status that it has to have."""
        if ask.method in ("COPY", "MOVE"):
            return self._transfer(ask)
        does = {
            "PUT": self._put,
            "MKCOL": self._mkcol,
            "DELETE": self._delete,
            "PROPPATCH": self._proppatch,
            "GET": self._get,
        }
        return does[ask.method](ask)

    def _put(self, ask: Ask) -> int:
        if not self._is_collection(_above(ask.path)):
            return 409
        if ask.path in self.nodes:
            if self.nodes[ask.path] is None:
                return 405
            self.nodes[ask.path] = ask.text
            return 204
        self.nodes[ask.path] = ask.text
        return 201

    def _mkcol(self, ask: Ask) -> int:
        if not self._is_collection(_above(ask.path)):
            return 409
        if ask.path in self.nodes:
            return 405
        self.nodes[ask.path] = None
        return 201

    def _delete(self, ask: Ask) -> int:
        if ask.path not in self.nodes:
            return 404
        self._remove(ask.path)
        return 204

    def _proppatch(self, ask: Ask) -> int:
        if ask.path not in self.nodes:
            return 404
        self.colors[ask.path] = ask.text
        return 207

    def _get(self, ask: Ask) -> int:
        if ask.path not in self.nodes:
            return 404
        # A collection's page has a slash at its end.
        return 301 if self.nodes[ask.path] is None else 200

    def _transfer(self, ask: Ask) -> int:
        if ask.path not in self.nodes:
            return 404
        if not self._is_collection(_above(ask.to)):
            return 409
        if ask.to in _ways(ask.path) or ask.path in _ways(ask.to):
            return 403
        exists = ask.to in self.nodes
        if exists and not ask.overwrite:
            return 412
        members = [ask.path] if ask.depth_zero else self.under(ask.path)
        nodes = {ask.to + path[len(ask.path) :]: self.nodes[path] for path in members}
        colored = (path for path in members if path in self.colors)
        colors = {ask.to + path[len(ask.path) :]: self.colors[path] for path in colored}
        self._remove(ask.to)
        if ask.method == "MOVE":
            self._remove(ask.path)
        self.nodes |= nodes
        self.colors |= colors
        return 204 if exists else 201

    def under(self, path: str) -> list[str]:
        """A member and all below it."""
        return [each for each in self.nodes if each == path or each.startswith(f"{path}/")]

    def _remove(self, path: str) -> None:
        for each in self.under(path):
            del self.nodes[each]
            self.colors.pop(each, None)

    def _is_collection(self, path: str) -> bool:
        return path == "" or (path in self.nodes and self.nodes[path] is None)


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _ways(path: str) -> Iterator[str]:
    """A path and those above it."""
    while path:
        yield path
        path = _above(path)


def seen_on_disk(folder: Path) -> dict[str, str | None]:
    """What is really there; hidden entries included."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_text()
        for path in folder.rglob("*")
        if path.name != MARKER
    }


def seen_by_client(client: Wire, base: str) -> tuple[dict[str, Any], dict[str, str], int]:
    """Lengths of files (None for collections), properties, and how many locks there are."""
    root = etree.fromstring(client.ask("PROPFIND", base, {"Depth": "infinity"}).body)
    lengths: dict[str, Any] = {}
    colors = {}
    for response in root.iterfind(f"{DAV}response"):
        path = (response.findtext(f"{DAV}href") or "").removeprefix(base).rstrip("/")
        length = response.findtext(f".//{DAV}getcontentlength")
        is_collection = response.find(f".//{DAV}resourcetype/{DAV}collection") is not None
        lengths[path] = None if is_collection else int(length or -1)
        color = response.findtext(f".//{COLOR}")
        if color is not None:
            colors[path] = color
    lengths.pop("", None)
    locks = sum(1 for _ in root.iter(f"{DAV}activelock"))
    return lengths, colors, locks


def check(model: Model, folder: Path, client: Wire, base: str) -> None:
    """See that disk, listing and properties agree with the model, and that nothing is locked."""
    assert seen_on_disk(folder) == model.nodes
    lengths, colors, locks = seen_by_client(client, base)
    expected = {path: None if text is None else len(text) for path, text in model.nodes.items()}
    assert lengths == expected
    assert colors == model.colors
    assert locks == 0


def some_path(dice: random.Random) -> str:
    """A path of one to three names."""
    return "/".join(dice.choices(NAMES, k=dice.randint(1, DEPTH)))


def some_ask(dice: random.Random, number: int) -> Ask:
    """A random request; ``number`` makes what it writes unique."""
    method = dice.choice(
        (
            "PUT",
            "PUT",
            "PUT",
            "MKCOL",
            "MKCOL",
            "COPY",
            "COPY",
            "MOVE",
            "DELETE",
            "PROPPATCH",
            "GET",
        )
    )
    if method in ("COPY", "MOVE"):
        depth_zero = method == "COPY" and dice.random() < 0.1
        return Ask(
            method, some_path(dice), some_path(dice), dice.random() < 0.8, depth_zero=depth_zero
        )
    return Ask(method, some_path(dice), text=f"{number} " * dice.randint(1, 40))
