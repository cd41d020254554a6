"""What is on the disks after power was lost: what was flushed, and any part of the rest."""

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from power.disk import Event
from power.layouts import copy_sparse

#: Bytes that are written together or not at all: a write may be torn between two such pieces.
PIECE = 4096


class Keep(Enum):
    """Which of the writes that no flush followed have reached a disk."""

    NONE = "none"
    ALL = "all"
    FIRST = "the first ones"
    SOME = "some"
    TORN = "pieces of some"


@dataclass(frozen=True)
class Loss:
    """Power is lost after the event of this number; how much each disk keeps of the rest."""

    moment: int
    keeps: tuple[Keep, ...]

    def __str__(self) -> str:
        """Say so in words."""
        kept = ", ".join(keep.value for keep in self.keeps)
        return f"after event {self.moment}, of what was not flushed kept: {kept}"


class Images:
    """Makes images, of moments that never go backwards."""

    def __init__(self, fresh: Iterable[Path], folder: Path, events: list[Event]) -> None:
        """``fresh``: the disks before the first of the ``events``; ``folder`` is to be made."""
        folder.mkdir()
        self._events = events
        self._next = 0
        self._durable = []
        for file in fresh:
            self._durable.append(folder / file.name)
            copy_sparse(file, self._durable[-1])
        #: Of each disk the writes after its last flush.
        self._pending: list[list[Event]] = [[] for _ in self._durable]

    def make(self, loss: Loss, folder: Path, dice: random.Random) -> list[Path]:
        """Make the disks of one loss in ``folder``."""
        self._advance(loss.moment)
        images = []
        for durable, pending, keep in zip(self._durable, self._pending, loss.keeps, strict=True):
            images.append(folder / durable.name)
            copy_sparse(durable, images[-1])
            _write(images[-1], _kept(pending, keep, dice))
        return images

    def _advance(self, moment: int) -> None:
        while self._next < len(self._events) and self._events[self._next].number <= moment:
            event = self._events[self._next]
            self._next += 1
            pending = self._pending[event.disk]
            if event.data is not None:
                pending.append(event)
                continue
            _write(self._durable[event.disk], pieces(pending, PIECE * 1024))
            pending.clear()


#: Where something is written, and what.
Write = tuple[int, memoryview]


def pieces(events: Iterable[Event], size: int) -> list[Write]:
    """The writes, cut at multiples of ``size``."""
    found = []
    for event in events:
        assert event.data is not None
        position = 0
        while position < len(event.data):
            end = position + size - (event.offset + position) % size
            found.append((event.offset + position, event.data[position:end]))
            position = end
    return found


def _kept(pending: list[Event], keep: Keep, dice: random.Random) -> list[Write]:
    if keep is Keep.NONE:
        return []
    if keep is Keep.FIRST:
        pending = pending[: dice.randint(0, len(pending))]
    likely = dice.choice((0.1, 0.5, 0.9))
    if keep is Keep.SOME:
        pending = [event for event in pending if dice.random() < likely]
    found = pieces(pending, PIECE)
    if keep is Keep.TORN:
        found = [piece for piece in found if dice.random() < likely]
    return found


def _write(file: Path, writes: Iterable[Write]) -> None:
    fd = os.open(file, os.O_RDWR)
    try:
        for offset, data in writes:
            os.pwrite(fd, data, offset)
    finally:
        os.close(fd)
