"""`davkeep state restore`: a backup becomes the state, and nothing comes to belong to others."""

import errno
import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from state.earlier import STATES, lay_out
from state.sites import Site, all_of

from davkeep.control import ask
from davkeep.store import restoring
from davkeep.store.backup import back_up_closed
from davkeep.store.database import Database
from davkeep.store.instance import instance_of
from davkeep.store.restoring import restoration
from davkeep.store.schema import STEPS
from davkeep.trees.marker import MARKER
from harness.commands import run
from harness.states import DATABASE, ask_database

KEPT = "davkeep-before-restore.sqlite3"
COLORS = "SELECT DISTINCT CAST(value AS TEXT) FROM properties"


@pytest.fixture
def backup(site: Site, one: Path, tmp_path: Path) -> Path:
    """A backup of a state that knows all of the share /s, and nothing of what came later."""
    file = tmp_path / "backup"
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
        assert ask(site.state, "backup", file=str(file)) == {}
        assert marked.ask("PROPPATCH", "/s/file", _LATER) == 207
    return file


_LATER = (
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><later xmlns="urn:x">1</later></D:prop>'
    b"</D:set></D:propertyupdate>"
)


def _restore(site: Site, file: Path, *more: str) -> list[str]:
    """What it says."""
    ended = run("state", "restore", "--state", str(site.state), str(file), *more)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def _refusal(site: Site, file: Path, *more: str) -> str:
    """What it says; nothing in the state folder is another than before, and nothing is new."""
    before = _names(site.state)
    ended = run("state", "restore", "--state", str(site.state), str(file), *more)
    assert (ended.returncode, ended.stdout) == (2, ""), ended
    assert "Traceback" not in ended.stderr
    assert _names(site.state) == before | {"lock": _names(site.state)["lock"]}
    return ended.stderr


def _names(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_ino for each in folder.iterdir()}


def _has_later(database: Path) -> bool:
    return bool(ask_database(database, "SELECT 1 FROM properties WHERE name = '{urn:x}later'"))


def test_in_the_place_of_a_state(site: Site, one: Path, backup: Path) -> None:
    """What was stored later is gone from it, and kept beside; the shares fit."""
    name = (site.state / "instance").read_bytes()
    fits, *told = _restore(site, backup)
    assert fits.startswith(f"{one}, the share ")
    assert fits.endswith(": fits")
    assert told == [
        f"{backup} is the state in {site.state} now",
        f"what was there before is kept in {site.state / KEPT}",
    ]
    assert _has_later(site.state / KEPT)
    assert not _has_later(site.state / DATABASE)
    assert (site.state / DATABASE).stat().st_mode & 0o777 == 0o600
    assert (site.state / "instance").read_bytes() == name
    with site.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s")
        marked.finish("/s")
    assert [each.name for each in one.rglob(".davkeep*")] == [MARKER]


def test_it_can_be_taken_back(site: Site, backup: Path) -> None:
    """What was kept can be restored as well, and nothing that is kept is overwritten."""
    _restore(site, backup)
    _restore(site, site.state / KEPT)
    assert _has_later(site.state / DATABASE)
    assert _has_later(site.state / KEPT)
    assert not _has_later(site.state / "davkeep-before-restore-2.sqlite3")
    _restore(site, backup)
    assert _has_later(site.state / "davkeep-before-restore-3.sqlite3")


def test_into_an_empty_folder(site: Site, one: Path, backup: Path) -> None:
    """It has the instance's name again."""
    name = (site.state / "instance").read_bytes()
    shutil.rmtree(site.state)
    site.state.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(site.state, 12345, 12345)
    assert len(_restore(site, backup)) == 2
    assert sorted(_names(site.state)) == [DATABASE, "instance", "lock"]
    owners = {each.stat().st_uid for each in (site.state, *site.state.iterdir())}
    assert len(owners) == 1
    assert (site.state / "instance").read_bytes() == name
    with site.serving({"/s": one}) as marked:
        assert marked.seen("/s") == all_of("/s")


def test_what_a_kill_has_left_is_of_the_old_one(site: Site, one: Path, backup: Path) -> None:
    """What is written ahead is in the database that is kept, and not applied to the other."""
    with site.serving_apart({"/s": one}) as marked:
        assert marked.wire.ask("PROPPATCH", "/s/locked", {}, _LATER).status in (207, 423)
        assert marked.ask("PROPPATCH", "/s/", _LATER) == 207
        marked.server.stop(signal.SIGKILL)
        assert (site.state / f"{DATABASE}-wal").stat().st_size
        _restore(site, backup)
    assert not (site.state / f"{DATABASE}-wal").exists()
    assert not _has_later(site.state / DATABASE)
    assert len(ask_database(site.state / KEPT, "SELECT 1 FROM properties WHERE name LIKE '%r'"))
    assert ask_database(site.state / DATABASE, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("broken", [b"garbage " * 1000, b"", None])
def test_in_the_place_of_a_broken_one(tmp_path: Path, broken: bytes | None) -> None:
    """It is kept as it is, with what was written ahead; nothing of that is applied."""
    state, file = tmp_path / "broken", tmp_path / "backup"
    with _filled(tmp_path / "other", "new") as other:
        other.back_up(file, lambda: None)
    _copy_killed(_filled(tmp_path / "state", "old"), tmp_path / "state", state)
    ahead = (state / f"{DATABASE}-wal").read_bytes()
    if broken is None:
        (state / DATABASE).unlink()
    else:
        (state / DATABASE).write_bytes(broken)
    _restored(state, file)
    assert not (state / f"{DATABASE}-wal").exists()
    assert (state / f"{KEPT}-wal").read_bytes() == ahead
    assert ask_database(state / DATABASE, COLORS) == [("new",)]
    if broken:
        assert (state / KEPT).read_bytes() == broken


def _restored(state: Path, file: Path) -> Path | None:
    """Where it is kept what was there before."""
    with restoration(state, file) as restored:
        return restored.apply()


def test_while_a_server_runs(site: Site, one: Path, backup: Path) -> None:
    """It is refused in words, also with --force."""
    with site.serving({"/s": one}):
        for more in ([], ["--force"]):
            assert "Stop the server first." in _refusal(site, backup, *more)


def test_what_is_no_backup(site: Site, backup: Path, tmp_path: Path) -> None:
    """Each is refused in one line, and leaves nothing."""
    files = {each: tmp_path / each for each in ("text", "other", "newer", "damaged", "ahead")}
    files["text"].write_bytes(b"no database" * 100)
    with closing(sqlite3.connect(files["other"])) as other:
        other.execute("CREATE TABLE locks (x)")
        other.commit()
    for name in ("newer", "damaged", "ahead"):
        shutil.copy(backup, files[name])
    with closing(sqlite3.connect(files["newer"])) as newer:
        newer.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with files["damaged"].open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    Path(f"{files['ahead']}-wal").write_bytes(b"ahead")
    told = {
        "text": "it is no database",
        "other": "none of davkeep",
        "newer": f"newer davkeep (schema {len(STEPS) + 1}",
        "damaged": "is damaged",
        "ahead": "is not complete without ahead-wal",
    }
    for name, words in told.items():
        refusal = _refusal(site, files[name], "--force")
        assert refusal.count("\n") == 1
        assert words in refusal
        assert str(files[name]) in refusal
    assert "is no file" in _refusal(site, tmp_path / "none")
    assert "is the database itself" in _refusal(site, site.state / DATABASE)


def test_shares_that_do_not_fit(site: Site, one: Path, backup: Path, tmp_path: Path) -> None:
    """All are listed, root by root, and it is refused; with --force it is not."""
    roots = {each: tmp_path / each for each in ("other", "foreign", "unmarked", "gone", "broken")}
    for root in roots.values():
        root.mkdir()
    with site.serving({f"/{name}": root for name, root in roots.items()}):
        assert ask(site.state, "backup", file=str(backup)) == {}
    _mark(roots["other"], share="00000000-0000-0000-0000-000000000000")
    _mark(roots["foreign"], state="0123abcd")
    shutil.rmtree(roots["unmarked"])
    (tmp_path / "taken").mkdir()
    roots["unmarked"].mkdir()
    shutil.rmtree(roots["gone"])
    (roots["broken"] / MARKER).write_bytes(b"{}")
    refused, *listed = _refusal(site, backup).splitlines()
    assert "--force" in refused
    found = {line.split(", the share ")[0].split("/")[-1]: line for line in listed}
    told = {
        "one": "fits",
        "other": "is another share now",
        "foreign": "belongs to another state now",
        "unmarked": "is not marked",
        "gone": "is not there",
        "broken": "cannot be looked at",
    }
    assert {name: line.rpartition(": ")[2] for name, line in found.items()} == told
    restored = _restore(site, backup, "--force")
    advice = [line for line in restored if line.startswith("to let that be the share: davkeep")]
    assert (len(restored), len(advice)) == (len(told) + 2 + 4, 4)


def test_into_a_folder_that_is_not_there(site: Site, one: Path, backup: Path) -> None:
    """It is made, if there is something to restore."""
    shutil.rmtree(site.state)
    ended = run("state", "restore", "--state", str(site.state), str(backup.with_name("none")))
    assert (ended.returncode, ended.stderr.endswith("is no file\n")) == (2, True)
    assert not site.state.exists()
    _restore(site, backup)
    assert site.state.stat().st_mode & 0o777 == 0o700
    with site.serving({"/s": one}) as marked:
        assert marked.color("/s/file") == "/s"


def _mark(root: Path, **changed: str) -> None:
    text = json.loads((root / MARKER).read_bytes())
    (root / MARKER).write_text(json.dumps(text | changed))


def test_a_root_that_is_not_there_is_no_obstacle(site: Site, one: Path, backup: Path) -> None:
    """A disk may come back later."""
    one.rename(one.with_name("aside"))
    assert _restore(site, backup)[0].endswith(": is not there")


def test_an_earlier_schema(site: Site, one: Path, backup: Path, tmp_path: Path) -> None:
    """It is restored as it is, and brought up by the next start."""
    earlier = tmp_path / "earlier"
    lay_out(min(STATES), tmp_path / "root", earlier)
    copied = tmp_path / "copied"
    back_up_closed(earlier, copied)
    _restore(site, copied)
    with site.serving({"/": tmp_path / "root"}) as marked:
        assert marked.color("/file") == "red"


STEPS_OF_IT = [
    (os, "link"),
    (os, "replace"),
    (restoring, "flush_folder"),
    (restoring, "write_file"),
    (restoring, "_write_back"),
    (restoring, "become_copy"),
]


class _Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize(("module", "step"), STEPS_OF_IT, ids=[each[1] for each in STEPS_OF_IT])
@pytest.mark.parametrize("is_done", [False, True])
def test_a_kill_at_each_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: object, step: str, is_done: bool
) -> None:
    """Before it and after it: what is there is the old state or the new one, whole and usable."""
    state, file = tmp_path / "state", tmp_path / "backup"
    _filled(tmp_path / "other", "new").back_up(file, lambda: None)
    database = _filled(state, "old")
    _copy_killed(database, state, tmp_path / "killed")
    original = getattr(module, step)

    def killed(*values: object, **named: object) -> None:
        if is_done:
            original(*values, **named)
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, step, killed)
        with pytest.raises(_Killed):
            _restored(tmp_path / "killed", file)
    with Database(tmp_path / "killed") as after:
        ((color,),) = after.rows(COLORS)
        assert color in ("old", "new")
        assert after.rows("PRAGMA integrity_check") == [("ok",)]
    _restored(tmp_path / "killed", file)
    assert ask_database(tmp_path / "killed" / DATABASE, COLORS) == [("new",)]
    assert not (tmp_path / "killed" / restoring.STAGED).exists()
    kept = sorted((tmp_path / "killed").glob("davkeep-before-restore*.sqlite3"))
    assert [("old",)] in [ask_database(each, COLORS) for each in kept]


def _filled(folder: Path, color: str) -> Database:
    """An open state that has a name, and of which something is still written ahead."""
    database = Database(folder, flushes=False)
    with database.transaction() as connection:
        connection.execute("INSERT INTO meta VALUES ('instance', 'abcd')")
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.transaction() as connection:
        connection.execute("INSERT INTO properties VALUES (x'2F61', 'c', ?)", (color.encode(),))
    return database


def _copy_killed(database: Database, folder: Path, target: Path) -> None:
    """What a kill would leave of a state."""
    shutil.copytree(folder, target)
    assert (target / f"{DATABASE}-wal").stat().st_size
    database.close()


def test_the_name_of_the_instance(tmp_path: Path) -> None:
    """That of the backup is in the file as well, whatever was there."""
    state, file = tmp_path / "state", tmp_path / "backup"
    with _filled(tmp_path / "other", "new") as other, Database(state) as old:
        other.back_up(file, lambda: None)
        assert instance_of(old) != "abcd"
    _restored(state, file)
    assert (state / "instance").read_bytes() == b"abcd"
    with Database(state) as new:
        assert instance_of(new) == "abcd"


def test_a_file_system_without_links(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was there before is copied then."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no")

    file = tmp_path / "backup"
    with _filled(tmp_path / "other", "new") as other, _filled(tmp_path / "state", "old"):
        other.back_up(file, lambda: None)
    monkeypatch.setattr(os, "link", refuse)
    kept = _restored(tmp_path / "state", file)
    assert kept is not None
    assert ask_database(kept, COLORS) == [("old",)]
    assert ask_database(tmp_path / "state" / DATABASE, COLORS) == [("new",)]
