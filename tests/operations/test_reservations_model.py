from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from davkeep.operations.reservations import Conflict, Mode, Reservations
from davkeep.trees.share import Place

#: Directories of a small tree, with the one that is bound to another.
IDENTITIES = {"": 1, "/a": 2, "/a/a": 3, "/a/b": 4, "/b": 5, "/b/a": 3, "/b/b": 6, "/a/a/a": 7}
BOUND = {"/b/a/a": "/a/a/a"}


def _identity(path: str) -> tuple[int, int]:
    path = BOUND.get(path, path)
    return (1, IDENTITIES.get(path, 100 + sum(map(ord, path)) + len(path) * 1000))


def _place(names: list[str], collection: bool) -> Place:
    ways = ["".join(f"/{name}" for name in names[:depth]) for depth in range(len(names) + 1)]
    identities = [_identity(way) for way in ways]
    entries = tuple((*of, name) for of, name in zip(identities, names, strict=False))
    return Place(entries, tuple(identities if collection else identities[:-1]))


places = st.builds(_place, st.lists(st.sampled_from("ab"), min_size=1, max_size=4), st.booleans())
wishes = st.lists(st.tuples(places, st.sampled_from(Mode)), min_size=1, max_size=3)
steps = st.lists(
    st.tuples(st.integers(0, 5), st.one_of(st.none(), wishes)), min_size=1, max_size=25
)

#: What replaces or removes a tree, or makes a name, is alone in it and with what is above.
ALONE = frozenset({Mode.EXCLUSIVE, Mode.CREATE, Mode.WRITE})
#: What is done to one member, in a moment.
MOMENTS = frozenset({Mode.TOUCH, Mode.LOCK, Mode.LOCK_TREE})

Wish = tuple[Place, Mode]


def _conflict(one: Wish, two: Wish, *, is_of_others: bool) -> bool:
    """Say it as the promises do, for two reservations in either order."""
    modes = {one[1], two[1]}
    if modes <= ALONE or modes == {Mode.SHARED, Mode.EXCLUSIVE}:
        return one[0].contains(two[0]) or two[0].contains(one[0])
    return any(
        _covers(upper, lower) or (is_of_others and _changes(lower, upper))
        for upper, lower in ((one, two), (two, one))
    )


def _covers(upper: Wish, lower: Wish) -> bool:
    """Whether a change of the one would be in the tree of the other, whoever makes it."""
    if not upper[0].contains(lower[0]):
        return False
    if lower[1] is Mode.SHARED:
        return upper[1] is Mode.CREATE
    if lower[1] is Mode.TOUCH and upper[1] is Mode.LOCK:
        return lower[0].contains(upper[0])
    takes = lower[1] in MOMENTS and upper[1] in ALONE
    return takes or (lower[1] is Mode.TOUCH and upper[1] is Mode.LOCK_TREE)


def _changes(changed: Wish, locked: Wish) -> bool:
    """Whether somebody changes what a lock that is being granted protects."""
    if changed[1] not in ALONE:
        return False
    if locked[1] is Mode.LOCK_TREE:
        return locked[0].contains(changed[0])
    return locked[1] is Mode.LOCK and changed[0].entries[-1][:2] == locked[0].own


def _account(holder: int) -> tuple[str, str] | None:
    """Two holders are of one user, two of another, and the rest of nobody."""
    return {0: ("ann", ""), 1: ("ann", ""), 2: ("", "::1"), 3: ("", "::1")}.get(holder)


def _is_of_others(one: int, two: int) -> bool:
    return _account(one) is None or _account(one) != _account(two)


class Model:
    """Reservations as a plain list that is searched from end to end."""

    def __init__(self) -> None:
        self.held: list[tuple[int, tuple[Place, Mode]]] = []

    def reserve(self, holder: int, wanted: list[tuple[Place, Mode]]) -> bool:
        if any(
            _conflict(wish, held, is_of_others=_is_of_others(holder, other))
            for wish in wanted
            for other, held in self.held
            if other != holder
        ):
            return False
        self.held += [(holder, wish) for wish in wanted]
        return True

    def release(self, holder: int) -> None:
        self.held = [entry for entry in self.held if entry[0] != holder]


def _reserve(reservations: Reservations, holder: int, wanted: Any) -> bool:
    try:
        reservations.reserve(holder, wanted, _account(holder))
    except Conflict as conflict:
        return conflict.holder == holder
    return True


@given(steps)
def test_the_indices_decide_as_a_search_of_all_would(
    script: list[tuple[int, list[tuple[Place, Mode]] | None]],
) -> None:
    """For any sequence of reserving and releasing, the indices and a plain list agree."""
    reservations, model = Reservations(), Model()
    for holder, wanted in script:
        if wanted is None:
            reservations.release(holder)
            model.release(holder)
        else:
            assert _reserve(reservations, holder, wanted) == model.reserve(holder, wanted)
    for holder in range(6):
        reservations.release(holder)
    assert not any(reservations._held.values())
