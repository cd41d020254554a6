"""The newest event of every operation, made once for all the streams that tell it.

An event stream is bytes in the form of the HTML standard, 9.2 (server-sent events).
"""

import json
import threading
import zlib
from collections import OrderedDict, deque
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Self
from weakref import WeakSet

from davkeep.operations import Operation, Rate, Registry
from davkeep.operations.statuses import status_of
from davkeep.words.callers import Caller

#: Seconds between two looks at an operation, and so between two events of it: four a second.
PAUSE = 0.25

#: Failed members that an event, and a page, names at most, and bytes of an event that they may
#: fill; `/response` has all of them.
MOST_ERRORS, MOST_BYTES = 100, 16 * 1024

#: Bytes of an event besides its data, at most.
_AROUND = 100

#: Bytes after which what has been gathered for one stream is sent first.
PIECE = 16 * 1024

#: Bytes from which on the event of an end is kept compressed: it may be kept for long, and names of
#: one folder are alike. So all of them take little more than the results that they tell of.
LARGE = 2048

#: Ends that wait to be looked at, at most, before who has brought one looks at them.
MOST_UNTOLD = 1000

#: How many operations that nobody knows any more are told of at most.
REMOVED_MOST = 1000

#: Seconds after which what is no longer known is looked for, if only single operations are
#: followed.
TIDY_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """What was last to be told of one operation."""

    serial: int
    #: `progress` as long as it is not over, then `end`, and `removed` when it is forgotten.
    name: str
    #: The operation's identifier.
    id: str
    account: tuple[str, str]
    #: What has to be different for another event; empty where none will follow.
    look: tuple[Any, ...]
    #: Bytes of `block`.
    size: int
    _kept: bytes

    @property
    def block(self) -> bytes:
        """What is sent."""
        return self._kept if len(self._kept) == self.size else zlib.decompress(self._kept)


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a stream has told; as text it is the `id:` of an event."""

    epoch: str
    serial: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.serial}"

    @classmethod
    def of(cls, text: str) -> Self | None:
        """What a Last-Event-ID field says; None if it is none of ours."""
        epoch, _, digits = text.strip().partition("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            return None
        return cls(epoch, int(digits))


class News:
    """The table of events, in the order in which they happened.

    ``_lock`` guards it. The registry's lock and those of operations come after it; none of them is
    held for long, so a stream's turn is short.
    """

    def __init__(self, registry: Registry) -> None:
        """Nothing is looked at before somebody asks."""
        self._registry = registry
        self._lock = threading.Lock()
        #: Tells the positions of this process from those of one before it.
        self._epoch = token_hex(4)
        self._serial = 0
        #: The newest of each operation by its identifier, and of what is forgotten a `removed` in
        #: addition, by `_removal`.
        self._events: OrderedDict[str, Event] = OrderedDict()
        #: Those of which progress was told last, so that their end is told although nobody else
        #: knows them any more.
        self._running: dict[str, Operation] = {}
        #: Who wants to be told of ends that come and are forgotten between two looks.
        self._followers: WeakSet[object] = WeakSet()
        self._untold: deque[Operation] = deque()
        #: When each operation that is not over was last looked at; all, under the empty name.
        self._looked: dict[str, float] = {}
        #: The operations that nobody knows any more, the first to go first. Their ends are still in
        #: the table: for streams that are behind, and for whoever follows one by itself.
        self._gone: OrderedDict[str, None] = OrderedDict()
        #: The serial of the newest event that was dropped.
        self._horizon = 0
        registry.when_over(self.ended)

    def follow(self, follower: object) -> None:
        """Be told of every end from now on, as long as ``follower`` is there."""
        with self._lock:
            self._followers.add(follower)

    def ended(self, operation: Operation) -> None:
        """An operation is over; called by any thread, before who asked for it is told.

        One that holds much does not wait to be looked at, since its result may be forgotten by now.
        """
        if self._followers:
            self._untold.append(operation)
            outcome = operation.outcome
            holds_much = outcome is not None and outcome.size >= LARGE
            if holds_much or len(self._untold) > MOST_UNTOLD:
                with self._lock:
                    self._take_untold()

    def position(self, serial: int) -> Position:
        """The position after the event ``serial``."""
        return Position(self._epoch, serial)

    def resume(self, position: Position | None) -> int | None:
        """The serial after which a stream goes on; None for one that has to be told everything."""
        with self._lock:
            if position is None or position.epoch != self._epoch:
                return None
            is_known = self._horizon <= position.serial <= self._serial
            return position.serial if is_known else None

    def of(self, operation: Operation, now: float) -> Event:
        """The newest event of ``operation``; ``now`` is seconds of a monotonic clock.

        Never that it is gone, for who follows it by itself wants to know how it ended.
        """
        with self._lock:
            if now >= self._looked.get("", 0.0) + TIDY_AFTER:
                self._look_around(now)
            last = self._events.get(operation.id)
            if last is None and self._registry.get(operation.id) is not operation:
                # Nobody will see that it goes, so it does not come into the table.
                return self._event_of(operation)
            if last is None or self._is_due(operation.id, now) or operation.state.is_over:
                return self._look_at(operation, now)
            return last

    def since(
        self, serial: int, caller: Caller, now: float, *, ignored: int = 0, most: float = PIECE
    ) -> tuple[list[Event], int]:
        """The events after ``serial`` that ``caller`` may see, and the serial up to which they go.

        No more than ``most`` bytes, and one event; ask again for those that follow.
        What was forgotten up to the serial ``ignored`` is not told.
        """
        with self._lock:
            self._look_around(now)
            found: list[Event] = []
            size = 0
            for event in self._after(serial):
                if size >= most:
                    return found, serial
                serial = event.serial
                if caller.may_see(event.account) and self._is_news(event, ignored):
                    found.append(event)
                    size += event.size
            return found, self._serial

    def has_forgotten(self, serial: int, now: float) -> bool:
        """Whether something after ``serial`` can no longer be told."""
        with self._lock:
            self._look_around(now)
            return serial < self._horizon

    def newest(self, now: float) -> int:
        """The serial of the newest event."""
        with self._lock:
            self._look_around(now)
            return self._serial

    # Called under the lock

    def _is_news(self, event: Event, ignored: int) -> bool:
        """Whether it is about what was not forgotten up to the serial ``ignored``."""
        removal = self._events.get(_removal(event.id))
        return removal is None or removal.serial > ignored

    def _after(self, serial: int) -> list[Event]:
        newer = []
        for event in reversed(self._events.values()):
            if event.serial <= serial:
                break
            newer.append(event)
        return newer[::-1]

    def _is_due(self, name: str, now: float) -> bool:
        return now >= self._looked.get(name, -PAUSE) + PAUSE

    def _look_around(self, now: float) -> None:
        # An end waits for no pause: whoever asks may be asking for the last time.
        self._take_untold()
        if self._is_due("", now):
            self._look_at_all(now)

    def _look_at_all(self, now: float) -> None:
        self._looked[""] = now
        known = self._registry.visible(lambda _: True)
        for operation in known:
            self._look_at(operation, now)
        here = {operation.id for operation in known}
        for id in [id for id in self._events if id not in here]:
            self._look_for(id, now)
        self._trim()

    def _take_untold(self) -> None:
        while self._untold:
            # It is over, so when it was looked at does not matter.
            self._look_at(self._untold[0], 0.0)
            self._untold.popleft()

    def _look_for(self, id: str, now: float) -> None:
        """One that the registry does not know any more is forgotten, after its end is told."""
        if id in self._gone or self._events[id].name == "removed":
            return
        if id in self._running:
            self._look_at(self._running[id], now)
        # One that is not over will be in a moment, and is told to be gone at a later look.
        if id not in self._running:
            self._remove(id)

    def _look_at(self, operation: Operation, now: float) -> Event:
        """Tell what is new of ``operation``; return what is newest."""
        id, last = operation.id, self._events.get(operation.id)
        if last is not None and last.name == "end":
            return last
        if last is not None and last.look == _look_of(operation, self._registry.lanes.now()):
            self._looked[id] = now
            return last
        event = self._event_of(operation)
        if event.name == "end":
            self._looked.pop(id, None)
            self._running.pop(id, None)
        else:
            self._looked[id] = now
            self._running[id] = operation
        self._enter(id, event)
        return event

    def _remove(self, id: str) -> None:
        """Tell that an operation is gone, after its end; nothing is told about it after that."""
        # First what may fail: until it is told, the next look finds it again.
        removed = self._event("removed", id, self._events[id].account, (), {"id": id})
        self._gone[id] = None
        self._enter(_removal(id), removed)

    def _trim(self) -> None:
        """Forget the first of those that are gone, once they are too many."""
        while len(self._gone) > REMOVED_MOST:
            dropped, _ = self._gone.popitem(last=False)
            del self._events[dropped]
            self._horizon = self._events.pop(_removal(dropped)).serial

    def _enter(self, id: str, event: Event) -> None:
        self._events[id] = event
        self._events.move_to_end(id)

    def _event_of(self, operation: Operation) -> Event:
        """A new event that says how ``operation`` stands."""
        time = self._registry.lanes.now()
        look = _look_of(operation, time)
        told = status_of(operation, time, MOST_ERRORS, MOST_BYTES - _AROUND)
        pending = told["status"] is None
        name = "progress" if pending else "end"
        # The look at what is over would keep all that its outcome names.
        return self._event(name, operation.id, operation.account, look if pending else (), told)

    def _event(
        self,
        name: str,
        id: str,
        account: tuple[str, str],
        look: tuple[Any, ...],
        told: dict[str, Any],
    ) -> Event:
        self._serial += 1
        block = encode(name, told, self.position(self._serial))
        kept = zlib.compress(block, 1) if name == "end" and len(block) >= LARGE else block
        return Event(self._serial, name, id, account, look, len(block), kept)


def _removal(id: str) -> str:
    """Under which name it is known that an operation is forgotten."""
    return f"{id} removed"


def _look_of(operation: Operation, now: float) -> tuple[Any, ...]:
    """What tells one look from another; the rate only by whether there is one."""
    progress = operation.progress
    return (
        operation.standing,
        progress.members_done,
        progress.bytes_done,
        progress.members_total,
        progress.bytes_total,
        operation.is_being_cancelled,
        operation.is_settled,
        operation.rate(now) == Rate(0.0, 0.0),
    )


def encode(name: str, data: dict[str, Any], position: Position | None = None) -> bytes:
    """One event. JSON in ASCII holds no line break, which would end the data."""
    id = f"id: {position}\n" if position else ""
    return f"{id}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode("ascii")
