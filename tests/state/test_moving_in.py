"""From a state folder for each set of roots to one for all: what is there is found, and moved."""

import fcntl
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from state.earlier import MEMBERS, STATES, lay_out
from state.sites import Marked
from state.test_earlier import check

from harness.server import RunningServer
from harness.states import DATABASE
from harness.wire import Wire

NEWEST = max(STATES)


class Home(RunningServer):
    """A server of a user with a home, whose configuration names no state."""

    def __init__(self, home: Path, shares: dict[str, Path]) -> None:
        self.home = home
        mapping = {url: str(folder) for url, folder in shares.items()}
        block = {"state": None, "fsync": False}
        super().__init__(home, None, {"provider_mapping": mapping, "davkeep": block})

    @property
    def environment(self) -> dict[str, str]:
        """Where the state is by default."""
        return {"XDG_STATE_HOME": str(self.home / "state")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a user."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def former(home: Path, *roots: Path, place: str = "davkeep") -> Path:
    """The state folder of a set of roots, as it was named."""
    joined = b"\0".join(sorted(os.fsencode(root) for root in roots))
    return home / "state" / place / hashlib.sha256(joined).hexdigest()[:16]


def own(home: Path) -> Path:
    """The state folder of today."""
    return home / "state" / "davkeep" / ".davkeep-state"


@contextmanager
def serving(home: Path, **shares: Path) -> Iterator[Marked]:
    """A server over shares at the URLs of their names; ``root`` is that at ``/``."""
    urls = {name: "/" if name == "root" else f"/{name}" for name in shares}
    server = Home(home, {urls[name]: folder for name, folder in shares.items()})
    try:
        with Wire(server.host, server.port) as wire:
            yield Marked(server, wire)
        server.stop()
    finally:
        server.close()


@pytest.mark.parametrize("place", ["davkeep", ".davkeep"])
def test_the_state_of_the_same_roots(home: Path, tmp_path: Path, place: str) -> None:
    """Its folder becomes the one of today, with all that is in it."""
    root = tmp_path / "root"
    lay_out(NEWEST, root, former(home, root, place=place))
    instance = (former(home, root, place=place) / "instance").read_text()
    with serving(home, root=root) as marked:
        check(marked, 3, None)
    assert not former(home, root, place=place).exists()
    assert (own(home) / "instance").read_text() == instance
    assert (own(home) / f"davkeep-schema-{NEWEST}.sqlite3").exists()


def test_a_share_is_added_at_once(home: Path, tmp_path: Path) -> None:
    """What the state of fewer roots knows of them comes along, and from no other."""
    root, other = tmp_path / "root", tmp_path / "other"
    other.mkdir()
    lay_out(NEWEST, root, former(home, root))
    with serving(home, a=root, b=other) as marked:
        assert (marked.color("/a/file"), marked.color("/b/")) == ("red", None)
        assert marked.ask("PUT", "/a/file", b"x") == 423
    with serving(home, root=root) as marked:
        check(marked, 3, None)


def test_what_was_used_last_is_right(home: Path, tmp_path: Path) -> None:
    """Of two states that know a root the older one is left as it is."""
    root, other = tmp_path / "root", tmp_path / "other"
    other.mkdir()
    older, newer = former(home, root, other, tmp_path), former(home, root)
    lay_out(NEWEST, root, older)
    shutil.rmtree(root)
    lay_out(NEWEST, root, newer)
    with closing(sqlite3.connect(older / DATABASE)) as database:
        database.execute("UPDATE properties SET value = replace(value, 'blue', 'grey')")
        extra = (f"{root}/tree/01".encode(), "{urn:x}color", b'<color xmlns="urn:x">old</color>')
        database.execute("INSERT INTO properties VALUES (?, ?, ?)", extra)
        database.commit()
    os.utime(older / DATABASE, (1, 1))
    with serving(home, a=root, b=other) as marked:
        assert marked.color("/a/tree/00") == "blue"
        assert marked.color("/a/tree/01") is None
    assert older.exists()


def test_a_state_of_today_is_there_already(home: Path, tmp_path: Path) -> None:
    """What a former one knows of a root comes into it as soon as that root is served."""
    root, other = tmp_path / "root", tmp_path / "other"
    other.mkdir()
    with serving(home, b=other) as marked:
        marked.mark("/b")
    lay_out(NEWEST, root, former(home, root))
    with serving(home, root=root) as marked:
        check(marked, 3, None)
    with serving(home, a=root, b=other) as marked:
        assert marked.color("/a/file") == "red"
        assert marked.color("/b/file") == "/b"


def test_the_state_of_a_server_that_runs_is_left_to_it(home: Path, tmp_path: Path) -> None:
    """A former version works with it: nobody takes it away."""
    root = tmp_path / "root"
    lay_out(NEWEST, root, former(home, root))
    with (former(home, root) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AssertionError, match="is in use by another davkeep"):
            Home(home, {"/": root})
    assert former(home, root).exists()
    assert sorted(os.listdir(root))[-len(MEMBERS) :] == sorted(MEMBERS)
    with serving(home, root=root) as marked:
        check(marked, 3, None)


def test_a_named_state_stays_where_it_is(home: Path, tmp_path: Path) -> None:
    """Who names a folder has it, whatever lies where states were by default."""
    root = tmp_path / "root"
    lay_out(NEWEST, root, former(home, root))
    config = {"provider_mapping": {"/": str(root)}, "davkeep": {"fsync": False}}
    server = RunningServer(tmp_path, None, config)
    try:
        with Wire(server.host, server.port) as wire:
            assert Marked(server, wire).color("/file") is None
    finally:
        server.close()
    assert former(home, root).exists()


def test_a_root_that_had_moved_before(home: Path, tmp_path: Path) -> None:
    """A link was left where it was: the state that knows it by that path is found."""
    root = tmp_path / "root"
    lay_out(NEWEST, root, former(home, root))
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "moved")
    with serving(home, root=root) as marked:
        check(marked, 3, None)
    assert not former(home, root).exists()


def test_one_of_several_that_had_moved_before(home: Path, tmp_path: Path) -> None:
    """The same where another share was added."""
    root, other = tmp_path / "root", tmp_path / "other"
    other.mkdir()
    lay_out(NEWEST, root, former(home, root))
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "moved")
    with serving(home, a=root, b=other) as marked:
        assert (marked.color("/a/file"), marked.color("/b/")) == ("red", None)
