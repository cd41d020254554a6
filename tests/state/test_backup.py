"""`davkeep state backup`: a copy that opens as an ordinary database, made without holding up."""

import os
import shutil
import signal
import socket
import sqlite3
import statistics
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from davkeep.control import ask
from davkeep.store.backup import BackupError
from davkeep.store.database import Database
from harness.commands import run
from harness.dav import setting
from harness.disks import mounted
from harness.server import DEADLINE, RunningServer, Serve
from harness.states import DATABASE, ask_database
from harness.waiting import until

NAMES = "SELECT name FROM properties ORDER BY name"


@pytest.fixture
def server(serve: Serve, root: Path, wire: Any) -> RunningServer:
    """A server that has stored a property."""
    (root / "file").write_bytes(b"x")
    server = serve()
    with wire(server) as client:
        assert client.ask("PROPPATCH", "/file", body=setting(a="1")).status == 207
    return server


def _refusal(*arguments: str) -> tuple[int, str]:
    ended = run("state", "backup", *arguments)
    assert ended.stdout == ""
    assert ended.stderr.startswith("davkeep: ")
    assert ended.stderr.count("\n") == 1
    return ended.returncode, ended.stderr


def _done(*arguments: str) -> None:
    ended = run("state", "backup", *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("runs", [True, False])
def test_a_copy(server: RunningServer, tmp_path: Path, runs: bool) -> None:
    """Of a server that runs and of one that does not: the owner's alone, whole, one plain file."""
    if not runs:
        server.stop()
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "copy"
    file.write_bytes(b"an older one")
    file.chmod(0o644)
    _done(str(file), "--state", str(server.state))
    assert [each.name for each in folder.iterdir()] == ["copy"]
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o400)
    assert ask_database(file, NAMES) == [("{urn:x}a",)]
    assert ask_database(file, "PRAGMA integrity_check") == [("ok",)]
    assert ask_database(file, "PRAGMA journal_mode") == [("delete",)]
    assert [each.name for each in folder.iterdir()] == ["copy"]


def test_by_the_configuration(server: RunningServer, tmp_path: Path) -> None:
    """`-c FILE` finds the state that it names; a relative FILE is meant from where one is."""
    _done("-c", str(server.folder / "davkeep.yaml"), os.path.relpath(tmp_path / "copy"))
    assert (tmp_path / "copy").exists()


def test_a_copy_becomes_the_state(server: RunningServer, tmp_path: Path, wire: Any) -> None:
    """In the place of a database that is broken it is served, under the name that it had."""
    _done(str(tmp_path / "copy"), "--state", str(server.state))
    name = (server.state / "instance").read_bytes()
    server.stop(signal.SIGKILL)
    for path in server.state.iterdir():
        path.unlink()
    shutil.copy(tmp_path / "copy", server.state / DATABASE)
    server.start()
    assert (server.state / "instance").read_bytes() == name
    with wire(server) as client:
        assert b"x:a" in client.ask("PROPFIND", "/file", {"Depth": "0"}).body


def test_what_cannot_be_copied(server: RunningServer, tmp_path: Path) -> None:
    """One line each, status 1 for what failed and 2 for what is wrong; nothing is left or lost."""
    state = str(server.state)
    before = (server.state / DATABASE).read_bytes()
    assert _refusal(f"{tmp_path}/missing/copy", "--state", state)[0] == 1
    assert _refusal(str(tmp_path), "--state", state)[0] == 1
    own = _refusal(str(server.state / DATABASE), "--state", state)
    assert own[0] == 1
    assert "lies in the state folder itself" in own[1]
    assert _refusal(str(tmp_path / "copy"), "--state", f"{tmp_path}/none")[0] == 2
    assert _refusal(str(tmp_path / "copy"), "-c", f"{tmp_path}/none.yaml")[0] == 2
    assert _refusal("--state", state)[0] == 2
    assert not list(tmp_path.glob(".davkeep-*"))
    assert (server.state / DATABASE).read_bytes() == before
    server.stop()
    (tmp_path / "empty").mkdir()
    assert _refusal(str(tmp_path / "copy"), "--state", f"{tmp_path}/empty")[0] == 1
    (server.state / DATABASE).write_bytes(b"garbage " * 1000)
    assert _refusal(str(tmp_path / "copy"), "--state", state)[0] == 2
    assert not (tmp_path / "copy").exists()


def test_no_room_for_it(server: RunningServer, tmp_path: Path, wire: Any) -> None:
    """A full disk is said, nothing is left there, and the server is none the worse for it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts")
    with wire(server) as client:
        big = setting(b="x" * 300_000)
        assert client.ask("PROPPATCH", "/file", body=big).status == 207
        with mounted(tmp_path / "small", "64k") as folder:
            status, said = _refusal(str(folder / "copy"), "--state", str(server.state))
            assert (status, list(folder.iterdir())) == (1, [])
            assert "full" in said or "No space" in said
        assert client.ask("PROPPATCH", "/file", body=setting(c="1")).status == 207


def test_the_socket_is_private(server: RunningServer, tmp_path: Path) -> None:
    """Only the owner can ask; what is no request is refused; it is gone when the server is."""
    path = server.state / "control"
    assert path.stat().st_mode & 0o777 == 0o600
    assert ask(server.state, "nonsense") == {"error": "this server knows no such command"}
    server.stop()
    assert ask(server.state, "backup", file=str(tmp_path / "copy")) is None


def test_a_long_path(serve: Serve, tmp_path: Path) -> None:
    """A state folder whose path no socket address has room for is administered all the same."""
    state = tmp_path / ("long" * 30) / ("longer" * 20) / "state"
    serve(state=str(state))
    _done(str(tmp_path / "copy"), "--state", str(state))


def test_who_says_nothing_holds_nobody_up(server: RunningServer, tmp_path: Path) -> None:
    """A program that connects and is silent is left, and a stop does not wait for it."""
    with socket.socket(socket.AF_UNIX) as silent:
        folder = os.open(server.state, os.O_PATH)
        silent.connect(f"/proc/self/fd/{folder}/control")
        os.close(folder)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 5


def test_nobody_waits_for_a_backup(tmp_path: Path) -> None:
    """While 90 MB are copied, others change and read; none waits long, and all is in the copy."""
    longest: list[float] = []
    with Database(tmp_path / "state", flushes=False) as database:
        with database.transaction() as connection:
            connection.executemany(
                "INSERT INTO properties VALUES (?, 'p', ?)",
                ((b"/%d" % number, bytes(1000)) for number in range(20_000)),
            )
        ended = threading.Event()

        def work() -> None:
            number = 0
            while not ended.is_set():
                begun = time.monotonic()
                with database.transaction() as connection:
                    values = (b"/new/%d" % number,)
                    connection.execute("INSERT INTO properties VALUES (?, 'n', x'')", values)
                longest.append(time.monotonic() - begun)
                number += 1
                ended.wait(0.001)

        worker = threading.Thread(target=work)
        worker.start()
        until(lambda: longest, "it works")
        database.back_up(tmp_path / "copy", lambda: ended.wait(0.002))
        ended.set()
        worker.join(DEADLINE)
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        (count,) = copy.execute("SELECT count(*) FROM properties WHERE name = 'p'").fetchone()
        (new,) = copy.execute("SELECT count(*) FROM properties WHERE name = 'n'").fetchone()
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert count == 20_000
    assert 0 < new <= len(longest)
    assert statistics.quantiles(longest, n=100)[-1] < 0.05, max(longest)


def test_after_a_crash(server: RunningServer, tmp_path: Path) -> None:
    """The socket that a killed server has left is in nobody's way."""
    server.stop(signal.SIGKILL)
    assert (server.state / "control").is_socket()
    _done(str(tmp_path / "copy"), "--state", str(server.state))
    assert ask_database(tmp_path / "copy", NAMES) == [("{urn:x}a",)]
    server.start()
    assert ask(server.state, "backup", file=str(tmp_path / "again")) == {}
    assert ask_database(tmp_path / "again", NAMES) == [("{urn:x}a",)]
    assert "no backup can be asked for" not in server.log


def test_a_backup_that_a_stop_ends(tmp_path: Path) -> None:
    """It is given up between two slices: the older file is there still, and nothing else."""
    folder, pauses = tmp_path / "backups", 0
    folder.mkdir()
    (folder / "copy").write_bytes(b"an older one")

    def pause() -> None:
        nonlocal pauses
        pauses += 1
        raise BackupError("the server stops")

    with Database(tmp_path / "state", flushes=False) as database:
        with database.transaction() as connection:
            values = ((b"/%d" % number, bytes(1000)) for number in range(500))
            connection.executemany("INSERT INTO properties VALUES (?, 'p', ?)", values)
        with pytest.raises(BackupError, match="the server stops"):
            database.back_up(folder / "copy", pause)
        assert database.rows("SELECT count(*) FROM properties") == [(500,)]
    assert pauses == 1
    assert [path.read_bytes() for path in folder.iterdir()] == [b"an older one"]
