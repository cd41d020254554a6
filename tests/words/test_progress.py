"""How far an operation is, as it is shown."""

from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.progress import Progress

AMOUNTS = st.integers(min_value=0, max_value=10**12)
TOTALS = st.none() | AMOUNTS


def test_nothing_is_known_at_first() -> None:
    """Nothing is done, and the totals are unknown rather than 0."""
    assert Progress().seen() == Progress(0, 0, None, None)


@given(members=AMOUNTS, size=AMOUNTS, members_total=TOTALS, bytes_total=TOTALS)
def test_no_total_that_is_shown_is_below_what_is_done(
    members: int, size: int, members_total: int | None, bytes_total: int | None
) -> None:
    """A total that was counted too low is raised, an unknown one stays unknown."""
    seen = Progress(members, size, members_total, bytes_total).seen()
    assert (seen.members_done, seen.bytes_done) == (members, size)
    for done, told, shown in (
        (members, members_total, seen.members_total),
        (size, bytes_total, seen.bytes_total),
    ):
        assert shown == (None if told is None else max(done, told))


@given(members=AMOUNTS, size=AMOUNTS, total=TOTALS)
def test_settled_totals_are_what_was_done(members: int, size: int, total: int | None) -> None:
    """In the end nothing is left, whatever a count made ahead had found."""
    progress = Progress(members, size, total, total)
    progress.settle()
    assert progress == Progress(members, size, members, size)
