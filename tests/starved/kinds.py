"""Every kind of request: how it is asked, its answer where nothing is missing, what it leaves."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.dav import LOCK, multistatus, setting
from harness.events import EventReader
from harness.server import RunningServer
from harness.trees import Contents, contents, plant
from harness.uploads import offset, put_part, upload_path
from harness.waiting import until
from harness.wire import Response, Wire

#: Files in each tree, more than a directory is read in one stretch.
FILES = 40

#: What is uploaded, in two parts.
CONTENT = bytes(range(250)) * 8
PART = 700

#: Seconds within which what stayed hidden is purged, once that is possible again.
PURGED = 10.0


class Scene:
    """A collection of its own with something for every kind of request to be about."""

    def __init__(self, server: RunningServer, name: str) -> None:
        assert server.root is not None
        self.server = server
        self.url = f"/{name}/"
        self.folder: Path = server.root / name
        self.folder.mkdir()
        self.trees: dict[str, Contents] = {
            tree: plant(self.folder / tree, FILES, tree) for tree in ("copied", "moved", "removed")
        }
        for file in ("file", "locked", "described"):
            (self.folder / file).write_bytes(b"content")
        self._give_away()

    def _give_away(self) -> None:
        """Let the server's user own it, whoever that is."""
        owner = self.folder.parent.stat()
        for above, folders, files in os.walk(self.folder):
            for each in (above, *(os.path.join(above, name) for name in (*folders, *files))):
                os.chown(each, owner.st_uid, owner.st_gid)

    def remove(self) -> None:
        """Remove the collection through the server."""
        with self.wire() as wire:
            assert wire.ask("DELETE", self.url).status == 204

    def wire(self) -> Wire:
        """A new connection to the server."""
        return Wire(self.server.host, self.server.port)

    def destination(self, name: str) -> dict[str, str]:
        """The fields of a COPY or MOVE to a member."""
        return {"Destination": f"{self.server.url[:-1]}{self.url}{name}"}


def _get(wire: Wire, scene: Scene) -> Response:
    return wire.ask("GET", f"{scene.url}file")


def _propfind(wire: Wire, scene: Scene) -> Response:
    return wire.ask("PROPFIND", f"{scene.url}copied/", {"Depth": "1"})


def _put(wire: Wire, scene: Scene) -> Response:
    return wire.ask("PUT", f"{scene.url}put", body=CONTENT)


def _mkcol(wire: Wire, scene: Scene) -> Response:
    return wire.ask("MKCOL", f"{scene.url}made")


def _copy(wire: Wire, scene: Scene) -> Response:
    return wire.ask("COPY", f"{scene.url}copied", scene.destination("copy"))


def _move(wire: Wire, scene: Scene) -> Response:
    return wire.ask("MOVE", f"{scene.url}moved", scene.destination("elsewhere"))


def _delete(wire: Wire, scene: Scene) -> Response:
    return wire.ask("DELETE", f"{scene.url}removed")


def _lock(wire: Wire, scene: Scene) -> Response:
    return wire.ask("LOCK", f"{scene.url}locked", body=LOCK.format(scope="exclusive").encode())


def _proppatch(wire: Wire, scene: Scene) -> Response:
    return wire.ask("PROPPATCH", f"{scene.url}described", body=setting(color="blue"))


def _ranged_put(wire: Wire, scene: Scene) -> Response:
    return put_part(wire, f"{scene.url}upload", CONTENT, 0, PART)


def _events(wire: Wire, scene: Scene) -> Response:
    reader = EventReader(wire, "/.davkeep/operations/events")
    wire.close()
    return Response((), reader.status, reader.fields, b"")


@dataclass(frozen=True)
class Kind:
    """How it is asked, and the status where nothing is missing."""

    ask: Callable[[Wire, Scene], Response]
    fine: int


KINDS: Mapping[str, Kind] = {
    "GET": Kind(_get, 200),
    "PROPFIND": Kind(_propfind, 207),
    "PUT": Kind(_put, 201),
    "MKCOL": Kind(_mkcol, 201),
    "COPY": Kind(_copy, 201),
    "MOVE": Kind(_move, 201),
    "DELETE": Kind(_delete, 204),
    "LOCK": Kind(_lock, 200),
    "PROPPATCH": Kind(_proppatch, 207),
    "ranged PUT": Kind(_ranged_put, 202),
    "event stream": Kind(_events, 200),
}


def check_that_all_works(scene: Scene) -> None:
    """Ask for every kind of request, each on a connection of its own, and see its result."""
    for name, kind in KINDS.items():
        with scene.wire() as wire:
            answer = kind.ask(wire, scene)
        assert answer.status == kind.fine, (name, answer)
        if name == "LOCK":
            unlock(scene, answer)
        if name == "PROPPATCH":
            (found,) = multistatus(answer).values()
            assert set(found.statuses.values()) == {200}
    finish_upload(scene)
    assert contents(scene.folder / "copy") == scene.trees["copied"]
    assert contents(scene.folder / "elsewhere") == scene.trees["moved"]
    assert not (scene.folder / "removed").exists()
    for name in ("put", "upload"):
        assert (scene.folder / name).read_bytes() == CONTENT


def unlock(scene: Scene, locked: Response) -> None:
    """End a lock that was granted."""
    token = {"Lock-Token": locked.fields["Lock-Token"]}
    with scene.wire() as wire:
        assert wire.ask("UNLOCK", f"{scene.url}locked", token).status == 204


def finish_upload(scene: Scene) -> None:
    """Go on with the upload where it stands, if it was begun, and complete it."""
    path = f"{scene.url}upload"
    with scene.wire() as wire:
        standing = wire.ask("HEAD", upload_path(path))
        first = 0 if standing.status == 404 else offset(standing)
        assert put_part(wire, path, CONTENT, first, len(CONTENT)).status == 201


def check_what_was_left(scene: Scene, name: str, answer: Response) -> None:
    """See that a request of kind ``name``, answered when something was missing, did all or nothing,
    and that its names are free: the whole collection can be moved and removed.
    """
    assert 200 <= answer.status < 600, answer
    is_done = answer.status == KINDS[name].fine
    _check_result(scene, name, is_done)
    if name == "LOCK" and is_done:
        unlock(scene, answer)
    if name == "ranged PUT":
        finish_upload(scene)
    target = {"Destination": f"{scene.server.url[:-1]}{scene.url[:-1]}-moved/"}
    with scene.wire() as wire:
        assert wire.ask("MOVE", scene.url, target).status == 201
        assert wire.ask("DELETE", f"{scene.url[:-1]}-moved/").status == 204


def _check_result(scene: Scene, name: str, is_done: bool) -> None:
    """What a reader sees is as before or as it was to be; and as was answered."""
    there = {path.name for path in scene.folder.iterdir() if not path.name.startswith(".davkeep")}
    if name == "COPY":
        assert ("copy" in there) is is_done
        assert not is_done or contents(scene.folder / "copy") == scene.trees["copied"]
    elif name == "MOVE":
        assert ("elsewhere" in there, "moved" in there) == (is_done, not is_done)
        seen = contents(scene.folder / ("elsewhere" if is_done else "moved"))
        assert seen == scene.trees["moved"]
    elif name in ("PUT", "MKCOL"):
        assert ({"PUT": "put", "MKCOL": "made"}[name] in there) is is_done
    elif name == "DELETE" and is_done:
        assert "removed" not in there


def check_nothing_hidden(server: RunningServer) -> None:
    """See that nothing stays out of sight for long."""
    until(lambda: not server.staging(), f"{server.staging()} is purged", PURGED)


def check_log(server: RunningServer) -> None:
    """See that nothing came as a surprise."""
    assert "Traceback" not in server.log, server.log[server.log.index("Traceback") - 500 :]
