import pytest

from davkeep.operations.turns import QUANTUM, SHORT_QUANTUM, Driver, Turns, hands_over, yields_slot
from davkeep.trees.steps import Lane


def _filled(*items: str) -> Turns[str]:
    turns: Turns[str] = Turns()
    for item in items:
        turns.put(item[0], item)
    return turns


def test_owners_take_turns() -> None:
    """One owner's many operations delay another's first by one turn at most."""
    turns = _filled("a1", "a2", "a3", "b1", "c1", "b2")
    assert [turns.take() for _ in range(len(turns))] == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_an_owner_who_comes_back_queues_at_the_end() -> None:
    """Who gave up a slot waits for every other owner, and behind its own line."""
    turns = _filled("a1", "b1")
    assert turns.take() == "a1"
    turns.put("a", "a2")
    turns.put("a", "a1")
    assert [turns.take() for _ in range(3)] == ["b1", "a2", "a1"]


def test_removing() -> None:
    """What was taken out of the line is never drawn, and an empty line has no turn."""
    turns = _filled("a1", "b1", "b2")
    turns.remove("a", "a1")
    turns.remove("b", "b1")
    assert len(turns) == 1
    assert turns.take() == "b2"
    with pytest.raises(IndexError):
        turns.take()
    with pytest.raises(KeyError):
        turns.remove("a", "a1")


def test_others_wait() -> None:
    """Only another owner's operations count as others."""
    assert not _filled("a1", "a2").others_wait("a")
    assert _filled("a1", "a2").others_wait("b")
    assert _filled("a1", "b1").others_wait("a")
    assert not _filled().others_wait("a")


@pytest.mark.parametrize(
    ("driver", "lane", "held", "pause", "expected"),
    [
        (Driver.INLINE, Lane.SHORT, 4.9, 0.0, False),
        (Driver.INLINE, Lane.SHORT, 5.0, 0.0, True),
        (Driver.INLINE, Lane.LONG, 0.9, 0.0, False),
        (Driver.INLINE, Lane.LONG, QUANTUM, 0.0, True),
        (Driver.INLINE, Lane.LONG, 0.0, 0.1, True),
        (Driver.SHORT, Lane.SHORT, 99.0, 0.0, False),
        (Driver.SHORT, Lane.LONG, 0.0, 0.0, True),
        (Driver.LONG, Lane.LONG, 99.0, 9.0, False),
        (Driver.LONG, Lane.SHORT, 99.0, 0.0, False),
    ],
)
def test_when_work_goes_to_another_lane(
    driver: Driver, lane: Lane, held: float, pause: float, expected: bool
) -> None:
    """A request's thread gives work away after 5 s here, bulk work after the quantum."""
    assert hands_over(driver, lane, held, pause, seconds=5.0) is expected


def test_no_seconds_inline() -> None:
    """With a grace of 0 the request's thread drives nothing."""
    assert hands_over(Driver.INLINE, Lane.SHORT, 0.0, 0.0, seconds=0.0)


@pytest.mark.parametrize(
    ("driver", "lane", "held", "others", "expected"),
    [
        (Driver.LONG, Lane.LONG, QUANTUM, True, True),
        (Driver.LONG, Lane.LONG, QUANTUM, False, False),
        (Driver.LONG, Lane.LONG, QUANTUM - 0.01, True, False),
        (Driver.LONG, Lane.SHORT, QUANTUM, True, False),
        (Driver.SHORT, Lane.SHORT, SHORT_QUANTUM, True, True),
        (Driver.SHORT, Lane.SHORT, SHORT_QUANTUM, False, False),
        (Driver.SHORT, Lane.SHORT, SHORT_QUANTUM / 2, True, False),
        (Driver.INLINE, Lane.LONG, 99.0, True, False),
    ],
)
def test_when_work_gives_up_its_slot(
    driver: Driver, lane: Lane, held: float, others: bool, expected: bool
) -> None:
    """A slot is given up after the quantum, to other owners, never between a copy and its swap."""
    assert yields_slot(driver, lane, held, others) is expected
