"""A client of an event stream, on a raw socket: every event as it comes, and when."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h11

from harness.wire import Wire


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str
    id: str
    data: Any
    #: Reading of `time.monotonic()` when it was there.
    came: float

    @property
    def is_heartbeat(self) -> bool:
        """Whether it says only that the stream is alive."""
        return self.name == "alive"


class EventReader:
    """Reads one stream."""

    def __init__(self, wire: Wire, path: str, fields: Mapping[str, str] | None = None) -> None:
        """Ask for it and read the head of its response."""
        self.wire = wire
        wire.send("GET", path, {"Accept": "text/event-stream", **(fields or {})})
        head = wire.event()
        assert isinstance(head, h11.Response), head
        self.status = head.status_code
        self.fields = {name.decode().title(): value.decode() for name, value in head.headers}
        self.retry: int | None = None
        self.is_complete = False
        self._text = ""
        #: Each event as it came, without the line that ends it.
        self.blocks: list[str] = []

    def next(self) -> Event | None:
        """The next event; None at the proper end of the response."""
        while True:
            block, separator, rest = self._text.partition("\n\n")
            if separator:
                self._text = rest
                self.blocks.append(block)
                event = self._parsed(block)
                if event is not None:
                    return event
            elif not self._receive():
                return None

    def until(self, name: str) -> list[Event]:
        """The events up to the first of this name, without heartbeats."""
        events = []
        while (event := self.next()) is not None:
            if not event.is_heartbeat:
                events.append(event)
            if event.name == name:
                return events
        raise AssertionError(f"no {name!r} among {events}")

    def rest(self) -> list[Event]:
        """All events up to the end of the response, without heartbeats."""
        events = []
        while (event := self.next()) is not None:
            if not event.is_heartbeat:
                events.append(event)
        return events

    def _receive(self) -> bool:
        piece = self.wire.event()
        if isinstance(piece, h11.EndOfMessage):
            self.is_complete = True
            return False
        assert isinstance(piece, h11.Data), f"the stream was cut: {piece!r}"
        self._text += bytes(piece.data).decode("ascii")
        return True

    def _parsed(self, block: str) -> Event | None:
        pairs = [line.partition(":")[::2] for line in block.split("\n")]
        lines = {name: value.removeprefix(" ") for name, value in pairs}
        if "retry" in lines:
            self.retry = int(lines["retry"])
            return None
        data = json.loads(lines["data"]) if "data" in lines else None
        return Event(lines.get("event", ""), lines.get("id", ""), data, time.monotonic())
