import threading
from typing import Any

import pytest

from davkeep.operations.reservations import Conflict, Mode, Reservations

SHARED, EXCLUSIVE, CREATE = Mode.SHARED, Mode.EXCLUSIVE, Mode.CREATE
TOUCH, WRITE, LOCK = Mode.TOUCH, Mode.WRITE, Mode.LOCK

#: What is held at /a/b, what is wanted, and for each of PATHS whether that conflicts: "x" always,
#: "o" if it is of another account, "." never.
CELLS = """
    SHARED     SHARED     ......
    SHARED     EXCLUSIVE  xxxxx.
    SHARED     CREATE     xxx...
    SHARED     TOUCH      ......
    SHARED     WRITE      ......
    SHARED     LOCK       ......
    SHARED     LOCK_TREE  ......
    EXCLUSIVE  SHARED     xxxxx.
    EXCLUSIVE  EXCLUSIVE  xxxxx.
    EXCLUSIVE  CREATE     xxxxx.
    EXCLUSIVE  TOUCH      ..xxx.
    EXCLUSIVE  WRITE      xxxxx.
    EXCLUSIVE  LOCK       .oxxx.
    EXCLUSIVE  LOCK_TREE  ooxxx.
    CREATE     SHARED     ..xxx.
    CREATE     EXCLUSIVE  xxxxx.
    CREATE     CREATE     xxxxx.
    CREATE     TOUCH      ..xxx.
    CREATE     WRITE      xxxxx.
    CREATE     LOCK       .oxxx.
    CREATE     LOCK_TREE  ooxxx.
    TOUCH      SHARED     ......
    TOUCH      EXCLUSIVE  xxx...
    TOUCH      CREATE     xxx...
    TOUCH      TOUCH      ......
    TOUCH      WRITE      xxx...
    TOUCH      LOCK       ..x...
    TOUCH      LOCK_TREE  xxx...
    WRITE      SHARED     ......
    WRITE      EXCLUSIVE  xxxxx.
    WRITE      CREATE     xxxxx.
    WRITE      TOUCH      ..xxx.
    WRITE      WRITE      xxxxx.
    WRITE      LOCK       .oxxx.
    WRITE      LOCK_TREE  ooxxx.
    LOCK       SHARED     ......
    LOCK       EXCLUSIVE  xxxo..
    LOCK       CREATE     xxxo..
    LOCK       TOUCH      ..x...
    LOCK       WRITE      xxxo..
    LOCK       LOCK       ......
    LOCK       LOCK_TREE  ......
    LOCK_TREE  SHARED     ......
    LOCK_TREE  EXCLUSIVE  xxxoo.
    LOCK_TREE  CREATE     xxxoo.
    LOCK_TREE  TOUCH      ..xxx.
    LOCK_TREE  WRITE      xxxoo.
    LOCK_TREE  LOCK       ......
    LOCK_TREE  LOCK_TREE  ......
"""
#: Above what is held, the collection that it is in, itself, a member, what is below, a sibling.
PATHS = ("/", "/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/x")
ANN, BOB = ("ann", ""), ("bob", "")
#: Whose is what is held, and what is wanted; what belongs to nobody is another's for everybody.
OTHERS = [(ANN, BOB), (None, BOB), (ANN, None), (None, None), (("", "::1"), ("", "::2"))]


def _cells() -> list[tuple[Mode, Mode, str]]:
    rows = [row.split() for row in CELLS.strip().splitlines()]
    return [(Mode[held], Mode[wanted], expected) for held, wanted, expected in rows]


def _conflicts(reservations: Reservations, *wanted: Any, account: Any = None) -> bool:
    try:
        reservations.reserve("wants", wanted, account)
    except Conflict as conflict:
        return conflict.holder == "holds"
    reservations.release("wants")
    return False


def _found(held: Mode, wanted: Mode, accounts: Any, *, collection: bool, tree: Any) -> list[bool]:
    reservations = Reservations()
    place = tree.place("/a/b", collection=collection)
    reservations.reserve("holds", [(place, held)], accounts[0])
    return [
        _conflicts(reservations, (tree.place(path), wanted), account=accounts[1]) for path in PATHS
    ]


@pytest.mark.parametrize(("held", "wanted", "expected"), _cells())
@pytest.mark.parametrize("collection", [True, False])
def test_each_cell_of_the_table(
    held: Mode, wanted: Mode, expected: str, collection: bool, tree: Any
) -> None:
    """Every pair of modes conflicts for exactly the relations that the promises name."""
    if held is LOCK and not collection:
        # A file has no members.
        expected = expected.replace("o", ".")
    for accounts in OTHERS:
        found = _found(held, wanted, accounts, collection=collection, tree=tree)
        assert found == [sign in "xo" for sign in expected], accounts
    for account in (ANN, ("", "::1")):
        found = _found(held, wanted, (account, account), collection=collection, tree=tree)
        assert found == [sign == "x" for sign in expected]


def test_the_table_has_every_cell() -> None:
    """No pair of modes was forgotten."""
    assert {(held, wanted) for held, wanted, _ in _cells()} == {
        (held, wanted) for held in Mode for wanted in Mode
    }


def test_one_account_may_hold_where_another_is_in_the_way(tree: Any) -> None:
    """Of several holders below a lock only those of other accounts count."""
    reservations = Reservations()
    reservations.reserve("own", [(tree.place("/a/b/c"), EXCLUSIVE)], ANN)
    wanted = (tree.place("/a"), Mode.LOCK_TREE)
    assert not _conflicts(reservations, wanted, account=ANN)
    reservations.reserve("holds", [(tree.place("/a/b/d"), EXCLUSIVE)], BOB)
    assert _conflicts(reservations, wanted, account=ANN)


def test_a_member_of_a_bound_collection_is_directly_in_it(tree: Any) -> None:
    """A lock of depth 0 on one name of a directory covers the members under its other name."""
    tree.bind("/mnt/b", "/a/b")
    reservations = Reservations()
    reservations.reserve("holds", [(tree.place("/mnt/b/c"), CREATE)], ANN)
    assert _conflicts(reservations, (tree.place("/a/b"), LOCK), account=BOB)
    assert not _conflicts(reservations, (tree.place("/mnt"), LOCK), account=BOB)


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
