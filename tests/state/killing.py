"""Starts that are killed at each of their steps, and what the next start finds.

``python -m state.killing CASE FOLDER`` prints at how many steps it killed one, and then a line for
each after which something was lost or came to belong to something else.
"""

import hashlib
import importlib
import json
import os
import pkgutil
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from state.earlier import lay_out

import davkeep.store
from crash.points import Points, System, install
from davkeep.app import make_site
from davkeep.settings.former import former_of
from davkeep.settings.load import load
from harness.dav import make
from harness.keys import naming
from harness.states import DATABASE

#: Everything that a start may move, migrate or give other keys.
Found = list[list[Any]]

ROOT, OTHER = "root", "other"
#: The exit status of a start that was killed.
KILLED = 9


class Place:
    """A user's home with states, and roots; made anew from a template for each start."""

    def __init__(self, case: str, folder: Path) -> None:
        self.folder = folder / "place"
        self._template = folder / "template"
        self.case = CASES[case]
        self.folder.mkdir()
        self.case(self)
        shutil.move(self.folder, self._template)

    def reset(self) -> None:
        """As before the start."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._template, self.folder, symlinks=True)

    @property
    def states(self) -> Path:
        """Where state folders are by default."""
        return self.folder / "home" / "davkeep"

    def former(self, *names: str) -> Path:
        """The state folder of a set of roots, as it was named."""
        roots = sorted(os.fsencode(self.folder / name) for name in names)
        return self.states / hashlib.sha256(b"\0".join(roots)).hexdigest()[:16]

    def start(self, names: dict[str, str], stop_at: int | None = None) -> int:
        """Start in a process of its own, which is killed at a step; return its exit status."""
        pid = os.fork()
        if pid == 0:
            try:
                self._be_start(names, stop_at)
            finally:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _be_start(self, names: dict[str, str], stop_at: int | None) -> None:
        points = Points(stop_at, lambda *_: os._exit(KILLED))
        _install(points)
        file = self.folder / "davkeep.yaml"
        mapping = {url: str(self.folder / name) for url, name in names.items()}
        file.write_text(json.dumps({"provider_mapping": mapping}))
        environ = {"XDG_STATE_HOME": str(self.folder / "home")}
        configuration = load(str(file), environ=environ)
        with ExitStack() as opened:
            make_site(configuration, opened, former_of(configuration, environ))
        os._exit(0)

    def found(self) -> Found:
        """What is stored now, by the real paths of what it is about."""
        with closing(sqlite3.connect(self.states / ".davkeep-state" / DATABASE)) as database:
            named = naming(database.execute)
            rows: Found = []
            for table, columns in _COLUMNS.items():
                for key, *more in database.execute(f"SELECT path, {columns} FROM {table}"):
                    path = os.fsdecode(named(key)).replace(str(self.folder), "")
                    rows.append([table, path, *map(str, more)])
            for (record,) in database.execute("SELECT record FROM journal"):
                key = os.fsencode(json.loads(record)["source"]["path"])
                path = os.fsdecode(named(key)).replace(str(self.folder), "")
                rows.append(["journal", path])
        return sorted(rows)


_COLUMNS = {"properties": "name, value", "locks": "token", "uploads": "name"}


def _install(points: Points) -> None:
    """The points of the crash tests, and those of the store's files."""
    install(points)
    system = System(points.reach)
    for found in pkgutil.iter_modules(davkeep.store.__path__, "davkeep.store."):
        module = importlib.import_module(found.name)
        if getattr(module, "os", None) is os:
            module.os = system  # type: ignore[attr-defined]


# The cases: each makes what is there before, and says what is started then.


def _of_the_same_roots(place: Place) -> None:
    """A state folder that is named by its roots."""
    lay_out(8, place.folder / ROOT, place.former(ROOT))


def _of_other_roots(place: Place) -> None:
    """The same, while a share was added."""
    make(place.folder / OTHER, {"file": b"x"})
    _of_the_same_roots(place)


def _inner_to_outer(place: Place) -> None:
    """A share whose state is of today, and in which another one lies."""
    make(place.folder / ROOT / "in", {"file": b"x"})
    assert place.start({"/": f"{ROOT}/in"}) == 0
    with closing(sqlite3.connect(place.states / ".davkeep-state" / DATABASE)) as database:
        ((prefix,),) = database.execute("SELECT prefix FROM shares")
        row = (prefix + b"/file", "{urn:x}color", b"<color/>")
        database.execute("INSERT INTO properties VALUES (?, ?, ?)", row)
        lock = ("urn:uuid:1", prefix + b"/file", "/file", "0", "exclusive", b"", "", None, None)
        database.execute("INSERT INTO locks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", lock)
        database.commit()


CASES: dict[str, Callable[[Place], None]] = {
    "same": _of_the_same_roots,
    "other": _of_other_roots,
    "inner": _inner_to_outer,
}
STARTED = {"same": {"/": ROOT}, "other": {"/a": ROOT, "/b": OTHER}, "inner": {"/": ROOT}}


def main(case: str, folder: str) -> None:
    """Kill at every step, and look."""
    place, started = Place(case, Path(folder)), STARTED[case]
    place.reset()
    assert place.start(started) == 0
    expected = place.found()
    assert expected
    number = 0
    lost = []
    while True:
        place.reset()
        status = place.start(started, stop_at=number + 1)
        if status == 0:
            break
        number += 1
        assert status == KILLED, status
        again = place.start(started)
        found = place.found() if again == 0 else [["the next start ends with", str(again)]]
        if found != expected:
            lost.append(f"killed at step {number}: {[x for x in found if x not in expected]}")
    print(number)
    print("\n".join(lost))


if __name__ == "__main__":
    main(*sys.argv[1:])
