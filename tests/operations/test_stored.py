from collections.abc import Iterator
from pathlib import Path

import pytest

from davkeep.operations import Stored
from davkeep.store.database import Database
from davkeep.store.locks import Lock, Locks
from davkeep.store.properties import DeadProperties
from davkeep.store.shares import NestedShares
from davkeep.store.uploads import Uploads
from davkeep.trees.roots import Roots

PATHS = (b"/a", b"/a/b", b"/a/b/c", b"/ab")


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    """An empty store."""
    with Database(tmp_path) as database:
        properties, locks = DeadProperties(database), Locks(database, lambda: 0.0)
        yield Stored(
            database, properties, locks, Uploads(database), Roots(), NestedShares(database)
        )


def _lock(stored: Stored, path: bytes) -> Lock:
    return stored.locks.acquire(path, url="", depth="0", scope="exclusive", timeout=None)


def _statements(stored: Stored) -> list[str]:
    """What the database is asked from now on."""
    asked: list[str] = []
    stored.database._connection.set_trace_callback(asked.append)
    return asked


def test_what_a_predecessor_left_is_forgotten(stored: Stored) -> None:
    """Properties at and below the name are gone, and locks below it; what is beside it stays."""
    for path in PATHS:
        stored.properties.change(path, {"{urn:x}colour": b"red"})
    own, _, beside = _lock(stored, b"/a"), _lock(stored, b"/a/b"), _lock(stored, b"/ab")
    stored.forget_predecessor(b"/a")
    assert [path for path in PATHS if stored.properties.get(path)] == [b"/ab"]
    assert stored.locks.at(PATHS) == [own, beside]


def test_nothing_is_asked_of_an_empty_store(stored: Stored) -> None:
    """Where nothing at all is stored, a new name costs no statement."""
    assert not stored.lies_below(b"/a", b"/b")
    asked = _statements(stored)
    stored.forget_predecessor(b"/a")
    assert asked == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_lock", [True, False])
def test_whether_anything_lies_below_is_one_question(
    path: bytes, is_lock: bool, stored: Stored
) -> None:
    """Locks and properties of several trees are asked for at once."""
    stored.properties.change(b"/z", {"{urn:x}colour": b"red"})
    _lock(stored, b"/z")
    if is_lock:
        _lock(stored, path)
    else:
        stored.properties.change(path, {"{urn:x}colour": b"red"})
    assert not stored.lies_below(b"/b", b"/c")
    asked = _statements(stored)
    assert stored.lies_below(b"/b", b"/a") == (path != b"/ab")
    assert stored.lies_below(path)
    assert len(asked) == 2
