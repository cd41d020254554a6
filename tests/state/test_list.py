"""`davkeep state list`: what is stored about each share, of a server that runs and of none."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from state.earlier import STATES, lay_out
from state.sites import Site

from davkeep.administration import FULL
from davkeep.store.database import Database
from davkeep.store.holdings import SLICE, Subject, holding
from davkeep.store.schema import STEPS
from davkeep.trees.marker import MARKER
from harness.commands import run
from harness.states import ask_database


def _listed(site: Site) -> dict[str, dict[str, Any]]:
    """By their roots."""
    ended = run("state", "list", "--json", "--state", str(site.state))
    assert (ended.returncode, ended.stderr) == (0, "")
    return {each["root"]: each for each in json.loads(ended.stdout)}


def _table(site: Site) -> list[str]:
    ended = run("state", "list", "--state", str(site.state))
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def _files(folder: Path) -> dict[str, Any]:
    """Names, times and content of what lies in a folder."""
    return {
        each.name: (each.stat().st_mtime_ns, each.is_file() and each.read_bytes())
        for each in folder.iterdir()
    }


def test_what_is_stored(site: Site, one: Path, tmp_path: Path) -> None:
    """The same with a server and without, but for whether the share is served now."""
    two = tmp_path / "two"
    two.mkdir()
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    with site.serving({"/t": two}):
        with_server = _listed(site)
        heads, first, second = _table(site)
    without = _listed(site)
    for listed in (with_server, without):
        told = listed[str(one)]
        assert json.loads((one / MARKER).read_bytes())["share"] == told["share"]
        assert (told["properties"], told["locks"], told["uploads"]) == (2, 1, 1)
        assert (told["arrived"], told["records"], told["outer"]) == (5, 0, None)
        assert told["stored"] > 100
        assert 0 <= told["age"] < 600
        assert listed[str(two)]["properties"] == 0
    assert with_server[str(two)].pop("is_served")
    assert not without[str(two)].pop("is_served")
    assert not with_server[str(one)]["is_served"]
    assert heads.split()[0] == "SHARE"
    lines = {line.split()[-1]: line.split()[1:-1] for line in (first, second)}
    assert lines[str(two)][0] == "served"
    assert lines[str(one)][-1] == "0"
    assert "ago" in lines[str(one)]


def test_nothing_is_changed(site: Site, one: Path) -> None:
    """Of what a kill has left: what is written ahead is read, and nothing of it is written."""
    with site.serving_apart({"/s": one}) as marked:
        marked.mark("/s")
        marked.server.stop(signal.SIGKILL)
        before = _files(site.state)
        assert before["davkeep.sqlite3-wal"][1]
        assert _listed(site)[str(one)]["locks"] == 1
        assert _files(site.state) == before


def test_a_share_within_another(site: Site, one: Path) -> None:
    """What is stored about it belongs to the outer one, and is counted once."""
    inner = one / "inner"
    inner.mkdir()
    with site.serving({"/": one, "/in": inner}) as marked:
        marked.mark("/in")
        listed = _listed(site)
        table = _table(site)
    assert listed[str(inner)]["outer"] == listed[str(one)]["share"]
    assert (listed[str(inner)]["properties"], listed[str(one)]["properties"]) == (0, 2)
    (line,) = [line for line in table if line.endswith(str(inner))]
    assert f"in {listed[str(one)]['share'][:8]}" in line


def test_what_waits(site: Site, one: Path, tmp_path: Path) -> None:
    """Of an earlier schema, whose share is not served: the folder that holds all of it, and the
    record of a COPY that a kill cut off.
    """
    lay_out(max(STATES), tmp_path / "root", site.state)
    with site.serving({"/": one}):
        with_server = _listed(site)
        assert [line for line in _table(site) if line.startswith("(waits)")]
    told = with_server[str(tmp_path / "root")]
    assert _listed(site)[str(tmp_path / "root")] == told
    assert (told["share"], told["age"], told["records"]) == (None, None, 1)
    assert (told["properties"], told["locks"], told["uploads"]) == (4, 2, 1)


@pytest.mark.parametrize("schema", [min(STATES), max(STATES)])
def test_an_earlier_schema_is_not_brought_up(schema: int, site: Site, tmp_path: Path) -> None:
    """It is said what to do, and the database stays what it is."""
    lay_out(schema, tmp_path / "root", site.state)
    ended = run("state", "list", "--state", str(site.state))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "serve it once" in ended.stderr
    assert ask_database(site.state / "davkeep.sqlite3", "PRAGMA user_version") == [(schema,)]
    assert len(STEPS) > schema


def test_what_cannot_be_listed(site: Site, tmp_path: Path) -> None:
    """No folder, no database, a broken one, one in use: each in one line, and nothing is made."""
    refusals = {}
    site.state.mkdir()
    refusals["holds no database"] = run("state", "list", "--state", str(site.state))
    refusals["no state folder"] = run("state", "list", "--state", f"{tmp_path}/none")
    with Database(tmp_path / "used"):
        refusals["in use"] = run("state", "list", "--state", f"{tmp_path}/used")
    (site.state / "davkeep.sqlite3").write_bytes(b"garbage " * 1000)
    refusals["is damaged"] = run("state", "list", "--state", str(site.state))
    for words, ended in refusals.items():
        assert (ended.returncode, ended.stdout) == (2, ""), ended
        assert ended.stderr.count("\n") == 1
        assert words in ended.stderr


def test_a_state_without_shares(site: Site) -> None:
    """There is nothing to show, which is said."""
    with Database(site.state):
        pass
    assert _table(site) == ["nothing is stored about any share"]
    assert _listed(site) == {}


def test_it_is_counted_in_slices(tmp_path: Path) -> None:
    """Nothing is left out or counted twice, also where one key has more rows than a slice."""
    pauses: list[None] = []
    keys = [b"/s", b"/s!", b"/s/a", *[b"/s/b"] * (2 * SLICE + 1), *[b"/s/c"] * SLICE, b"/s/d"]
    with Database(tmp_path / "state", flushes=False) as database:
        with database.transaction() as connection:
            connection.executemany(
                "INSERT INTO properties VALUES (?, ?, x'')",
                ((key, f"{number:08}") for number, key in enumerate(keys)),
            )
        subject = Subject("s", "/r", b"/s")
        found = holding(
            database, subject, is_served=False, now=0.0, pause=lambda: pauses.append(None)
        )
    assert found.properties == len(keys) - 1
    assert found.stored == sum(len(key) + 8 for key in keys) - len(b"/s!") - 8
    assert len(pauses) >= 3


def test_more_than_one_answer_holds(site: Site, one: Path) -> None:
    """A server tells of many shares in several answers; strange paths deceive nobody."""
    name = "\x1b[31m" + "\N{SNOWMAN}" * 200
    with site.serving({"/s": one}):
        pass
    with Database(site.state) as database, database.transaction() as connection:
        rows = (
            (f"{n:08x}-0000-0000-0000-000000000000", b"/%d" % n, f"/{n}{name}".encode())
            for n in range(60)
        )
        connection.executemany(
            "INSERT INTO shares (share, prefix, root, inode, seen, adopted)"
            " VALUES (?, ?, ?, '1', 0, 0)",
            rows,
        )
    assert 2 * FULL < 60 * 6 * 200
    with site.serving({"/s": one}):
        listed = _listed(site)
        table = _table(site)
    assert len(listed) == 61
    assert f"/59{name}" in listed
    assert len(table) == 62
    assert not [line for line in table if "\x1b" in line]
