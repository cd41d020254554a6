"""What is stored about a tree is told as it stands, while it changes."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from davkeep.dav.stored import FRESH, About, Stored
from davkeep.store.database import Database
from davkeep.store.extent import MOST_ROWS
from davkeep.store.locks import Lock, Locks
from davkeep.store.properties import DeadProperties


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Any]:
    """As much of a site as is asked; ``site.time`` is its clock, ``site.asked`` counts."""
    with Database(tmp_path / "state") as database:
        made = SimpleNamespace(database=database, time=1000.0, asked=0)
        made.monotonic = made.now = lambda: made.time
        made.properties = DeadProperties(database)
        made.locks = Locks(database, made.now)
        rows = database.rows

        def counted(*question: Any) -> Any:
            made.asked += 1
            return rows(*question)

        database.rows = counted  # type: ignore[method-assign]
        yield made


def locked(site: Any, path: bytes, depth: str = "infinity", timeout: float | None = None) -> Lock:
    """Take a shared lock."""
    lock: Lock = site.locks.acquire(path, url="/", depth=depth, scope="shared", timeout=timeout)
    return lock


def test_a_whole_tree_is_asked_for_at_once(site: Any) -> None:
    """However many collections it has; a change is seen at the next one."""
    stored = Stored(site, b"/r")
    assert stored.of_members(b"/r", ["a"]) == ((), {})
    asked = site.asked
    for number in range(100):
        assert stored.of_members(b"/r/%d" % number, ["a"]) == ((), {})
    assert site.asked == asked <= 3
    site.properties.change(b"/r/1/\xff", {"{x:}p": b"<p/>"})
    lock = locked(site, b"/r/1/b", "0")
    own = {"\udcff": About({"{x:}p": "<p/>"}, ()), "b": About({}, (lock,))}
    assert stored.of_members(b"/r/1", ["b", "\udcff"]) == ((), own)
    assert stored.of_members(b"/r/2", ["b"]) == ((), {})


@pytest.mark.parametrize("root", [b"/", b"/r"])
@pytest.mark.parametrize("rows", [0, MOST_ROWS + 1])
def test_both_ways_tell_the_same(site: Any, root: bytes, rows: int) -> None:
    """All at once or by some members: what covers all of them, and what each has."""
    site.properties.change(b"/r/x", {f"{{x:}}{number}": b"<p/>" for number in range(rows)})
    site.properties.change(b"/r/a/b", {"{x:}p": b"<p/>"})
    above, top, on = locked(site, b"/"), locked(site, b"/r"), locked(site, b"/r/a")
    one, other = locked(site, b"/r/a/b"), locked(site, b"/r/a/c", "0")
    for path in (b"/r/a/b/c", b"/r/ab", b"/r/a/d/e", b"/r0"):
        locked(site, path)
    locked(site, b"/r", "0")
    stored = Stored(site, root)
    own = {"b": About({"{x:}p": "<p/>"}, (one,)), "c": About({}, (other,))}
    covering, found = stored.of_members(b"/r/a", ["b", "c", "e"])
    assert {name: found[name] for name in ("b", "c", "e") if name in found} == own
    assert set(covering) == {above, top, on}
    assert set(stored.of_members(b"/r/a/b", ["x"])[0]) == {above, top, on, one}
    assert set(stored.of(b"/r/a/c").locks) == {above, top, on, other}


def test_elsewhere(site: Any) -> None:
    """Where a link leads, what is stored there is asked for."""
    lock = locked(site, b"/else")
    site.properties.change(b"/else/a", {"{x:}p": b"<p/>"})
    found = Stored(site, b"/r").of_members(b"/else", ["a", "b"])
    assert found == ((lock,), {"a": About({"{x:}p": "<p/>"}, ())})


def test_locks_that_expire(site: Any) -> None:
    """They are soon not told of any more, though nothing has changed."""
    locked(site, b"/r/a", timeout=1.0)
    stored = Stored(site, b"/r")
    assert set(stored.of_members(b"/r", ["a"])[1]) == {"a"}
    site.time += FRESH
    assert stored.of_members(b"/r", ["a"]) == ((), {})
