"""The store fails at each statement of each request: what was there is there, or the change is
complete; then everything works again, and an orderly stop and a start change nothing.

`--every-statement` is the long form; the short one takes the first, the last, and some between.
"""

import logging
import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest

from crash.actions import Action
from crash.scene import Scene, State
from davkeep.store.database import Database
from davkeep.trees.marker import MARKER
from harness.dav import setting
from harness.disks import folder_in_memory
from harness.failing_store import Running, StoreFaults
from harness.store_requests import LOCK_BODY, REQUESTS, look, without_time
from harness.uploads import put_part, upload_path

#: What says that the store failed.
REFUSED = (503, 507)
#: How many statements of a request the short form tries.
SOME = 3


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Two shares with properties and locks."""
    with folder_in_memory() as memory:
        scene = Scene(tmp_path_factory.mktemp("store"), memory)
        _make_readable(scene)
        yield scene


def _make_readable(scene: Scene) -> None:
    """Give the scene properties that can be listed: XML."""
    scene.reset()
    with Database(scene.state) as database, database.transaction() as connection:
        for (path,) in database.rows("SELECT path FROM properties"):
            value = f'<is xmlns="urn:x">{quote(path)}</is>'.encode()
            connection.execute("UPDATE properties SET value = ? WHERE path = ?", (value, path))
    shutil.copytree(scene.state, scene.template, dirs_exist_ok=True)


@pytest.fixture
def faults() -> StoreFaults:
    """Nothing fails yet."""
    return StoreFaults()


class Trial:
    """One scene, and the servers that serve it one after the other."""

    def __init__(self, scene: Scene, faults: StoreFaults, log: Any, opened: ExitStack) -> None:
        self.scene = scene
        self.faults = faults
        self._log = log
        self._opened = opened
        self.running: Running

    def begin(self) -> State:
        """Make the scene anew, and serve it."""
        self.faults.heal()
        state = self.scene.reset()
        self.start()
        return state

    def start(self) -> None:
        """Serve what is there."""
        self.running = Running(self.scene.config, self.faults)
        self._opened.callback(self.running.stop)
        self.running.settle()

    def stop(self) -> None:
        """Stop in order; nothing is left hidden, and no operation in the journal."""
        self.running.stop()
        self.check_log()

    def restart(self) -> None:
        """An orderly stop and a start, which change nothing."""
        before = visible(self.look())
        self.stop()
        self.start()
        # From a start on nothing is left to be made good.
        changed = self.look().differences(before)
        assert not changed, "\n".join(["the restart changed:", *changed])

    def look(self, action: Action | None = None) -> State:
        """What there is now, by the server's own connection: it need not let in another one."""
        return look(self.scene, self.running.site.database.rows, action)

    def ask(self, action: Action) -> int:
        """Ask for something; return the status when all is over."""
        with self.running.wire() as wire:
            action.send(wire, self.scene, self.running.url)
            status = wire.response().status
            self.running.settle()
        return status

    def tell(self, method: str, url: str, body: bytes | None = None, **fields: str) -> int:
        """Ask for something else, with every lock token that there is."""
        lists = Action("", method, url, lambda _, state: state)._lists(self.scene, self.running.url)
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        with self.running.wire() as wire:
            status = wire.ask(method, url, {"If": " ".join(lists), **named}, body).status
            self.running.settle()
        return status

    def move(self, method: str, source: str, destination: str) -> int:
        """COPY or MOVE."""
        return self.tell(method, source, Destination=f"{self.running.url[:-1]}{destination}")

    def path(self, url: str) -> bytes:
        """Where a URL path leads to."""
        is_there = url.startswith("/there/")
        share = self.scene.there if is_there else self.scene.here
        return os.fsencode(share) + unquote_to_bytes(url.removeprefix("/there"))

    def told(self, line: str) -> int:
        """How often the log has a line."""
        return [record.getMessage() for record in self._log.records].count(line)

    def check_log(self) -> None:
        """What failed is told in one line."""
        traced = [record for record in self._log.records if record.exc_info]
        assert not traced, [record.getMessage() for record in traced]


@pytest.fixture
def trial(scene: Scene, faults: StoreFaults, caplog: pytest.LogCaptureFixture) -> Iterator[Trial]:
    """Make trials."""
    caplog.set_level(logging.INFO)
    with ExitStack() as opened:
        yield Trial(scene, faults, caplog, opened)
        faults.heal()


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    """How many statements those requests have, by name, of which that is known."""
    return {}


def statements(trial: Trial, action: Action, counted: dict[str, int]) -> int:
    """How many statements the request has that write; it is asked for once to see that."""
    if action.name not in counted:
        counted[action.name] = _count(trial, action)
    return counted[action.name]


def _count(trial: Trial, action: Action) -> int:
    trial.begin()
    trial.faults.heal()
    assert trial.ask(action) == action.status
    count = trial.faults.count
    trial.stop()
    return count


@pytest.mark.parametrize("goes_on", [False, True], ids=["once", "until-healed"])
@pytest.mark.parametrize("action", REQUESTS, ids=lambda action: action.name)
def test_each_statement(
    trial: Trial,
    action: Action,
    goes_on: bool,
    counted: dict[str, int],
    figures: Counter[str],
    pytestconfig: Any,
) -> None:
    """See above; in the short form either kind takes other statements between."""
    count = statements(trial, action, counted)
    name = f"{action.name} {goes_on}"
    for number in chosen(count, name, pytestconfig.getoption("--every-statement")):
        try:
            fails_at(trial, action, number, goes_on=goes_on)
        except AssertionError as error:
            raise AssertionError(f"statement {number} of {count}: {error}") from error
        figures["failures of the store"] += 1


def chosen(count: int, name: str, every: bool) -> list[int]:
    """The statements that fail, counted from 1."""
    numbers = list(range(1, count + 1))
    if every or count <= SOME:
        return numbers
    between = random.Random(name).sample(numbers[1:-1], SOME - 2)
    return sorted({1, count, *between})


def fails_at(trial: Trial, action: Action, number: int, *, goes_on: bool) -> None:
    """One failure, and what follows it."""
    old = trial.begin()
    new = action.model(trial.scene, old)
    trial.faults.fail(number, goes_on=goes_on)
    status = trial.ask(action)
    assert trial.faults.failed, "nothing failed"
    if goes_on:
        see_that_it_is_read(trial)
    trial.check_log()
    assert not trial.running.site.locks._held
    trial.faults.heal()
    is_done = status == action.status
    assert is_done or status in REFUSED, status
    if is_done:
        trial.running.pay()
    expect(trial, action, new if is_done else old)
    if not is_done and number % 2:
        assert trial.ask(action) == action.status
        expect(trial, action, new)
    use(trial, action)
    trial.restart()
    trial.stop()


def visible(state: State) -> State:
    """What a client sees: neither records, nor what is stored of names that are not there.

    Both may be left for as long as the store fails, and are gone before anything depends on it.
    """
    names = {path: what for path, what in state.names.items() if path != b"journal"}
    return State(
        names,
        {path: own for path, own in state.properties.items() if path in names},
        {path: token for path, token in state.locks.items() if path in names},
    )


def expect(trial: Trial, action: Action, state: State) -> None:
    """See that it is this state."""
    found = visible(trial.look(action))
    differences = found.differences(without_time(state, trial.scene, action))
    assert not differences, "\n".join(["found, and expected:", *differences])


def see_that_it_is_read(trial: Trial) -> None:
    """What needs no change of the state works, whatever fails."""
    assert trial.tell("OPTIONS", "/") == 200
    assert trial.tell("PROPFIND", "/", Depth="infinity") == 207
    with trial.running.wire() as wire:
        for method in ("GET", "HEAD"):
            assert wire.ask(method, "/src/plain").status in (200, 404)
        assert wire.ask("HEAD", upload_path("/nothing")).status == 404


def use(trial: Trial, action: Action) -> None:
    """Further requests on the same names: each has a property, a lock or both afterwards."""
    for url in filter(None, (action.source, action.destination)):
        with trial.running.wire() as wire:
            is_there = wire.ask("PROPFIND", url, {"Depth": "0"}).status == 207
        if not is_there:
            assert trial.tell("MKCOL", url) == 201
            found = trial.look()
            assert trial.path(url) not in found.properties.keys() | found.locks.keys()
            assert trial.tell("LOCK", url, LOCK_BODY, Depth="0") == 200
        elif url == action.source and action.method in ("COPY", "PUT"):
            assert trial.tell("DELETE", url) in (204, 423)


def paths(folder: Path) -> set[str]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != MARKER}


def full_at_each_statement(trial: Trial, *request: str) -> Iterator[int]:
    """Stop with each 507 of a MOVE, after which there is room again; wherever the disk was full."""
    number, status = 0, 507
    while status == 507:
        number += 1
        trial.begin()
        trial.faults.fail(number, goes_on=True)
        status = trial.move(*request)
        trial.faults.heal()
        if status == 507:
            yield number
        trial.stop()
    assert number > 5, "nothing failed at the effective point"


def test_a_source_is_not_removed_weeks_later(trial: Trial) -> None:
    """507, room again, something else at the destination, an orderly stop and a start."""
    for number in full_at_each_statement(trial, "MOVE", "/src", "/there/new"):
        source = paths(trial.scene.here / "src")
        assert trial.tell("MKCOL", "/there/new") == 201
        trial.restart()
        assert paths(trial.scene.here / "src") == source, number
        assert paths(trial.scene.there / "new") == set()


@pytest.mark.parametrize("destination", ["/sibling/new", "/there/new", "/dst"])
def test_nothing_is_moved_twice(trial: Trial, destination: str) -> None:
    """507, room again, the same MOVE, properties and a lock, an orderly stop and a start."""
    for _ in full_at_each_statement(trial, "MOVE", "/src", destination):
        assert trial.move("MOVE", "/src", destination) in (201, 204)
        for name in ("", "/plain"):
            assert trial.tell("PROPPATCH", f"{destination}{name}", setting(color="blue")) == 207
        assert trial.tell("LOCK", f"{destination}/plain", LOCK_BODY, Depth="0") == 200
        trial.restart()
        found, path = trial.look(), trial.path(destination)
        assert len(found.properties[path]) == 2
        assert path + b"/plain" in found.locks


@pytest.mark.parametrize("url", ["/file", "/sibling/one", "/src", "/dst"])
def test_a_full_disk_keeps_nobody_from_deleting(trial: Trial, url: str) -> None:
    """A file and a tree, with properties and locks, while nothing at all can be written."""
    trial.begin()
    trial.faults.fail(1, goes_on=True)
    assert trial.tell("DELETE", url) == 204
    see_that_it_is_read(trial)
    trial.faults.heal()
    assert trial.tell("MKCOL", url) == 201
    with trial.running.wire() as wire:
        found = wire.ask("PROPFIND", url, {"Depth": "infinity"}).body
    assert b"urn:x" not in found
    assert b"activelock" not in found
    trial.restart()


def test_locks_are_let_go_of_whatever_fails(trial: Trial) -> None:
    """An operation that relied on locks ends while nothing can be written."""
    trial.begin()
    for number in range(1, 40):
        trial.faults.fail(number, goes_on=True)
        trial.move("COPY", "/file", "/target")
        assert not trial.running.site.locks._held
        trial.check_log()
        trial.faults.heal()
        if not trial.faults.failed:
            break
    assert trial.move("COPY", "/file", "/target") == 204


def test_a_stop_while_nothing_can_be_written(trial: Trial) -> None:
    """It is an orderly one all the same, and the next start finds everything."""
    before = trial.begin()
    with trial.running.wire() as wire:
        assert wire.ask("PUT", "/sibling/new", {}, b"new").status == 201
    trial.faults.fail(1, goes_on=True)
    trial.stop()
    trial.faults.heal()
    trial.start()
    found = trial.look()
    assert found.properties == before.properties
    assert found.locks == before.locks


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (sqlite3.SQLITE_FULL, 507),
        (sqlite3.SQLITE_BUSY, 503),
        (sqlite3.SQLITE_IOERR, 500),
        (sqlite3.SQLITE_READONLY, 403),
    ],
)
def test_other_failures(trial: Trial, code: int, status: int) -> None:
    """Each has its status, and a line of the log that says what SQLite said; no traceback."""
    trial.begin()
    trial.faults.code = code
    trial.faults.fail(1, goes_on=True)
    assert trial.tell("PROPPATCH", "/file", setting(color="red")) == status
    assert trial.tell("LOCK", "/src/plain", LOCK_BODY, Depth="0") == status
    assert trial.tell("PUT", "/sibling/new", b"new") == status
    trial.check_log()
    assert trial.told(f"the state failed: code {code}, as a test wants it") == 3


def test_uploads_while_nothing_can_be_written(trial: Trial) -> None:
    """A part is refused or kept, nothing of it is half there, and giving it up works."""
    trial.begin()
    with trial.running.wire() as wire:
        assert put_part(wire, "/sibling/up", b"0123456789", 0, 5).status == 202
        trial.faults.fail(1, goes_on=True)
        assert wire.ask("HEAD", upload_path("/sibling/up")).status == 204
        assert wire.ask("HEAD", upload_path("/sibling/other")).status == 404
    with trial.running.wire() as wire:
        assert put_part(wire, "/sibling/up", b"0123456789", 5, 6).status in (202, *REFUSED)
    with trial.running.wire() as wire:
        assert put_part(wire, "/sibling/other", b"0123456789", 0, 5).status in REFUSED
    with trial.running.wire() as wire:
        assert wire.ask("DELETE", upload_path("/sibling/up")).status == 204
        assert wire.ask("HEAD", upload_path("/sibling/up")).status == 404
    assert not list(trial.scene.here.rglob(".davkeep-*"))
    trial.faults.heal()
    trial.check_log()
    with trial.running.wire() as wire:
        assert put_part(wire, "/sibling/up", b"0123456789", 0, 10).status == 201
    trial.restart()
