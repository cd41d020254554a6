"""What is written to the database, when, and by how many transactions."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from davkeep.store.database import Database, StoreError
from davkeep.store.deliveries import Deliveries, Event, Tried
from davkeep.webhooks import queue as module
from davkeep.webhooks.queue import FLUSH, GATHER, Queue

DEADLINE = 10.0
URL = "https://here.example/"


class Store(Deliveries):
    """Counts transactions, and is full when a test says so."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.is_full = False
        self.written: list[tuple[int, bool]] = []
        self.flushed = threading.Event()
        self.changed = threading.Condition()

    def write(
        self, events: Iterable[Event], tried: Iterable[Tried] = (), *, durable: bool = True
    ) -> dict[str, int]:
        if self.is_full:
            raise StoreError(28, "the state cannot be used")
        new = list(events)
        dropped = super().write(new, tried, durable=durable)
        with self.changed:
            self.written.append((len(new), durable))
            self.changed.notify_all()
        return dropped

    def flush(self) -> None:
        super().flush()
        self.flushed.set()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE)


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def queue(store: Store, clock: Any) -> Iterator[Queue]:
    queue = Queue(store, monotonic=clock)
    yield queue
    queue.close()


def test_a_database_that_hangs_is_waited_for_shortly(
    queue: Queue, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop goes on without it, and says of how much it will not be told."""
    monkeypatch.setattr(module, "JOIN", 0.05)
    with queue._lock:
        queue.add(event("a"))
        queue.close()
    assert "webhooks will not be told of 1 operations" in caplog.text
    assert store.written == []


def test_requests_do_not_try_a_database_that_fails(queue: Queue, store: Store, clock: Any) -> None:
    """Only the first does; then it rests, whoever comes."""
    store.is_full = True
    tried: list[int] = []
    store.write = lambda *_, **__: tried.append(1) or _full()  # type: ignore[method-assign]
    for name in "abc":
        queue.add(event(name), is_urgent=True)
        clock.now += 1.0
    assert len(tried) == 1
    clock.now += module.STORE_PAUSE
    queue.add(event("d"))
    assert len(tried) == 2


def _full() -> dict[str, int]:
    raise StoreError(28, "the state cannot be used")


def test_what_was_told_is_bounded(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    """Also while nobody can have the lock: the oldest goes, and that is said."""
    with queue._lock:
        for number in range(module.MOST + 5):
            queue.add(event(str(number)))
    queue.add(event("last"), is_urgent=True)
    assert "6 events are dropped" in caplog.text


def event(name: str) -> Callable[[], Event]:
    return lambda: Event(name, b"{}", 1.0, (URL,))


def known(store: Deliveries) -> list[str]:
    return [each.operation for each in store.due(URL, most=10_000)]


def test_a_single_event_is_written_before_it_is_answered(queue: Queue, store: Store) -> None:
    """Where little goes on, whoever was answered can rely on it."""
    queue.add(event("a"))
    assert known(store) == ["a"]


def test_many_are_written_together(queue: Queue, store: Store, clock: Any) -> None:
    """After one was written the next wait for each other, and so do outcomes of attempts."""
    for number in range(100):
        queue.add(event(f"{number:03}"))
    queue.note(Tried(URL, 1, None))
    assert store.written == [(1, False)]
    clock.now += 2 * GATHER
    queue.add(event("last"))
    assert store.written == [(1, False), (100, False)]
    assert known(store) == [*(f"{number:03}" for number in range(1, 100)), "last"]


def test_what_is_urgent_is_on_the_disk(queue: Queue, store: Store) -> None:
    """With everything that came before it, in its order."""
    for name in "ab":
        queue.add(event(name))
    queue.add(event("c"), is_urgent=True)
    assert store.written == [(1, False), (2, True)]
    assert known(store) == ["a", "b", "c"]


def test_what_can_wait_is_left_to_the_thread(queue: Queue, store: Store) -> None:
    """Thousands that a stop interrupts cost it one transaction."""
    for number in range(1000):
        queue.add(event(str(number)), can_wait=True)
    assert store.written == []
    queue.close()
    assert store.written == [(1000, True)]


def test_the_thread_writes_and_flushes(store: Store) -> None:
    """Without another event, what waits is written soon and then brought to the disk."""
    queue = Queue(store)
    queue.start()
    for number in range(10):
        queue.add(event(str(number)))
    store.wait_for(lambda: sum(count for count, _ in store.written) == 10)
    assert len(store.written) <= 3
    assert store.flushed.wait(DEADLINE + FLUSH)
    queue.close()


def test_what_was_tried_is_known_before_it_is_written(queue: Queue, store: Store) -> None:
    """Who asks what is due gets nothing twice, and failures with their number."""
    for name in "abc":
        queue.add(event(name), is_urgent=True)
    queue.note(Tried(URL, 1, None))
    queue.note(Tried(URL, 2, 5))
    found = queue.due(URL, [3], 9)
    assert [(each.operation, each.failed) for each in found] == [("b", 5)]


def test_a_database_that_fails_is_tried_again(
    queue: Queue, store: Store, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is raised, it is told once, and what waited is written in its order."""
    store.is_full = True
    for name in "abc":
        queue.add(event(name))
        clock.now += 2 * GATHER
    assert caplog.text.count("cannot be kept yet") == 1
    store.is_full = False
    clock.now += module.STORE_PAUSE
    queue.add(event("d"))
    assert known(store) == ["a", "b", "c", "d"]


def test_what_waits_is_bounded(
    queue: Queue, store: Store, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that fails for long costs no more memory than a receiver that is away."""
    store.is_full = True
    for _ in range(40):
        queue.add(lambda: Event("x", b"x" * (1 << 20), 1.0, (URL,)), can_wait=True)
    queue.close()
    assert "8 events are dropped" in caplog.text
    assert "will not be told of 32 operations" in caplog.text


def test_after_the_end_the_database_is_left_alone(
    queue: Queue, store: Store, database: Database
) -> None:
    """Whoever comes late does not meet a closed database."""
    queue.close()
    database.close()
    queue.add(event("a"), is_urgent=True)
    assert queue.due(URL, [], 9) == []
    assert queue.expire(URL, 9) == queue.newest() == 0
    queue.close()
