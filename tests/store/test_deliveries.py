import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from davkeep.store.database import Database
from davkeep.store.deliveries import Deliveries, NewDelivery
from davkeep.store.schema import STEPS

HERE, THERE = "https://here.example/", "https://there.example/"


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


def new(operation: str, due: float = 0.0, receiver: str = HERE) -> NewDelivery:
    return NewDelivery(receiver, operation, operation.encode(), due)


def drained(deliveries: Deliveries, receiver: str = HERE) -> list[str]:
    """The operations in the order in which they are due; nothing is left of them."""
    found = []
    while (delivery := deliveries.next(receiver)) is not None:
        found.append(delivery.operation)
        deliveries.remove(delivery.number)
    return found


def test_each_receiver_has_its_own(deliveries: Deliveries) -> None:
    """What is for one is not found for the other, and comes out as it went in."""
    assert deliveries.add([new("a", 5.0), new("b", 1.0, THERE)]) == 0
    found = deliveries.next(HERE)
    assert found is not None
    assert (found.receiver, found.operation, found.body) == (HERE, "a", b"a")
    assert (found.failed, found.due) == (0, 5.0)
    assert drained(deliveries, THERE) == ["b"]
    assert drained(deliveries) == ["a"]
    assert deliveries.next("https://nobody.example/") is None


def test_what_is_due_first_is_next(deliveries: Deliveries) -> None:
    """The order is that of the time when they are due, and of two equal ones the older."""
    deliveries.add([new("late", 9.0), new("one", 3.0), new("two", 3.0), new("first", 1.0)])
    assert drained(deliveries) == ["first", "one", "two", "late"]


def test_a_postponed_one_comes_later(deliveries: Deliveries) -> None:
    """Failures are counted, and others have their turn meanwhile."""
    deliveries.add([new("a", 1.0), new("b", 2.0)])
    found = deliveries.next(HERE)
    assert found is not None
    deliveries.postpone(found.number, 1, 3.0)
    following = deliveries.next(HERE)
    assert following is not None
    assert following.operation == "b"
    deliveries.remove(following.number)
    again = deliveries.next(HERE)
    assert again is not None
    assert (again.number, again.failed, again.due) == (found.number, 1, 3.0)


def test_the_same_twice_is_once(deliveries: Deliveries) -> None:
    """One operation is told to a receiver once, as it was written first."""
    deliveries.add([new("a", 1.0)])
    deliveries.add([NewDelivery(HERE, "a", b"other", 7.0)])
    found = deliveries.next(HERE)
    assert found is not None
    assert (found.body, found.due) == (b"a", 1.0)
    assert drained(deliveries) == ["a"]


def test_the_oldest_go_when_there_are_too_many(database: Database) -> None:
    """A receiver that is away for long does not fill the disk, and no other receiver suffers."""
    deliveries = Deliveries(database, most=3)
    deliveries.add([new("kept", 0.0, THERE)])
    assert deliveries.add([new(name, 9.0) for name in "ab"]) == 0
    assert deliveries.add([new(name, 1.0) for name in "cde"]) == 2
    assert drained(deliveries) == ["c", "d", "e"]
    assert drained(deliveries, THERE) == ["kept"]


def test_numbers_are_never_used_again(deliveries: Deliveries) -> None:
    """Who still holds a number cannot touch a later delivery with it."""
    deliveries.add([new("a")])
    first = deliveries.next(HERE)
    assert first is not None
    deliveries.remove(first.number)
    deliveries.add([new("b")])
    deliveries.remove(first.number)
    deliveries.postpone(first.number, 5, 5.0)
    second = deliveries.next(HERE)
    assert second is not None
    assert (second.operation, second.failed) == ("b", 0)


def test_what_is_for_nobody_is_dropped(database: Database, deliveries: Deliveries) -> None:
    """Rows of URLs that are not configured go; where there are none, nothing is written."""
    deliveries.add([new("a"), new("b", receiver=THERE), new("c", receiver=THERE)])
    assert deliveries.keep_only([HERE]) == 2
    before = database.rows("SELECT total_changes()")
    assert deliveries.keep_only([HERE, THERE]) == 0
    assert database.rows("SELECT total_changes()") == before
    assert drained(deliveries) == ["a"]
    assert deliveries.keep_only([]) == 0


def test_they_survive_reopening(folder: Path) -> None:
    """What was added and what was postponed is on disk."""
    with Database(folder) as database:
        Deliveries(database).add([new("a", 1.0)])
        Deliveries(database).postpone(1, 4, 77.0)
    with Database(folder) as database:
        found = Deliveries(database).next(HERE)
        assert found is not None
        assert (found.operation, found.failed, found.due) == ("a", 4, 77.0)


def test_an_older_database_gets_the_table(folder: Path) -> None:
    """A state of the first schema is taken further, and keeps what it holds."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "davkeep.sqlite3")) as connection:
        for statement in STEPS[0]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO properties VALUES (x'2f', 'kept', x'')")
        connection.commit()
    with Database(folder) as database:
        Deliveries(database).add([new("a")])
        assert drained(Deliveries(database)) == ["a"]
        assert database.rows("SELECT name FROM properties") == [("kept",)]
