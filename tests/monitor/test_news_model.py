"""The table of events against a simple model, in every order of what may happen."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from davkeep.monitor import news as module
from davkeep.monitor.news import PAUSE, TIDY_AFTER, News, Position
from davkeep.monitor.subjects import AllOperations, OneOperation, Subject
from davkeep.operations import Operation, Outcome, State
from davkeep.words.callers import Caller

ROOT = Caller("root", "", is_administrator=True)

#: So few that they are reached.
REMOVED_MOST = 3

indices = st.integers(0, 50)


class Registry:
    """What the news need of one. ``vanishing`` goes in the moment after it was asked for."""

    def __init__(self) -> None:
        self.known: list[Operation] = []
        self.vanishing: list[Operation] = []
        self.lanes = self
        self.tell: Callable[[Operation], None]

    def when_over(self, tell: Callable[[Operation], None]) -> None:
        """Tell of ends."""
        self.tell = tell

    def now(self) -> float:
        """The lanes' clock."""
        return 0.0

    def visible(self, _: Callable[[tuple[str, str]], bool]) -> list[Operation]:
        """All of them."""
        found = list(self.known)
        self._let_vanish()
        return found

    def get(self, id: str) -> Operation | None:
        """One of them."""
        found = next((each for each in self.known if each.id == id), None)
        self._let_vanish()
        return found

    def _let_vanish(self) -> None:
        self.known = [each for each in self.known if each not in self.vanishing]
        self.vanishing.clear()


class Told:
    """One stream, and what it was told: name and identifier of each event."""

    def __init__(self, subject: Subject, operation: Operation | None = None) -> None:
        self.subject = subject
        self.operation = operation
        self.events: list[tuple[str, str]] = []
        self.position: Position | None = None
        #: Whether it has just been told that everything follows.
        self.is_anew = True

    def look(self, now: float) -> None:
        """Take what there is, to the end."""
        has_more = True
        looks = 0
        while has_more:
            block, has_more = self.subject.tell(now)
            self._read(block.decode())
            looks += 1
            assert looks < 1000, "there is always more, and never comes"

    def _read(self, text: str) -> None:
        for event in filter(None, text.split("\n\n")):
            fields = dict(line.split(": ", 1) for line in event.split("\n"))
            if fields["event"] == "begin":
                self._begin(**json.loads(fields["data"]))
                continue
            position = Position.of(fields["id"])
            assert position is not None
            assert self.position is None or position.serial > self.position.serial
            self.position = position
            self.events.append((fields["event"], json.loads(fields["data"])["id"]))

    def _begin(self, *, resumed: bool) -> None:
        if not resumed:
            self.is_anew = True
            self.events.clear()
            self.position = None

    def of(self, operation: Operation) -> list[str]:
        """What it was told of one operation."""
        return [name for name, id in self.events if id == operation.id]


class Table(RuleBasedStateMachine):
    """Operations come and go, and streams of one and of all are told of them."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry()
        made: Any = self.registry
        self.news = News(made)
        self.now = 1000.0
        self.all: list[Operation] = []
        self.streams: list[Told] = []
        #: The operations of which each stream has to tell the end.
        self.followed: dict[Told, list[Operation]] = {}

    def _pick(self, of: list[Any], index: int) -> Any:
        return of[index % len(of)] if of else None

    @rule()
    def begin(self) -> None:
        """A new operation."""
        made = Operation(owner="ann", method="COPY", source="/a", created=0.0)
        made.begin()
        self.registry.known.append(made)
        self.all.append(made)
        for told in self.followed:
            self.followed[told].append(made)

    @rule(index=indices)
    def progress(self, index: int) -> None:
        """One gets on."""
        running = [each for each in self.all if not each.state.is_over]
        if operation := self._pick(running, index):
            operation.progress.members_done += 1

    @rule(index=indices)
    def end(self, index: int) -> None:
        """One is over; it may be forgotten by then, as one is whose checks failed."""
        running = [each for each in self.all if not each.state.is_over]
        if operation := self._pick(running, index):
            self._end(operation)

    @rule()
    def pass_by(self) -> None:
        """One is over, and forgotten, before anybody looks."""
        self.begin()
        self._end(self.registry.known.pop())

    def _end(self, operation: Operation) -> None:
        operation.end(State.SUCCEEDED, Outcome(201))
        self.registry.tell(operation)

    @rule(index=indices, several=st.integers(1, 5))
    def expire(self, index: int, several: int) -> None:
        """Some are forgotten."""
        for _ in range(several):
            if operation := self._pick(self.registry.known, index):
                self.registry.known.remove(operation)

    @rule(index=indices)
    def vanish(self, index: int) -> None:
        """One is forgotten in the moment after it was found."""
        if operation := self._pick(self.registry.known, index):
            self.registry.vanishing.append(operation)

    @rule(seconds=st.sampled_from([PAUSE / 2, PAUSE, TIDY_AFTER]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def follow_all(self) -> None:
        """Somebody opens the page."""
        self.streams.append(Told(AllOperations(self.news, ROOT, None, self.now)))

    @rule(index=indices)
    def follow_one(self, index: int) -> None:
        """Somebody follows one, which may have gone since it was found."""
        if operation := self._pick(self.all, index):
            self.streams.append(Told(OneOperation(self.news, operation, None), operation))

    @rule(index=indices)
    def look(self, index: int) -> None:
        """A stream has its turn."""
        if told := self._pick(self.streams, index):
            self._look(told)

    @rule(index=indices)
    def resume(self, index: int) -> None:
        """A stream broke off, and its client comes back with what it knows."""
        told = self._pick(self.streams, index)
        if told is None or self.news.resume(told.position) is None:
            return
        if told.operation is None:
            told.subject = AllOperations(self.news, ROOT, told.position, self.now)
        elif "end" not in told.of(told.operation):
            told.subject = OneOperation(self.news, told.operation, told.position)

    @rule()
    def everybody_looks(self) -> None:
        """After a pause nobody is behind."""
        self.now += PAUSE
        for told in self.streams:
            self._look(told)
        for operation in self.all:
            self._check(operation)

    def _look(self, told: Told) -> None:
        told.look(self.now)
        if told.is_anew:
            # What is over by now may be forgotten, and is none of its business.
            self.followed[told] = [each for each in self.all if not each.state.is_over]
            told.is_anew = False

    def _check(self, operation: Operation) -> None:
        is_known = operation in self.registry.known
        is_over = operation.state.is_over
        for told in self.streams:
            of_it = told.of(operation)
            if told.operation is operation or (told.operation is None and is_known):
                assert of_it[-1:] == (["end"] if is_over else ["progress"])
            if told.operation is None and is_over and operation in self.followed[told]:
                assert of_it.count("end") == 1

    @invariant()
    def each_is_told_in_order(self) -> None:
        """Progress, one end, that it is gone; and what follows one is not told that."""
        for told in self.streams:
            for operation in self.all:
                of_it = told.of(operation)
                order = sorted(of_it, key=["progress", "end", "removed"].index)
                assert of_it == order
                assert of_it.count("end") <= 1
                assert of_it.count("removed") <= (told.operation is None)

    @invariant()
    def no_more_is_kept_than_is_to_be(self) -> None:
        """What is gone is in both tables, and in the right order."""
        gone = list(self.news._gone)
        assert len(gone) <= REMOVED_MOST
        events = self.news._events
        assert [events[id].name for id in gone] == ["end"] * len(gone)
        removed = [event for event in events.values() if event.name == "removed"]
        assert [event.id for event in removed] == gone
        serials = [event.serial for event in events.values()]
        assert serials == sorted(serials)


def test_every_order(monkeypatch: Any) -> None:
    """Nothing raises, and each stream is told each end once."""
    monkeypatch.setattr(module, "REMOVED_MOST", REMOVED_MOST)
    run_state_machine_as_test(
        Table,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
