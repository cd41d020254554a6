"""States that earlier versions left: opened, brought to the schema of today, and used."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from state.earlier import JOURNAL, STATES, UPLOADS, lay_out, operation_of
from state.sites import CONTENT, Marked, Site

from davkeep.store.schema import STEPS
from harness.dav import LOCK
from harness.disks import mounted
from harness.states import DATABASE, ask_database, fill
from harness.uploads import put_part

NEWEST = len(STEPS)


def check(marked: Marked, schema: int, operation: str | None) -> None:
    """Everything that was stored is found by clients, and can be gone on with."""
    colors = {path: marked.color(path) for path in ("/", "/file", "/tree/00", "/copy/00")}
    assert colors == {"/": "root", "/file": "red", "/tree/00": "blue", "/copy/00": "blue"}
    assert marked.color("/tree/01") is None
    for path in ("/file", "/locked/new"):
        assert marked.ask("PUT", path, b"x") == 423
    assert marked.ask("LOCK", "/", LOCK.format(scope="exclusive").encode()) in (207, 423)
    if schema >= UPLOADS:
        assert put_part(marked.wire, "/upload", CONTENT, 5, 10).status == 201
        assert marked.wire.ask("GET", "/upload").body == CONTENT
    if schema >= JOURNAL:
        answer = marked.wire.ask("GET", f"/.davkeep/operations/{operation}")
        told = json.loads(answer.body)
        assert (answer.status, told["state"], told["destination"]) == (200, "interrupted", "/cut")
    assert marked.ask("GET", "/cut/") == 404


def test_there_is_one_of_each() -> None:
    """The fifth was never in use by itself: the sixth came with it."""
    assert sorted(STATES) == [number for number in range(1, NEWEST) if number != 5]


@pytest.mark.parametrize("schema", sorted(STATES))
def test_a_state_of_an_earlier_schema(schema: int, tmp_path: Path) -> None:
    """It is kept as it was beside the new one, and nothing is lost, then or at the next start."""
    site, root = Site(tmp_path / "server"), tmp_path / "root"
    lay_out(schema, root, site.state)
    operation = operation_of(site.state) if schema >= JOURNAL else None
    with site.serving({"/": root}) as marked:
        check(marked, schema, operation)
    copy = site.state / f"davkeep-schema-{schema}.sqlite3"
    assert ask_database(copy, "PRAGMA user_version") == [(schema,)]
    assert ask_database(copy, "SELECT count(*) FROM properties") == [(4,)]
    assert ask_database(site.state / DATABASE, "PRAGMA user_version") == [(NEWEST,)]
    assert sorted(os.listdir(root))[1:] == sorted(
        ["copy", "file", "locked", "tree", *(["upload"] if schema >= UPLOADS else [])]
    )
    with site.serving({"/": root}) as marked:
        check(marked, 0, None)


@pytest.mark.parametrize("schema", sorted(STATES))
def test_what_is_of_another_root_waits(schema: int, tmp_path: Path) -> None:
    """It is kept, and said, until a share with that root is served."""
    site, root, other = Site(tmp_path / "server"), tmp_path / "root", tmp_path / "other"
    lay_out(schema, root, site.state)
    operation = operation_of(site.state) if schema >= JOURNAL else None
    other.mkdir()
    with site.serving({"/": other}) as marked:
        assert marked.color("/") is None
    assert "what is stored about folders that are not served is kept" in site.log
    with site.serving({"/": root}) as marked:
        check(marked, schema, operation)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """In words, and it is changed in nothing."""
    site, root = Site(tmp_path / "server"), tmp_path / "root"
    lay_out(max(STATES), root, site.state)
    with closing(sqlite3.connect(site.state / DATABASE)) as database:
        database.execute(f"PRAGMA user_version = {NEWEST + 1}")
    before = (site.state / DATABASE).read_bytes()
    assert f"was written by a newer davkeep (schema {NEWEST + 1}" in site.refusal({"/": root})
    assert (site.state / DATABASE).read_bytes() == before
    assert ".davkeep.share" not in os.listdir(root)


def test_no_room_for_the_copy(tmp_path: Path) -> None:
    """What cannot be copied first is not changed: the start is refused."""
    root = tmp_path / "root"
    with mounted(tmp_path / "small", "400k") as small:
        site = Site(tmp_path / "server")
        lay_out(max(STATES), root, tmp_path / "before")
        shutil.copytree(tmp_path / "before", small / "state")
        site.state.symlink_to(small / "state")
        fill(small)
        before = (site.state / DATABASE).read_bytes()
        assert "davkeep.state: " in site.refusal({"/": root})
        assert (site.state / DATABASE).read_bytes() == before
        (small / "filler").unlink()
        with site.serving({"/": root}) as marked:
            check(marked, 0, None)
