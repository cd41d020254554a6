"""A state that cannot be used: one line that says what to do, and nothing is touched."""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.dav import setting
from harness.server import RunningServer, Serve
from harness.states import DATABASE, refused

Break = Callable[[Path], object]


@pytest.fixture
def lived(serve: Serve, root: Path, wire: Any) -> RunningServer:
    """A server that has stored something and was stopped."""
    server = serve()
    (root / "file").write_bytes(b"x")
    with wire(server) as client:
        for number in range(40):
            fields = setting(**{f"p{number}": "x" * 2000})
            assert client.ask("PROPPATCH", "/file", body=fields).status == 207
    assert server.stop() == 0
    return server


def _truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2 // 4096 * 4096)


def _torn(file: Path) -> None:
    """Two pages in its middle are nothing: of the properties, which a start does not read."""
    with file.open("r+b") as content:
        content.seek(file.stat().st_size // 2 // 4096 * 4096)
        content.write(b"\xff" * 8192)


def _without_roots(file: Path) -> None:
    """Every page but the first is nothing, so that no table can be read."""
    with file.open("r+b") as content:
        content.seek(4096)
        content.write(b"\xff" * (file.stat().st_size - 4096))


BROKEN: dict[str, tuple[Break, str]] = {
    "garbage": (lambda file: file.write_bytes(b"garbage " * 4096), "is damaged"),
    "truncated": (_truncated, "is damaged"),
    "unreadable tables": (_without_roots, "is damaged"),
    "empty": (lambda file: os.truncate(file, 0), "is empty, and there was one before"),
    "missing": (lambda file: file.unlink(), "is missing, and there was one before"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_database_is_one_line(lived: RunningServer, root: Path, how: str) -> None:
    """Status 2 and what to do, also the second time; it is not replaced by an empty one."""
    damage, said = BROKEN[how]
    file = lived.state / DATABASE
    damage(file)
    before = file.read_bytes() if file.exists() else None
    for _ in range(2):
        line = refused(lived.state, root)
        assert said in line
        assert "Restore a backup, or move the folder away" in line
    assert (file.read_bytes() if file.exists() else None) == before


def test_after_a_crash_everything_is_looked_at(serve: Serve, root: Path, wire: Any) -> None:
    """Damage deep inside, which is not met by a start in order, is found by one after a SIGKILL."""
    server = serve()
    (root / "file").write_bytes(b"x")
    with wire(server) as client:
        for number in range(40):
            fields = setting(**{f"p{number}": "x" * 2000})
            assert client.ask("PROPPATCH", "/file", body=fields).status == 207
    server.stop(signal.SIGKILL)
    with closing(sqlite3.connect(server.state / DATABASE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _torn(server.state / DATABASE)
    assert "is damaged" in refused(server.state, root)


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0\0\0\0\0", b"no name!"])
def test_a_broken_name_is_mended_from_the_database(lived: RunningServer, content: bytes) -> None:
    """The file of the instance's name is written anew, and that is said once."""
    file = lived.state / "instance"
    name = file.read_bytes()
    file.write_bytes(content)
    lived.start()
    assert file.read_bytes() == name
    assert lived.log.count("it is mended") == 1
    lived.stop()


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0\0\0\0\0"])
def test_a_broken_name_that_is_nowhere_else(
    lived: RunningServer, root: Path, content: bytes
) -> None:
    """Of a state from before the database had it: refused, with what to do."""
    with closing(sqlite3.connect(lived.state / DATABASE)) as database:
        database.execute("DELETE FROM meta WHERE key = 'instance'")
        database.commit()
    (lived.state / "instance").write_bytes(content)
    line = refused(lived.state, root)
    assert "instance does not hold the instance's name" in line
    assert "else remove it" in line


def test_the_name_of_a_state_from_before_is_taken_over(lived: RunningServer) -> None:
    """A valid file is the name, and the database has it from then on."""
    with closing(sqlite3.connect(lived.state / DATABASE)) as database:
        database.execute("DELETE FROM meta WHERE key = 'instance'")
        database.commit()
    file = lived.state / "instance"
    name = file.read_bytes()
    for _ in range(2):
        lived.start()
        lived.stop()
        assert file.exists() is False or file.read_bytes() == name
        file.unlink(missing_ok=True)
    lived.start()
    assert file.read_bytes() == name


def test_another_program_has_the_database_open(lived: RunningServer, root: Path) -> None:
    """One line at the start; once it has let go, all is well."""
    with closing(sqlite3.connect(lived.state / DATABASE)) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM properties").fetchone() == (40,)
        assert "is open in another program: end that first" in refused(lived.state, root)
    lived.start()


def test_no_program_can_make_a_request_wait(serve: Serve, root: Path, wire: Any) -> None:
    """While the server runs, who opens its database for a backup is refused, at once."""
    server = serve()
    (root / "file").write_bytes(b"x")
    with closing(sqlite3.connect(server.state / DATABASE, timeout=0)) as other:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        with wire(server) as client:
            assert client.ask("PROPFIND", "/file", {"Depth": "0"}).status == 207
            assert client.ask("PROPPATCH", "/file", body=setting(a="1")).status == 207
