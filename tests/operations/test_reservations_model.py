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

BOTH_WAYS = [{Mode.SHARED, Mode.EXCLUSIVE}, {Mode.EXCLUSIVE}, {Mode.CREATE}]
BOTH_WAYS.extend([{Mode.EXCLUSIVE, Mode.CREATE}, {Mode.WRITE}])


def _conflict(one: tuple[Place, Mode], two: tuple[Place, Mode]) -> bool:
    """Say it as the promises do, for two reservations in either order."""
    modes = {one[1], two[1]}
    if modes in BOTH_WAYS:
        return one[0].contains(two[0]) or two[0].contains(one[0])
    for (upper, upper_mode), (lower, lower_mode) in ((one, two), (two, one)):
        reads = upper_mode is Mode.CREATE and lower_mode is Mode.SHARED
        changes = lower_mode in (Mode.TOUCH, Mode.WRITE)
        touches = changes and upper_mode in (Mode.EXCLUSIVE, Mode.CREATE)
        writes = upper_mode is Mode.WRITE and lower_mode is Mode.TOUCH
        if (reads or touches or writes) and upper.contains(lower):
            return True
    return False


class Model:
    """Reservations as a plain list that is searched from end to end."""

    def __init__(self) -> None:
        self.held: list[tuple[int, tuple[Place, Mode]]] = []

    def reserve(self, holder: int, wanted: list[tuple[Place, Mode]]) -> bool:
        others = [wish for other, wish in self.held if other != holder]
        if any(_conflict(wish, other) for wish in wanted for other in others):
            return False
        self.held += [(holder, wish) for wish in wanted]
        return True

    def release(self, holder: int) -> None:
        self.held = [entry for entry in self.held if entry[0] != holder]


def _reserve(reservations: Reservations, holder: int, wanted: Any) -> bool:
    try:
        reservations.reserve(holder, wanted)
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
