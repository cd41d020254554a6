"""The newest event of every operation, made once for all the streams that tell it.

An event stream is bytes in the form of the HTML standard, 9.2 (server-sent events).
"""

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Self

from davkeep.operations import Operation, Rate, Registry
from davkeep.operations.statuses import status_of
from davkeep.words.callers import Caller

#: Seconds between two looks at an operation, and so between two events of it: four a second.
PAUSE = 0.25

#: Failed members that an event, and a page, names at most; `/response` has all of them.
MOST_ERRORS = 100

#: Bytes after which what has been gathered for one stream is sent first.
PIECE = 16 * 1024

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
    account: tuple[str, str]
    #: What has to be different for another event.
    look: tuple[Any, ...]
    block: bytes


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
        self._events: OrderedDict[str, Event] = OrderedDict()
        #: When each operation that is not over was last looked at; all, under the empty name.
        self._looked: dict[str, float] = {}
        #: What was last told of each operation that nobody knows any more, the first to go first.
        #: Its event in the table is `removed` then and stays so: for whoever still follows the
        #: operation by itself, its end is kept here.
        self._gone: OrderedDict[str, Event] = OrderedDict()
        #: The serial of the newest event that was dropped.
        self._horizon = 0

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
                self._look_at_all(now)
            last = self._last_of(operation.id)
            if last is None and self._registry.get(operation.id) is not operation:
                # Nobody will see that it goes, so it does not come into the table.
                return self._event_of(operation)
            if last is None or self._is_due(operation.id, now) or operation.state.is_over:
                return self._look_at(operation, now)
            return last

    def since(
        self, serial: int, caller: Caller, now: float, *, most: float = PIECE
    ) -> tuple[list[Event], int]:
        """The events after ``serial`` that ``caller`` may see, and the serial up to which they go.

        No more than about ``most`` bytes; ask again for those that follow.
        """
        with self._lock:
            self._look_around(now)
            found: list[Event] = []
            size = 0
            for event in self._after(serial):
                if size >= most:
                    return found, serial
                serial = event.serial
                if caller.may_see(event.account):
                    found.append(event)
                    size += len(event.block)
            return found, self._serial

    def newest(self, now: float) -> int:
        """The serial of the newest event."""
        with self._lock:
            self._look_around(now)
            return self._serial

    # Called under the lock

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
        if self._is_due("", now):
            self._look_at_all(now)

    def _look_at_all(self, now: float) -> None:
        self._looked[""] = now
        known = self._registry.visible(lambda _: True)
        for operation in known:
            self._look_at(operation, now)
        here = {operation.id for operation in known}
        for id in [id for id in self._events if id not in here and id not in self._gone]:
            self._remove(id)
        self._trim()

    def _look_at(self, operation: Operation, now: float) -> Event:
        """Tell what is new of ``operation``; return what is newest."""
        id, last = operation.id, self._last_of(operation.id)
        if last is not None and last.name == "end":
            return last
        if last is not None and last.look == _look_of(operation, self._registry.lanes.now()):
            self._looked[id] = now
            return last
        event = self._event_of(operation)
        if event.name == "end":
            self._looked.pop(id, None)
        else:
            self._looked[id] = now
        if id in self._gone:
            self._gone[id] = event
        else:
            self._enter(id, event)
        return event

    def _last_of(self, id: str) -> Event | None:
        """What was last told of an operation, apart from that it is gone."""
        return self._gone.get(id) or self._events.get(id)

    def _remove(self, id: str) -> None:
        """Tell that an operation is gone; nothing is told to all about it after that."""
        last = self._events[id]
        # First what may fail: until it is told, the next look finds it again.
        removed = self._event("removed", last.account, (), {"id": id})
        self._looked.pop(id, None)
        self._gone[id] = last
        self._enter(id, removed)

    def _trim(self) -> None:
        """Forget the first of those that are gone, once they are too many."""
        while len(self._gone) > REMOVED_MOST:
            dropped, _ = self._gone.popitem(last=False)
            self._looked.pop(dropped, None)
            self._horizon = self._events.pop(dropped).serial

    def _enter(self, id: str, event: Event) -> None:
        self._events[id] = event
        self._events.move_to_end(id)

    def _event_of(self, operation: Operation) -> Event:
        """A new event that says how ``operation`` stands."""
        time = self._registry.lanes.now()
        look = _look_of(operation, time)
        told = status_of(operation, time, MOST_ERRORS)
        name = "progress" if told["status"] is None else "end"
        return self._event(name, operation.account, look, told)

    def _event(
        self, name: str, account: tuple[str, str], look: tuple[Any, ...], told: dict[str, Any]
    ) -> Event:
        self._serial += 1
        block = encode(name, told, self.position(self._serial))
        return Event(self._serial, name, account, look, block)


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
