"""`davkeep state forget`: nothing stays of a share, and nothing of any other goes."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
from state.earlier import STATES, lay_out
from state.sites import NOTHING, Site, all_of

from davkeep.store.departed import DepartedFile
from davkeep.store.record import Record, Side, encoded
from davkeep.store.rekey import KEYED
from davkeep.trees.marker import MARKER
from harness.commands import run
from harness.states import DATABASE, ask_database


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Another one."""
    folder = tmp_path / "two"
    folder.mkdir()
    return folder


Meanwhile = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def runs(site: Site, two: Path) -> Meanwhile:
    """With a server over another share."""
    return lambda: site.serving({"/t": two})


@pytest.fixture(params=["runs", "closed"])
def meanwhile(request: pytest.FixtureRequest, runs: Meanwhile) -> Meanwhile:
    """With such a server, or without one."""
    return runs if request.param == "runs" else nullcontext


def _forget(site: Site, share: object) -> list[str]:
    """What it says."""
    ended = run("state", "forget", "--state", str(site.state), str(share))
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def _refusal(site: Site, share: object) -> str:
    ended = run("state", "forget", "--state", str(site.state), str(share))
    assert (ended.returncode, ended.stdout) == (2, ""), ended
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def _share(root: Path) -> str:
    return str(json.loads((root / MARKER).read_bytes())["share"])


def _keys(site: Site) -> set[bytes]:
    """The first segments of the keys that are stored, of the prefixes of shares too."""
    rows = [row for table in KEYED for row in ask_database(site.state / DATABASE, _of(table))]
    rows += ask_database(site.state / DATABASE, "SELECT prefix FROM shares")
    return {path.split(b"/")[1] for (path,) in rows if isinstance(path, bytes)}


def _of(table: str) -> str:
    return f"SELECT path FROM {table}"


def _hidden(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.rglob(".davkeep*"))


def test_a_share_that_is_not_served(site: Site, one: Path, two: Path, meanwhile: Meanwhile) -> None:
    """Nothing is stored of it any more, nothing hidden is left in it, and others keep theirs."""
    with site.serving({"/s": one, "/t": two}) as marked:
        marked.mark("/s")
        marked.mark("/t")
    share = _share(one)
    with meanwhile():
        told = [f"forgotten: the share {share}, whose root was {one}"]
        assert _forget(site, share[:8]) == told
        for name in (share, share[:8], one):
            assert "nothing is known here of a share" in _refusal(site, name)
    assert _hidden(one) == []
    assert _keys(site) == {_share(two).encode()}
    with site.serving({"/s": one, "/t": two}) as marked:
        assert marked.seen("/s") == NOTHING
        assert marked.seen("/t") == all_of("/t")
        marked.finish("/t")
    assert _share(one) != share


def test_a_root_that_is_not_there(site: Site, one: Path, runs: Meanwhile, tmp_path: Path) -> None:
    """What is hidden in it stays, which is said; nothing in another folder in its place goes."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    share = _share(one)
    shutil.copytree(one, tmp_path / "aside")
    (one / MARKER).write_text(json.dumps({"davkeep": 1}))
    before = _hidden(one)
    with runs():
        _, stays = _forget(site, share)
    assert f"{one} is not there, or not marked as that share" in stays
    assert _hidden(one) == before
    assert share.encode() not in _keys(site)


def test_a_share_that_is_served(site: Site, one: Path) -> None:
    """It is refused, and nothing of it goes."""
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
        for name in (_share(one), one):
            assert "which is served now" in _refusal(site, name)
        assert marked.seen("/s") == all_of("/s")
        marked.finish("/s")


def test_names_that_mean_nothing(site: Site, one: Path, two: Path) -> None:
    """What is unknown, too short, or of several shares is refused."""
    with site.serving({"/s": one, "/t": two}):
        pass
    share = _share(one)
    assert "at least 8 characters" in _refusal(site, share[:7])
    assert "nothing is known here" in _refusal(site, "00000000-0000")
    assert "nothing is known here" in _refusal(site, one.parent)
    like = share[:8] + "-0000-0000-0000-000000000000"
    _change(site, "UPDATE shares SET share = ? WHERE share = ?", like, _share(two))
    assert f"{share[:8]} may be each of the shares" in _refusal(site, share[:8])
    assert _forget(site, like)


def _change(site: Site, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(site.state / DATABASE)) as database, database:
        database.execute(statement, values)


def test_shares_within_shares(site: Site, one: Path, runs: Meanwhile) -> None:
    """An outer one is refused while an inner one is known; of that only the row goes."""
    inner = one / "inner"
    inner.mkdir()
    with site.serving({"/": one, "/in": inner}) as marked:
        marked.mark("/in")
    share = _share(inner)
    with runs():
        assert f"the share {share}, whose root was {inner}, lies in it" in _refusal(site, one)
        _forget(site, inner)
        assert not (inner / MARKER).exists()
    with site.serving({"/": one}) as marked:
        assert marked.seen("/inner") == all_of("/in")
    _forget(site, str(one))
    assert _hidden(one) == []


def test_records_of_the_journal(site: Site, one: Path, two: Path, runs: Meanwhile) -> None:
    """Those that concern only the share go along; one that concerns another keeps both."""
    with site.serving({"/s": one, "/t": two}):
        pass
    first, second = (f"/{_share(root)}" for root in (one, two))
    _note(site, "a" * 32, f"{first}/a", f"{first}/b")
    _note(site, "b" * 32, f"{first}/a", f"{second}/b")
    assert "a record of a COPY that also concerns" in _refusal(site, one)
    _change(site, "DELETE FROM journal WHERE id = ?", "b" * 32)
    with runs():
        _, stays = _forget(site, one)
    assert stays == f"what a COPY may have hidden stays: .davkeep-{'a' * 8}"
    assert ask_database(site.state / DATABASE, "SELECT count(*) FROM journal") == [(0,)]


def _note(site: Site, id: str, source: str, destination: str) -> None:
    record = Record(
        id=id,
        owner="",
        address="127.0.0.1",
        method="COPY",
        source_url="/a",
        destination_url="/b",
        created=0.0,
        staging=f".davkeep-{id[:8]}",
        source=Side(source),
        destination=Side(destination),
    )
    values = (record.id, record.stage.value, encoded(record))
    _change(site, "INSERT INTO journal VALUES (?, ?, ?)", *values)


def test_what_waits(site: Site, two: Path, tmp_path: Path, meanwhile: Meanwhile) -> None:
    """What is stored by a real path, of an earlier schema, goes by that path."""
    root = tmp_path / "root"
    lay_out(max(STATES), root, site.state)
    with site.serving({"/t": two}) as marked:
        marked.mark("/t")
    assert b"paths" in _keys(site)
    with meanwhile():
        forgotten, *_ = _forget(site, root)
    assert forgotten == f"forgotten: what was stored about {root}"
    assert _keys(site) == {_share(two).encode()}
    with site.serving({"/t": two}) as marked:
        assert marked.seen("/t") == all_of("/t")
    assert "that are not served is kept" not in site.log


def test_uploads_in_a_spool(tmp_path: Path, site: Site, one: Path) -> None:
    """Their hidden files go too, wherever the root is."""
    spool = tmp_path / "spool"
    spool.mkdir()
    with site.serving({"/s": one}) as marked:
        marked.mark("/s")
    (name,) = [each for each in _hidden(one) if each != MARKER]
    os.rename(one / name, spool / name)
    _change(site, "UPDATE uploads SET folder = ?", os.fsencode(spool))
    share = _share(one)
    one.rename(one.with_name("aside"))
    _forget(site, share)
    assert os.listdir(spool) == []


def test_names_that_are_to_be_forgotten(site: Site, one: Path, two: Path) -> None:
    """What was deleted in it while the disk of the state was full is nobody's debt any more."""
    with site.serving({"/s": one, "/t": two}):
        pass
    sides = [Side(f"/{_share(root)}/gone") for root in (one, two)]
    with closing(DepartedFile(site.state, flushes=False)) as departed:
        for side in sides:
            departed.add(side)
    _forget(site, one)
    with closing(DepartedFile(site.state, flushes=False)) as departed:
        assert departed.found == sides[1:]
