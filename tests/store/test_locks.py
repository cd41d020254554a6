import os
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from davkeep.store.database import Database
from davkeep.store.extent import MOST_BYTES
from davkeep.store.locks import Lock, LockConflict, Locks

#: Seconds that a test waits for other threads before it fails.
PATIENCE = 30


class Clock(Protocol):
    now: float

    def __call__(self) -> float: ...


def take(locks: Locks, path: bytes, **changed: Any) -> Lock:
    """An exclusive lock of depth infinity for 100 seconds, unless `changed` says otherwise."""
    wanted: dict[str, Any] = {
        "url": "/u",
        "depth": "infinity",
        "scope": "exclusive",
        "owner_xml": b"<o/>",
        "principal": "ann",
        "timeout": 100.0,
    }
    return locks.acquire(path, **(wanted | changed))


def conflicts(locks: Locks, path: bytes, **changed: Any) -> set[str]:
    with pytest.raises(LockConflict) as caught:
        take(locks, path, **changed)
    return {lock.token for lock in caught.value.locks}


def test_a_lock_is_what_was_asked_for(locks: Locks) -> None:
    """The lock that is granted can be found again, with all that was given."""
    lock = take(locks, b"/a/\xff\n", url="/s/%FF%0A", owner_xml=b"<x>\xc3\xa9</x>", timeout=60.0)
    assert lock == Lock(
        lock.token, b"/a/\xff\n", "/s/%FF%0A", "infinity", "exclusive", b"<x>\xc3\xa9</x>", "ann",
        60.0, 1060.0,
    )  # fmt: skip
    assert locks.find(lock.token) == lock
    assert locks.covering(b"/a/\xff\n") == [lock]
    assert uuid.UUID(lock.token.removeprefix("urn:uuid:")).version == 4
    assert lock.token.startswith("urn:uuid:")


def test_tokens_differ(locks: Locks) -> None:
    """No two locks have one token."""
    shared = [take(locks, b"/a", scope="shared") for _ in range(10)]
    assert len({lock.token for lock in shared}) == 10


def test_an_unknown_token(locks: Locks) -> None:
    """A token without a lock is answered, not an error."""
    assert locks.find("urn:uuid:x") is None
    assert locks.refresh("urn:uuid:x", 5) is None
    assert locks.release("urn:uuid:x") is False


@pytest.mark.parametrize(
    ("first", "second", "granted"),
    [
        ("exclusive", "exclusive", False),
        ("exclusive", "shared", False),
        ("shared", "exclusive", False),
        ("shared", "shared", True),
    ],
)
@pytest.mark.parametrize(
    ("where", "depth"),
    [(b"/a/b", "0"), (b"/a/b/c/d", "0"), (b"/a", "infinity"), (b"/", "infinity")],
)
def test_scopes(
    locks: Locks, first: str, second: str, granted: bool, where: bytes, depth: str
) -> None:
    """Locks that meet, on one path or above each other, are compatible only if all are shared."""
    lock = take(locks, b"/a/b", scope=first)
    if granted:
        take(locks, where, scope=second, depth=depth)
    else:
        assert conflicts(locks, where, scope=second, depth=depth) == {lock.token}
        assert locks.covering(b"/a/b") == [lock]


def test_depth_0_is_about_one_entry(locks: Locks) -> None:
    """A lock of depth 0 on a collection is in nobody's way above and below it."""
    lock = take(locks, b"/a", depth="0")
    take(locks, b"/a/b")
    assert conflicts(locks, b"/a", depth="0") == {lock.token}
    take(locks, b"/", depth="0")


def test_depth_infinity_meets_every_lock_below(locks: Locks) -> None:
    """A lock of a whole tree is refused with all the locks that are in its way."""
    below = {take(locks, path, depth="0").token for path in (b"/a/b", b"/a/c/d", b"/a/\xff")}
    take(locks, b"/ab")
    take(locks, b"/a0")
    assert conflicts(locks, b"/a") == below
    assert conflicts(locks, b"/a", scope="shared") == below
    take(locks, b"/a", depth="0")


def test_only_what_is_in_the_way_is_named(locks: Locks) -> None:
    """Shared locks do not hold up a shared one, and are not blamed."""
    take(locks, b"/a/b", scope="shared")
    exclusive = take(locks, b"/a/c")
    assert conflicts(locks, b"/a", scope="shared") == {exclusive.token}


def test_covering(locks: Locks) -> None:
    """A path is covered by its own locks and by those of whole trees above it."""
    tree = take(locks, b"/a")
    assert locks.covering(b"/a") == [tree]
    assert locks.covering(b"/a/b/\xff/d") == [tree]
    for path in (b"/", b"/ab", b"/a0", b"/a.", b"/b", b"/A"):
        assert locks.covering(path) == []


def test_covering_by_several(locks: Locks) -> None:
    """Shared locks on the way down all cover; those of depth 0 only their own entry."""
    root = take(locks, b"/", scope="shared")
    take(locks, b"/a", scope="shared", depth="0")
    middle = take(locks, b"/a/b", scope="shared")
    own = take(locks, b"/a/b/c", scope="shared", depth="0")
    assert locks.covering(b"/a/b/c") == [root, middle, own]
    assert locks.covering(b"/a/b/d") == [root, middle]


@pytest.mark.parametrize("path", [b"/a", b"/a/b", b"/a/b/c", b"/a/c", b"/b"])
def test_covering_what_is_new(locks: Locks, path: bytes) -> None:
    """What covers a name and what covers its collection, asked at once, is what each covers."""
    for locked in (b"/", b"/a", b"/a/b", b"/b"):
        for depth in ("0", "infinity"):
            locks.acquire(locked, url="", depth=depth, scope="shared", timeout=None)
    own, collection = locks.covering_new(path)
    assert own == locks.covering(path)
    assert collection == locks.covering(os.path.dirname(path))


def test_below(locks: Locks) -> None:
    """All locks strictly below are found, of both depths, and no neighbour's."""
    take(locks, b"/a", scope="shared")
    inside = {take(locks, path, scope="shared") for path in (b"/a/b", b"/a/b/c", b"/a/\xff")}
    inside.add(take(locks, b"/a/b", scope="shared", depth="0"))
    outside = {take(locks, path, scope="shared") for path in (b"/ab", b"/a0", b"/a.")}
    assert set(locks.below(b"/a")) == inside
    assert outside < set(locks.below(b"/"))
    assert locks.below(b"/a/b/c") == []


def test_few_below_and_at(locks: Locks) -> None:
    """For listings: all below a path unless they are many, and those on certain paths."""
    found = [take(locks, path, scope="shared") for path in (b"/a", b"/a/b", b"/a/b/c", b"/ab")]
    assert locks.few_below(b"/a") == found[1:3]
    assert locks.few_below(b"/missing") == []
    assert locks.at([b"/a/b", b"/ab", b"/missing"]) == [found[1], found[3]]
    assert locks.at([]) == []
    take(locks, b"/a/d", scope="shared", owner_xml=b"x" * MOST_BYTES)
    assert locks.few_below(b"/a") is None
    assert locks.few_below(b"/a/b") == [found[2]]


def test_release(locks: Locks) -> None:
    """A released lock is in nobody's way, and can be released once."""
    lock = take(locks, b"/a")
    assert locks.release(lock.token) is True
    assert locks.release(lock.token) is False
    assert locks.covering(b"/a") == []
    take(locks, b"/a")


def test_expiry(locks: Locks, clock: Clock) -> None:
    """A lock is there until its last moment, and then in no answer any more."""
    lock = take(locks, b"/a/b", timeout=100.0)
    clock.now = 1099.9
    assert locks.covering(b"/a/b") == locks.below(b"/a") == [lock]
    clock.now = 1100.0
    assert locks.covering(b"/a/b") == locks.below(b"/a") == []
    assert locks.find(lock.token) is None
    assert locks.refresh(lock.token, 5.0) is None
    assert locks.release(lock.token) is False
    assert locks.end_at_or_below(b"/a") == []
    take(locks, b"/a")


def test_an_expired_lock_cannot_be_released(locks: Locks, clock: Clock) -> None:
    """Whoever comes too late is told so, although nothing has removed the lock's row yet."""
    lock = take(locks, b"/a", timeout=100.0)
    clock.now = 1100.0
    assert locks.release(lock.token) is False


def test_expired_rows_are_purged(locks: Locks, clock: Clock, database: Database) -> None:
    """The next change of any lock removes what has expired, so the table does not grow."""
    for number in range(5):
        take(locks, b"/%d" % number, timeout=1.0)
    clock.now += 2
    take(locks, b"/other")
    assert database.rows("SELECT count(*) FROM locks") == [(1,)]


def test_a_lock_without_end(locks: Locks, clock: Clock) -> None:
    """Without a timeout a lock never expires."""
    lock = take(locks, b"/a", timeout=None)
    clock.now = 1e12
    assert locks.covering(b"/a") == [lock]
    assert lock.remaining(clock.now) is None


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_impossible_timeouts(locks: Locks, timeout: float) -> None:
    """A lock that would end at once, or at no moment that can be said, cannot be made."""
    with pytest.raises(ValueError, match="cannot last"):
        take(locks, b"/a", timeout=timeout)
    assert locks.covering(b"/a") == []


def test_refresh(locks: Locks, clock: Clock) -> None:
    """A refresh starts the time anew, longer or shorter, and changes nothing else."""
    lock = take(locks, b"/a", timeout=100.0)
    clock.now = 1050.0
    refreshed = locks.refresh(lock.token, 10.0)
    assert refreshed is not None
    assert (refreshed.timeout, refreshed.expires) == (10.0, 1060.0)
    assert (refreshed.token, refreshed.path, refreshed.url) == (lock.token, lock.path, lock.url)
    assert locks.find(lock.token) == refreshed
    assert locks.refresh(lock.token, None) == locks.find(lock.token)
    clock.now = 1e9
    assert locks.find(lock.token) is not None


def test_remaining_time(locks: Locks, clock: Clock) -> None:
    """What is left is counted down to 0 and never below."""
    lock = take(locks, b"/a", timeout=100.0)
    assert [lock.remaining(now) for now in (1000.0, 1075.0, 1200.0)] == [100.0, 25.0, 0.0]


def test_end_at_or_below(locks: Locks) -> None:
    """The locks of a tree end together; its neighbours' and those above it stay."""
    above = take(locks, b"/", scope="shared")
    inside = {take(locks, path, scope="shared") for path in (b"/a", b"/a/b", b"/a/\xff")}
    outside = {take(locks, path, scope="shared") for path in (b"/ab", b"/a0")}
    assert set(locks.end_at_or_below(b"/a")) == inside
    assert set(locks.below(b"/")) == outside
    assert locks.covering(b"/") == [above]


def test_locks_whose_tokens_were_submitted_stay(locks: Locks) -> None:
    """A lock on what was overwritten stays if it is to be kept, so that it can be unlocked."""
    kept = take(locks, b"/a", scope="shared")
    ended = take(locks, b"/a", scope="shared")
    assert locks.end_at_or_below(b"/a", keep=[kept.token]) == [ended]
    assert locks.covering(b"/a") == [kept]


def test_a_held_lock_does_not_expire(locks: Locks, clock: Clock) -> None:
    """While an operation relies on a lock it stays, is seen and keeps others out."""
    lock = take(locks, b"/a/b", timeout=100.0)
    assert locks.hold([lock.token]) == {lock.token}
    clock.now = 5000.0
    assert conflicts(locks, b"/a/b") == {lock.token}
    assert locks.covering(b"/a/b") == locks.below(b"/a") == [lock]
    assert lock.remaining(clock.now) == 0.0
    locks.unhold([lock.token])
    assert locks.covering(b"/a/b") == []
    take(locks, b"/a/b")


def test_holding_counts(locks: Locks, clock: Clock) -> None:
    """Two operations on one lock hold it until both have ended."""
    lock = take(locks, b"/a")
    locks.hold([lock.token, lock.token])
    locks.hold({lock.token})
    clock.now = 5000.0
    locks.unhold([lock.token, lock.token])
    assert locks.find(lock.token) == lock
    locks.unhold([lock.token])
    assert locks.find(lock.token) is None
    locks.unhold([lock.token])
    other = take(locks, b"/a")
    locks.hold([other.token])
    clock.now = 9000.0
    assert locks.find(other.token) == other


def test_holding_as_a_block(locks: Locks, clock: Clock) -> None:
    """The block holds the locks and lets go of them also when it fails."""
    lock = take(locks, b"/a")

    def fail() -> None:
        with locks.holding([lock.token]) as held:
            assert held == {lock.token}
            clock.now = 5000.0
            assert locks.find(lock.token) == lock
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert locks.find(lock.token) is None


def test_holding_brings_nothing_back(locks: Locks, clock: Clock) -> None:
    """A lock that expired before it was held stays expired, and the answer says so."""
    expired, alive = take(locks, b"/a"), take(locks, b"/b", timeout=None)
    clock.now = 5000.0
    assert locks.hold([expired.token, alive.token, "urn:uuid:x"]) == {alive.token}
    assert locks.find(expired.token) is None
    take(locks, b"/a")


def test_holding_needs_no_room(locks: Locks, database: Database, clock: Clock) -> None:
    """Nothing is written for it, also where an expired lock could be purged; nor afterwards."""
    take(locks, b"/a", timeout=1.0)
    lock = take(locks, b"/b")
    clock.now += 2
    asked: list[str] = []
    database._connection.set_trace_callback(asked.append)
    with locks.holding([lock.token]) as held:
        assert held == {lock.token}
    assert [statement.split()[0] for statement in asked] == ["SELECT"]


def test_refresh_and_release_of_a_held_lock(locks: Locks, clock: Clock) -> None:
    """A client can refresh and end its lock while an operation relies on it."""
    lock = take(locks, b"/a")
    locks.hold([lock.token])
    clock.now = 5000.0
    refreshed = locks.refresh(lock.token, 50.0)
    assert refreshed is not None
    locks.unhold([lock.token])
    assert locks.find(lock.token) == refreshed
    locks.hold([lock.token])
    assert locks.release(lock.token) is True
    assert locks.find(lock.token) is None


def test_they_survive_reopening(folder: Path, clock: Clock) -> None:
    """Locks are on disk, and their time goes on while nobody runs."""
    with Database(folder) as database:
        short = take(Locks(database, clock), b"/\xff", timeout=10.0)
        long = take(Locks(database, clock), b"/b", timeout=None)
        Locks(database, clock).hold([short.token])
    with Database(folder) as database:
        assert Locks(database, clock).covering(b"/\xff") == [short]
        clock.now += 10
        assert Locks(database, clock).below(b"/") == [long]


def test_an_outer_transaction_takes_them_back(
    locks: Locks, regretted: Callable[[], AbstractContextManager[None]]
) -> None:
    """Every change is undone with the transaction around it."""
    lock, other = take(locks, b"/a"), take(locks, b"/b")
    with regretted():
        locks.refresh(lock.token, 7.0)
        locks.end_at_or_below(b"/a")
        locks.release(other.token)
        new = take(locks, b"/c")
        assert locks.below(b"/") == [new]
    assert locks.below(b"/") == [lock, other]


def test_a_refused_lock_leaves_the_transaction_alone(database: Database, locks: Locks) -> None:
    """A conflict inside a transaction undoes nothing of what was done around it."""
    with database.transaction():
        lock = take(locks, b"/a")
        assert conflicts(locks, b"/a/b") == {lock.token}
    assert locks.below(b"/") == [lock]


def run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)


def test_one_of_many_threads_gets_the_lock(locks: Locks) -> None:
    """However many ask at once, one exclusive lock is granted, and the others hear of it."""
    start = threading.Barrier(8, timeout=PATIENCE)
    granted: list[Lock] = []
    refused: list[tuple[Lock, ...]] = []

    def ask(number: int) -> None:
        start.wait()
        try:
            granted.append(take(locks, b"/a" if number % 2 else b"/a/b"))
        except LockConflict as conflict:
            refused.append(conflict.locks)

    run([threading.Thread(target=ask, args=(number,)) for number in range(8)])
    assert locks.below(b"/") == granted
    assert refused == [tuple(granted)] * 7


def test_threads_purge_and_look_at_once(locks: Locks, clock: Clock) -> None:
    """Purging, holding and looking from many threads raises nothing, and held locks stay."""
    start = threading.Barrier(6, timeout=PATIENCE)
    found: list[bool] = []

    def work(number: int) -> None:
        start.wait()
        for turn in range(30):
            lock = take(locks, b"/%d/%d" % (number, turn), timeout=5.0)
            with locks.holding([lock.token]) as held:
                clock.now += 1
                locks.below(b"/")
                found.append(not held or locks.find(lock.token) == lock)

    run([threading.Thread(target=work, args=(number,)) for number in range(6)])
    assert found == [True] * 180
    clock.now += 10
    assert locks.below(b"/") == []
