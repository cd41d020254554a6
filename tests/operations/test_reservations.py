import threading
from typing import Any

import pytest

from davkeep.operations.reservations import Conflict, Mode, Reservations

SHARED, EXCLUSIVE, CREATE = Mode.SHARED, Mode.EXCLUSIVE, Mode.CREATE
TOUCH, WRITE = Mode.TOUCH, Mode.WRITE

#: held, wanted: does it conflict when the wanted place is (above, equal, below, a sibling)?
CELLS = [
    (SHARED, SHARED, (False, False, False, False)),
    (SHARED, EXCLUSIVE, (True, True, True, False)),
    (SHARED, CREATE, (True, True, False, False)),
    (SHARED, TOUCH, (False, False, False, False)),
    (EXCLUSIVE, SHARED, (True, True, True, False)),
    (EXCLUSIVE, EXCLUSIVE, (True, True, True, False)),
    (EXCLUSIVE, CREATE, (True, True, True, False)),
    (EXCLUSIVE, TOUCH, (False, True, True, False)),
    (CREATE, SHARED, (False, True, True, False)),
    (CREATE, EXCLUSIVE, (True, True, True, False)),
    (CREATE, CREATE, (True, True, True, False)),
    (CREATE, TOUCH, (False, True, True, False)),
    (TOUCH, SHARED, (False, False, False, False)),
    (TOUCH, EXCLUSIVE, (True, True, False, False)),
    (TOUCH, CREATE, (True, True, False, False)),
    (TOUCH, TOUCH, (False, False, False, False)),
    (SHARED, WRITE, (False, False, False, False)),
    (EXCLUSIVE, WRITE, (False, True, True, False)),
    (CREATE, WRITE, (False, True, True, False)),
    (TOUCH, WRITE, (True, True, False, False)),
    (WRITE, SHARED, (False, False, False, False)),
    (WRITE, EXCLUSIVE, (True, True, False, False)),
    (WRITE, CREATE, (True, True, False, False)),
    (WRITE, TOUCH, (False, True, True, False)),
    (WRITE, WRITE, (True, True, True, False)),
]
PATHS = ("/a", "/a/b", "/a/b/c", "/a/x")


def _conflicts(reservations: Reservations, *wanted: Any) -> bool:
    try:
        reservations.reserve("wants", wanted)
    except Conflict as conflict:
        return conflict.holder == "holds"
    reservations.release("wants")
    return False


@pytest.mark.parametrize(("held", "wanted", "expected"), CELLS)
@pytest.mark.parametrize("collection", [True, False])
def test_each_cell_of_the_table(
    held: Mode, wanted: Mode, expected: tuple[bool, ...], collection: bool, tree: Any
) -> None:
    """Every pair of modes conflicts for exactly the relations that the promises name."""
    reservations = Reservations()
    reservations.reserve("holds", [(tree.place("/a/b", collection=collection), held)])
    found = tuple(_conflicts(reservations, (tree.place(path), wanted)) for path in PATHS)
    assert found == expected


def test_the_table_has_every_cell() -> None:
    """No pair of modes was forgotten."""
    assert {(held, wanted) for held, wanted, _ in CELLS} == {(h, w) for h in Mode for w in Mode}


def test_two_names_of_one_directory_are_one_place(tree: Any) -> None:
    """A tree that is reached by another path, such as a bind mount, is the same tree."""
    tree.bind("/mnt/b", "/a/b")
    reservations = Reservations()
    reservations.reserve("holds", [(tree.place("/a/b"), EXCLUSIVE)])
    assert _conflicts(reservations, (tree.place("/mnt/b/c/d"), TOUCH))
    assert _conflicts(reservations, (tree.place("/mnt"), EXCLUSIVE)) is False
    assert _conflicts(reservations, (tree.place("/mnt/b"), SHARED))


def test_a_share_may_be_the_root_of_the_file_system(tree: Any) -> None:
    """A place without a name of its own contains everything."""
    reservations = Reservations()
    reservations.reserve("holds", [(tree.place("/"), EXCLUSIVE)])
    assert _conflicts(reservations, (tree.place("/a/b", collection=False), TOUCH))


def test_all_or_nothing(tree: Any) -> None:
    """When one of several places is taken, none of the others is reserved."""
    reservations = Reservations()
    reservations.reserve("holds", [(tree.place("/b"), EXCLUSIVE)])
    wanted = [(tree.place("/a"), EXCLUSIVE), (tree.place("/b"), SHARED)]
    with pytest.raises(Conflict):
        reservations.reserve("wants", wanted)
    reservations.reserve("third", [(tree.place("/a"), EXCLUSIVE)])


def test_nobody_is_in_their_own_way(tree: Any) -> None:
    """A COPY within one tree may share the source that holds its destination."""
    reservations = Reservations()
    wanted = [(tree.place("/a"), SHARED), (tree.place("/a/b"), EXCLUSIVE)]
    reservations.reserve("one", wanted)
    reservations.reserve("one", [(tree.place("/a/b/c"), TOUCH)])


def test_release_gives_everything_back(tree: Any) -> None:
    """After the release nothing is left in the indices, even of a place reserved twice."""
    reservations = Reservations()
    for _ in range(2):
        reservations.reserve("holds", [(tree.place("/a/b"), EXCLUSIVE)])
    reservations.release("holds")
    reservations.release("holds")
    assert len(reservations) == 0
    assert not any(reservations._held.values())


def test_who_waits_is_called_once_at_the_release(tree: Any) -> None:
    """A conflict calls back at the release, and at once when that has already been."""
    reservations = Reservations()
    reservations.reserve("holds", [(tree.place("/a"), EXCLUSIVE)])
    with pytest.raises(Conflict) as caught:
        reservations.reserve("wants", [(tree.place("/a"), EXCLUSIVE)])
    seen: list[str] = []
    caught.value.subscribe(lambda: seen.append("woken"))
    assert seen == []
    reservations.release("holds")
    assert seen == ["woken"]
    caught.value.subscribe(lambda: seen.append("at once"))
    assert seen == ["woken", "at once"]


def test_a_callback_may_reserve(tree: Any) -> None:
    """The woken one finds the place free: callbacks run after the release and outside the lock."""
    reservations = Reservations()
    reservations.reserve("holds", [(tree.place("/a"), EXCLUSIVE)])
    retry = [(tree.place("/a"), EXCLUSIVE)]
    reservations.when_released("holds", lambda: reservations.reserve("wants", retry))
    reservations.release("holds")
    assert len(reservations) == 1


def test_who_gave_up_waiting_is_not_called(tree: Any) -> None:
    """A callback that was taken back stays silent."""
    reservations = Reservations()
    reservations.reserve("holds", [(tree.place("/a"), EXCLUSIVE)])
    conflict = Conflict("holds", reservations)
    seen: list[str] = []

    def callback() -> None:
        seen.append("woken")

    conflict.subscribe(callback)
    conflict.unsubscribe(callback)
    conflict.unsubscribe(callback)
    reservations.release("holds")
    assert seen == []


def test_no_wake_up_is_lost(tree: Any) -> None:
    """However subscribe and release interleave, the callback comes exactly once."""
    for _ in range(200):
        reservations = Reservations()
        reservations.reserve("holds", [(tree.place("/a"), EXCLUSIVE)])
        conflict, woken = Conflict("holds", reservations), threading.Semaphore(0)
        barrier = threading.Barrier(2)
        thread = threading.Thread(
            target=lambda b=barrier, r=reservations: (b.wait(10), r.release("holds"))
        )
        thread.start()
        barrier.wait(10)
        conflict.subscribe(woken.release)
        assert woken.acquire(timeout=10)
        thread.join(10)
        assert not woken.acquire(blocking=False)


def test_a_check_does_not_look_at_every_reservation(tree: Any) -> None:
    """With 5,000 holders a check compares as few keys as with one."""

    class Counted(str):
        """A holder that counts comparisons."""

        compared = 0
        __hash__ = str.__hash__

        def __ne__(self, other: object) -> bool:
            Counted.compared += 1
            return str.__ne__(self, other)

    reservations = Reservations()
    for number in range(5000):
        reservations.reserve(Counted(number), [(tree.place(f"/a/{number}"), SHARED)])
    Counted.compared = 0
    reservations.reserve(Counted("other"), [(tree.place("/a/b/c"), EXCLUSIVE)])
    with pytest.raises(Conflict):
        reservations.reserve(Counted("last"), [(tree.place("/a"), EXCLUSIVE)])
    assert Counted.compared < 10
