"""What an orderly stop leaves of operations."""

import pytest

from davkeep.store.database import Database
from davkeep.store.results import KeptResult, KeptResults

KEPT = [
    KeptResult("b", 1.0, "", "::1", None),
    KeptResult("a", 2.5, "änn", "", '{"x": 1}'),
]


def test_they_are_kept(database: Database) -> None:
    """All that was left, the first to be forgotten first, in the place of what was there."""
    results = KeptResults(database)
    assert results.all() == []
    results.replace(KEPT[::-1])
    assert results.all() == KEPT
    results.replace(KEPT[:1])
    assert results.all() == KEPT[:1]
    results.replace([])
    assert results.all() == []


def test_nothing_is_written_where_there_is_nothing(database: Database) -> None:
    """A stop after a life without operations changes nothing."""
    before = database.changes
    KeptResults(database).replace([])
    assert database.changes == before


def test_all_or_nothing(database: Database) -> None:
    """Where they cannot all be kept, those of before are."""
    results = KeptResults(database)
    results.replace(KEPT)
    with pytest.raises(Exception, match="UNIQUE"):
        results.replace([KEPT[0], KEPT[0]])
    assert results.all() == KEPT
