"""The table of events, with operations and a clock of the test."""

from collections.abc import Callable
from secrets import token_hex
from typing import Any

import pytest

from davkeep.monitor.news import PAUSE, REMOVED_MOST, TIDY_AFTER, News, Position, encode
from davkeep.monitor.subjects import AllOperations, OneOperation
from davkeep.operations import MemberFailure, Operation, Outcome, State
from davkeep.words.callers import Caller

ANN = Caller("ann", "")
ROOT = Caller("root", "", is_administrator=True)


class Registry:
    """What the news need of one."""

    def __init__(self) -> None:
        self.known: list[Operation] = []
        self.lanes = self
        self.looks = 0

    def now(self) -> float:
        """The lanes' clock."""
        return 0.0

    def visible(self, may_see: Callable[[tuple[str, str]], bool]) -> list[Operation]:
        """All of them."""
        assert may_see(("anybody", ""))
        self.looks += 1
        return list(self.known)

    def get(self, id: str) -> Operation | None:
        """One of them."""
        return next((each for each in self.known if each.id == id), None)

    def when_over(self, tell: Callable[[Operation], None]) -> None:
        """Tell of ends."""
        self.tell = tell

    def forget(self, *operations: Operation) -> None:
        """Let these, or all, end well, and be forgotten."""
        for each in operations or tuple(self.known):
            each.end(State.SUCCEEDED, Outcome(201))
            self.known.remove(each)

    def add(self, owner: str = "ann") -> Operation:
        """A new one, which runs."""
        operation = Operation(owner=owner, method="COPY", source="/a", created=0.0)
        operation.begin()
        self.known.append(operation)
        return operation


@pytest.fixture
def registry() -> Registry:
    """Without operations."""
    return Registry()


@pytest.fixture
def news(registry: Registry) -> News:
    """Of that registry."""
    made: Any = registry
    return News(made)


def names(news: News, serial: int, caller: Caller, now: float) -> tuple[list[str], int]:
    """What somebody is told after a serial, and up to where."""
    events, told = news.since(serial, caller, now)
    return [event.name for event in events], told


def test_an_event_is_made_once(registry: Registry, news: News) -> None:
    """For all who ask, and no more often than every pause, however fast the operation goes."""
    operation = registry.add()
    first = news.of(operation, 100.0)
    operation.progress.members_done += 1
    assert news.of(operation, 100.0 + PAUSE / 2) is first
    second = news.of(operation, 100.0 + PAUSE)
    assert second.serial == first.serial + 1
    assert news.of(operation, 100.0 + 9 * PAUSE) is second


def test_an_end_waits_for_no_pause(registry: Registry, news: News) -> None:
    """It is told at once, and nothing is told after it."""
    operation = registry.add()
    news.of(operation, 100.0)
    operation.end(State.SUCCEEDED, Outcome(201))
    last = news.of(operation, 100.0)
    assert last.name == "end"
    operation.progress.members_done += 1
    assert news.of(operation, 200.0) is last


def test_an_end_is_in_the_rest_of_a_stream(registry: Registry, news: News) -> None:
    """One of all that ends between two looks has what ended since the last one."""
    operation = registry.add()
    stream = AllOperations(news, ANN, None, 100.0)
    assert b"event: progress" in stream.tell(100.0)[0]
    operation.end(State.INTERRUPTED, Outcome(503))
    registry.tell(operation)
    assert b"event: end" in b"".join(stream.rest(100.0 + PAUSE / 2))


def test_who_is_told_what(registry: Registry, news: News) -> None:
    """Users of their own, administrators of all."""
    registry.add("ann")
    registry.add("bob")
    assert names(news, 0, ANN, 100.0) == (["progress"], 2)
    assert names(news, 0, ROOT, 100.0) == (["progress", "progress"], 2)
    assert names(news, 2, ROOT, 200.0) == ([], 2)


def test_all_are_looked_at_once_in_a_pause(registry: Registry, news: News) -> None:
    """However many streams ask."""
    registry.add()
    for _ in range(500):
        news.since(0, ANN, 100.0)
    assert registry.looks == 1
    news.since(0, ANN, 100.0 + PAUSE)
    assert registry.looks == 2


def test_only_the_newest_is_told(registry: Registry, news: News) -> None:
    """A stream that was away, or is slow, skips what was between."""
    operations = [registry.add() for _ in range(3)]
    _, told = news.since(0, ANN, 100.0)
    for moment in range(101, 110):
        operations[1].progress.members_done += 1
        news.since(0, ANN, float(moment))
    events, last = news.since(told, ANN, 110.0)
    assert len(events) == 1
    assert b'"members_done":9' in events[0].block
    assert last == told + 9


def test_much_is_told_in_pieces(registry: Registry, news: News) -> None:
    """Each goes on where the one before ended; what others may see counts for nothing."""
    for number in range(20):
        registry.add("ann" if number % 2 else "bob")
    serial, told = 0, 0
    while True:
        events, serial = news.since(serial, ANN, 100.0, most=1500)
        if not events:
            break
        assert len(events) <= 4
        told += len(events)
    assert (told, serial) == (10, 20)


def test_what_is_forgotten(registry: Registry, news: News) -> None:
    """It is told once; a client that was away for too long is told everything."""
    first = registry.add()
    keeper = registry.add()
    _, told = news.since(0, ANN, 100.0)
    position = news.position(told)
    registry.forget(first)
    events, after = news.since(told, ANN, 101.0)
    assert [event.name for event in events] == ["end", "removed"]
    assert news.resume(position) == told
    gone = [registry.add() for _ in range(REMOVED_MOST)]
    news.since(after, ANN, 102.0)
    registry.forget(*gone)
    assert registry.known == [keeper]
    news.since(after, ANN, 103.0)
    assert news.resume(position) is None


def test_what_is_forgotten_is_tidied_up(registry: Registry, news: News) -> None:
    """Also where nobody asks for all operations."""
    first = registry.add()
    news.of(first, 100.0)
    registry.forget()
    second = registry.add()
    news.of(second, 100.0 + TIDY_AFTER)
    events, _ = news.since(0, ANN, 100.0 + TIDY_AFTER)
    assert {event.name for event in events} == {"end", "removed", "progress"}


def test_what_was_forgotten_long_ago_is_met_while_more_is_forgotten(
    registry: Registry, news: News
) -> None:
    """The oldest make room in the middle of a look, and are not looked for in that look."""
    first = [registry.add() for _ in range(REMOVED_MOST)]
    news.newest(100.0)
    registry.forget()
    _, told = news.since(0, ANN, 101.0, most=1e9)
    more = [registry.add() for _ in range(REMOVED_MOST // 2)]
    news.newest(102.0)
    registry.forget()
    events, _ = news.since(told, ANN, 103.0, most=1e9)
    assert len(first) == 2 * len(more)
    assert [event.name for event in events] == ["end", "removed"] * len(more)


def test_the_end_of_what_is_forgotten(registry: Registry, news: News) -> None:
    """All are told, once; those that do not follow it by itself also that it is gone."""
    operation = registry.add()
    one = OneOperation(news, operation, None)
    everything = AllOperations(news, ANN, None, 100.0)
    assert b"progress" in one.tell(100.0)[0]
    assert b"progress" in everything.tell(100.0)[0]
    registry.forget()
    told, _ = everything.tell(101.0)
    assert told.index(b"event: end") < told.index(b"event: removed")
    assert b"event: end" in one.tell(101.0)[0]
    assert one.tell(102.0) == (b"", False)
    assert everything.tell(102.0) == (b"", False)


def test_what_waits_to_be_told_holds_little(registry: Registry, news: News) -> None:
    """Ends that name many failed members are made events at once, the others at the next look."""
    everything = AllOperations(news, ANN, None, 100.0)
    failures = tuple(MemberFailure(f"/a/{token_hex(50)}", 403) for _ in range(100))
    small, large = registry.add(), registry.add()
    small.end(State.SUCCEEDED, Outcome(201))
    large.end(State.FAILED, Outcome(207, failures))
    registry.known.clear()
    registry.tell(small)
    assert list(news._untold) == [small]
    registry.tell(large)
    assert not news._untold
    assert everything.tell(101.0)[0].count(b"event: end") == 2


def test_the_end_of_what_was_never_looked_at(registry: Registry, news: News) -> None:
    """It went between the question for it and the first look: it comes into no table."""
    operation = registry.add()
    registry.forget()
    one = OneOperation(news, operation, None)
    assert not one.is_over(100.0)
    assert b"event: end" in one.tell(100.0)[0]
    assert one.tell(100.0) == (b"", False)
    assert news.since(0, ANN, 101.0)[0] == []


@pytest.mark.parametrize("text", ["", "x", "1", "a-", "a-b", "a-1.5", "a-²", "a-" + "1" * 19])
def test_positions_that_are_none(text: str) -> None:
    """They are not an error; the client is told everything."""
    assert Position.of(text) is None


def test_positions(news: News) -> None:
    """As text and back; those of another process, or of the future, are not known."""
    here = news.position(0)
    assert Position.of(str(here)) == here
    assert news.resume(here) == 0
    assert news.resume(news.position(1)) is None
    assert news.resume(Position("00000000", 0)) is None
    assert news.resume(None) is None


def test_nothing_in_the_data_ends_it() -> None:
    """Line ends and characters beyond ASCII are escaped."""
    block = encode("end", {"explanation": "a\nb\r\u2028ä"}, Position("e", 7))
    assert block == b'id: e-7\nevent: end\ndata: {"explanation":"a\\nb\\r\\u2028\\u00e4"}\n\n'


def test_a_removal_that_fails_is_made_up_for(
    registry: Registry, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be told for want of memory is told by the next look, and nothing stays."""
    registry.add()
    told = news.newest(100.0)
    registry.forget()
    with monkeypatch.context() as short:
        short.setattr("davkeep.monitor.news.encode", _no_memory)
        with pytest.raises(MemoryError):
            news.newest(101.0)
    events, _ = news.since(told, ANN, 102.0)
    assert [event.name for event in events] == ["end", "removed"]
    assert len(news._looked) == 1
    assert not news._running


def test_a_look_that_fails_leaves_nothing(
    registry: Registry, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation of which nothing could be told, and that is gone, is in no table."""
    registry.add()
    with monkeypatch.context() as short:
        short.setattr("davkeep.monitor.news.encode", _no_memory)
        with pytest.raises(MemoryError):
            news.newest(100.0)
    registry.known.clear()
    news.newest(101.0)
    assert list(news._looked) == [""]


def _no_memory(*_: object) -> bytes:
    raise MemoryError
