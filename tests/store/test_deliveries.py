import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from davkeep.store.database import Database
from davkeep.store.deliveries import Deliveries, Event, Tried
from davkeep.store.schema import STEPS

HERE, THERE = "https://here.example/", "https://there.example/"


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


def new(operation: str, *receivers: str, ended: float = 0.0, size: int = 1) -> Event:
    return Event(operation, operation.encode() * size, ended, receivers or (HERE,))


def known(deliveries: Deliveries, receiver: str = HERE) -> list[str]:
    """The operations that a receiver is to be told of, the oldest first."""
    return [each.operation for each in deliveries.due(receiver, most=1000)]


def forget(deliveries: Deliveries, operation: str, receiver: str = HERE) -> None:
    (found,) = [each for each in deliveries.due(receiver, most=99) if each.operation == operation]
    deliveries.write([], [Tried(receiver, found.number, None)])


def test_each_receiver_has_its_own(deliveries: Deliveries) -> None:
    """What one was told the other is still to be told, and it comes out as it went in."""
    assert deliveries.write([new("a", HERE, THERE, ended=5.0), new("b", THERE)]) == {}
    (found,) = deliveries.due(HERE)
    assert (found.operation, found.body, found.ended, found.failed) == ("a", b"a", 5.0, 0)
    forget(deliveries, "a")
    assert known(deliveries) == []
    assert known(deliveries, THERE) == ["a", "b"]
    assert known(deliveries, "https://nobody.example/") == []


def test_a_body_is_stored_once(database: Database, deliveries: Deliveries) -> None:
    """However many receivers there are, and until the last was told."""
    deliveries.write([new("a", HERE, THERE)])
    assert database.rows("SELECT count(*) FROM events") == [(1,)]
    forget(deliveries, "a")
    assert database.rows("SELECT count(*) FROM events") == [(1,)]
    forget(deliveries, "a", THERE)
    assert database.rows("SELECT count(*) FROM events") == [(0,)]


@pytest.mark.parametrize("count", [1, 2, 3, 127, 300])
def test_many_are_kept_together_in_their_order(deliveries: Deliveries, count: int) -> None:
    """None is lost where they are cut into statements."""
    names = [f"{number:04}" for number in range(count)]
    deliveries.write([new(name, *((HERE, THERE) if name > "0100" else (HERE,))) for name in names])
    assert known(deliveries) == names
    assert known(deliveries, THERE) == [name for name in names if name > "0100"]


def test_failures_are_counted(deliveries: Deliveries) -> None:
    """A failed attempt changes nothing but their number."""
    deliveries.write([new("a"), new("b")])
    (first,) = deliveries.due(HERE)
    deliveries.write([], [Tried(HERE, first.number, 3)])
    assert [(each.operation, each.failed) for each in deliveries.due(HERE, most=2)] == [
        ("a", 3),
        ("b", 0),
    ]
    assert [each.operation for each in deliveries.due(HERE, [first.number], 2)] == ["b"]


def test_the_same_twice_is_once(deliveries: Deliveries) -> None:
    """One operation is told to a receiver once, as it was written first."""
    deliveries.write([new("a")])
    deliveries.write([Event("a", b"other", 7.0, (HERE,)), new("b")])
    assert [each.body for each in deliveries.due(HERE, most=9)] == [b"a", b"b"]


def test_the_oldest_go_when_there_are_too_many(database: Database) -> None:
    """A receiver that is away for long does not fill the disk, and no other receiver suffers."""
    deliveries = Deliveries(database, most=3)
    deliveries.write([new("kept", THERE)])
    assert deliveries.write([new("a"), new("b", HERE, THERE)]) == {}
    assert deliveries.write([new(name) for name in "cde"]) == {HERE: 2}
    assert known(deliveries) == ["c", "d", "e"]
    assert known(deliveries, THERE) == ["kept", "b"]


def test_the_oldest_go_when_they_are_too_large(database: Database) -> None:
    """The queue is bounded in bytes as well, also after a start that counts what is there."""
    Deliveries(database).write([new("a", size=40), new("b", size=40)])
    deliveries = Deliveries(database, most_bytes=100)
    assert deliveries.write([new("c", size=40)]) == {HERE: 1}
    forget(deliveries, "b")
    assert deliveries.write([new("d", size=60)]) == {}
    assert known(deliveries) == ["c", "d"]


def test_what_failed_to_be_written_does_not_count(database: Database) -> None:
    """A transaction that is taken back leaves the bounds as they were."""
    deliveries = Deliveries(database, most=2)
    cannot: Any = object()
    with pytest.raises(sqlite3.Error):
        deliveries.write([new("a"), new("b")], [Tried(HERE, cannot, None)])
    assert deliveries.write([new("c"), new("d")]) == {}
    assert known(deliveries) == ["c", "d"]


def test_numbers_are_never_used_again(deliveries: Deliveries) -> None:
    """Who still holds a number cannot touch a later event with it."""
    deliveries.write([new("a")])
    (first,) = deliveries.due(HERE)
    forget(deliveries, "a")
    deliveries.write([new("b")], [Tried(HERE, first.number, None), Tried(HERE, first.number, 5)])
    assert [(each.operation, each.failed) for each in deliveries.due(HERE)] == [("b", 0)]


def test_what_is_for_nobody_is_dropped(database: Database, deliveries: Deliveries) -> None:
    """What is for URLs that are not configured goes; where there is none, nothing is written."""
    deliveries.write([new("a", HERE, THERE), new("b", THERE)])
    assert deliveries.keep_only([HERE]) == 2
    before = database.rows("SELECT total_changes()")
    assert deliveries.keep_only([HERE, THERE]) == 0
    assert database.rows("SELECT total_changes()") == before
    assert known(deliveries) == ["a"]
    assert database.rows("SELECT count(*) FROM events") == [(1,)]
    assert deliveries.keep_only([]) == 1


def test_what_is_too_old_is_given_up(deliveries: Deliveries) -> None:
    """For one receiver, whatever others still wait for."""
    assert deliveries.newest() == 0
    deliveries.write([new("a", HERE, THERE)])
    number = deliveries.newest()
    deliveries.write([new("b")])
    assert deliveries.expire(HERE, number) == 1
    assert known(deliveries) == ["b"]
    assert known(deliveries, THERE) == ["a"]


def test_they_survive_reopening(folder: Path) -> None:
    """What was kept and how often it failed is on disk."""
    with Database(folder) as database:
        deliveries = Deliveries(database)
        deliveries.write([new("a")], durable=False)
        deliveries.write([], [Tried(HERE, 1, 4)], durable=False)
        deliveries.flush()
    with Database(folder) as database:
        (found,) = Deliveries(database).due(HERE)
        assert (found.operation, found.failed) == ("a", 4)


def test_an_older_database_keeps_what_it_holds(folder: Path) -> None:
    """What the version before was still to tell is told by this one, in its order."""
    folder.mkdir()
    taken = next(n for n, step in enumerate(STEPS) if "CREATE TABLE events" in step[0])
    with closing(sqlite3.connect(folder / "davkeep.sqlite3")) as connection:
        for statement in (each for step in STEPS[:taken] for each in step):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {taken}")
        connection.executemany(
            "INSERT INTO deliveries (receiver, operation, body, failed, due)"
            " VALUES (?, ?, ?, ?, ?)",
            [(HERE, "z", b"z", 2, 9.0), (THERE, "a", b"a", 0, 1.0), (THERE, "z", b"z", 0, 1.0)],
        )
        connection.commit()
    with Database(folder) as database:
        deliveries = Deliveries(database)
        assert [(each.body, each.failed) for each in deliveries.due(HERE)] == [(b"z", 2)]
        assert known(deliveries, THERE) == ["z", "a"]
