"""Which trees are taken, by what, and who waits for them (the promises, Reservations)."""

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from davkeep.operations.attempt import call_all
from davkeep.trees.share import Place

Callback = Callable[[], None]

#: One component of a resolved path (device and inode of its parent, folded name), or one
#: directory on the way (device, inode). Their lengths differ, so that both fit one index.
Key = tuple[int, int, str] | tuple[int, int]


class Mode(Enum):
    """How a place is taken."""

    SHARED = auto()
    """The tree that a COPY reads."""
    EXCLUSIVE = auto()
    """A destination that replaces a collection; the tree of a MOVE or DELETE."""
    CREATE = auto()
    """A COPY's destination that replaces nothing or a plain file."""
    TOUCH = auto()
    """One member that MKCOL, PROPPATCH or LOCK changes."""
    WRITE = auto()
    """One file that PUT commits: as TOUCH, and alone at its name, so that the later one waits."""


class Rule(NamedTuple):
    """When a reservation that is held stands in the way of one that is wanted."""

    above: bool
    """It does if the held place is equal to the wanted one or above it."""
    below: bool
    """It does if the held place is equal to the wanted one or below it."""


_FREE = Rule(above=False, below=False)
_ABOVE = Rule(above=True, below=False)
_BELOW = Rule(above=False, below=True)
_EITHER = Rule(above=True, below=True)

#: Rows: what is held; columns: what is wanted.
RULES: dict[Mode, dict[Mode, Rule]] = {
    Mode.SHARED: {
        Mode.SHARED: _FREE,
        Mode.EXCLUSIVE: _EITHER,
        # A new member below a tree that is being read passes, as a PUT does.
        Mode.CREATE: _BELOW,
        Mode.TOUCH: _FREE,
        Mode.WRITE: _FREE,
    },
    Mode.EXCLUSIVE: {
        Mode.SHARED: _EITHER,
        Mode.EXCLUSIVE: _EITHER,
        Mode.CREATE: _EITHER,
        Mode.TOUCH: _ABOVE,
        Mode.WRITE: _ABOVE,
    },
    Mode.CREATE: {
        Mode.SHARED: _ABOVE,
        Mode.EXCLUSIVE: _EITHER,
        Mode.CREATE: _EITHER,
        Mode.TOUCH: _ABOVE,
        Mode.WRITE: _ABOVE,
    },
    Mode.TOUCH: {
        Mode.SHARED: _FREE,
        Mode.EXCLUSIVE: _BELOW,
        Mode.CREATE: _BELOW,
        Mode.TOUCH: _FREE,
        # A file has nothing below it, so this is the file itself.
        Mode.WRITE: _BELOW,
    },
    Mode.WRITE: {
        Mode.SHARED: _FREE,
        Mode.EXCLUSIVE: _BELOW,
        Mode.CREATE: _BELOW,
        Mode.TOUCH: _ABOVE,
        Mode.WRITE: _EITHER,
    },
}


class Conflict(Exception):
    """A place is taken by ``holder``: 423 with Retry-After, after a wait of ``conflict_wait``."""

    def __init__(self, holder: Hashable, reservations: "Reservations") -> None:
        """Name who is in the way, an Operation or what else has reserved."""
        super().__init__(f"reserved by {holder!r}")
        self.holder = holder
        self._reservations = reservations

    def subscribe(self, callback: Callback) -> None:
        """Have ``callback`` called once when the holder releases, at once if it already has."""
        self._reservations.when_released(self.holder, callback)

    def unsubscribe(self, callback: Callback) -> None:
        """Forget ``callback``, for one who waits no longer."""
        self._reservations.forget(self.holder, callback)


def own_keys(place: Place) -> Iterator[Key]:
    """Yield the keys by which a place is found in the ways of those below it.

    An existing directory is also known by its identity, since two URLs may name it.
    """
    yield from place.entries[-1:]
    if place.own is not None:
        yield place.own


def way_keys(place: Place) -> Iterator[Key]:
    """Yield the keys of a place and of everything above it."""
    yield from place.entries
    yield from place.identities


#: Who holds something under a key, and how many times.
_Index = dict[Key, dict[Hashable, int]]


@dataclass(slots=True)
class _Holding:
    """What one holder has reserved, and who waits for it."""

    wanted: list[tuple[Place, Mode]] = field(default_factory=list)
    waiting: list[Callback] = field(default_factory=list)


class Reservations:
    """All places that are taken at this moment.

    A check costs as many look-ups as the path has components, however many reservations there
    are. ``_lock`` guards the two indices and the holdings; callbacks run outside it. A holder is
    any hashable object; use a fresh one for every request.
    """

    def __init__(self) -> None:
        """Begin with nothing reserved."""
        self._lock = threading.Lock()
        self._holdings: dict[Hashable, _Holding] = {}
        #: Holders by the keys of the places themselves: finds those above a wanted place.
        self._at: dict[Mode, _Index] = {mode: {} for mode in Mode}
        #: Holders by every key on the way to their places: finds those below a wanted place.
        self._through: dict[Mode, _Index] = {mode: {} for mode in Mode}

    def __len__(self) -> int:
        """Return the number of holders."""
        with self._lock:
            return len(self._holdings)

    def reserve(self, holder: Hashable, wanted: Sequence[tuple[Place, Mode]]) -> None:
        """Take all of ``wanted`` or nothing; Conflict (423) if another holder is in the way."""
        with self._lock:
            for place, mode in wanted:
                other = self._in_the_way(holder, place, mode)
                if other is not None:
                    raise Conflict(other[0], self)
            self._add(holder, wanted)

    def release(self, holder: Hashable) -> None:
        """Give back everything that ``holder`` has reserved and wake who waits for it."""
        with self._lock:
            holding = self._holdings.pop(holder, None)
            if holding is None:
                return
            for place, mode in holding.wanted:
                self._remove(holder, place, mode)
        call_all(holding.waiting, "a request that waits for a reservation")

    def when_released(self, holder: Hashable, callback: Callback) -> None:
        """Call ``callback`` once when ``holder`` releases; at once if it holds nothing."""
        with self._lock:
            holding = self._holdings.get(holder)
            if holding is not None:
                holding.waiting.append(callback)
        if holding is None:
            call_all([callback], "a request that waits for a reservation")

    def forget(self, holder: Hashable, callback: Callback) -> None:
        """Take ``callback`` back; it may be running at this moment all the same."""
        with self._lock:
            holding = self._holdings.get(holder)
            if holding is not None and callback in holding.waiting:
                holding.waiting.remove(callback)

    def _in_the_way(self, holder: Hashable, place: Place, mode: Mode) -> tuple[Hashable] | None:
        for held in Mode:
            rule = RULES[held][mode]
            if rule.above and (other := _another(holder, self._at[held], way_keys(place))):
                return other
            if rule.below and (other := _another(holder, self._through[held], own_keys(place))):
                return other
        return None

    def _add(self, holder: Hashable, wanted: Sequence[tuple[Place, Mode]]) -> None:
        self._holdings.setdefault(holder, _Holding()).wanted.extend(wanted)
        for place, mode in wanted:
            for index, key in self._entries(place, mode):
                holders = index.setdefault(key, {})
                holders[holder] = holders.get(holder, 0) + 1

    def _remove(self, holder: Hashable, place: Place, mode: Mode) -> None:
        for index, key in self._entries(place, mode):
            holders = index[key]
            holders[holder] -= 1
            if not holders[holder]:
                del holders[holder]
            if not holders:
                del index[key]

    def _entries(self, place: Place, mode: Mode) -> Iterator[tuple[_Index, Key]]:
        for key in own_keys(place):
            yield self._at[mode], key
        for key in way_keys(place):
            yield self._through[mode], key


def _another(holder: Hashable, index: _Index, keys: Iterable[Key]) -> tuple[Hashable] | None:
    """Return the first holder under one of ``keys`` that is not ``holder``, in a tuple."""
    for key in keys:
        for other in index.get(key, ()):
            if other != holder:
                return (other,)
    return None
