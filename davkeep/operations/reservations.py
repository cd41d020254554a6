"""Which trees are taken, by what, and who waits for them (the promises, Reservations)."""

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import attrgetter
from typing import NamedTuple

from davkeep.operations.attempt import call_all
from davkeep.trees.share import Place

Callback = Callable[[], None]

#: One component of a resolved path (device and inode of its parent, folded name), or one
#: directory on the way (device, inode). Their lengths differ, so that both fit one index.
Key = tuple[int, int, str] | tuple[int, int]

#: Whose a holder is: a user's name, and for the anonymous user the address.
Account = tuple[str, str]


class Mode(Enum):
    """How a place is taken."""

    # By identity: that of Enum hashes the name, in Python, at each look into a table.
    __hash__ = object.__hash__

    SHARED = auto()
    """The tree that a COPY reads."""
    EXCLUSIVE = auto()
    """A destination that replaces a collection; the tree of a MOVE or DELETE."""
    CREATE = auto()
    """A COPY's destination that replaces nothing or a plain file."""
    TOUCH = auto()
    """What PROPPATCH changes."""
    WRITE = auto()
    """A name that MKCOL or LOCK makes, or a file that PUT commits: alone at it and below, so that
    a later one waits, and whatever is done to what is made comes after it."""
    LOCK = auto()
    """What a LOCK of depth 0 is granted on."""
    LOCK_TREE = auto()
    """What a LOCK of depth infinity is granted on."""


class Relation(Enum):
    """How what is held stands to what is wanted."""

    __hash__ = object.__hash__

    ABOVE = auto()
    """It is equal to it or above it."""
    BELOW = auto()
    """It is equal to it or below it."""
    SAME = auto()
    """It is equal to it."""
    PARENT = auto()
    """It is the collection that the wanted one is directly in."""
    MEMBER = auto()
    """It is directly in the wanted one, which is a collection."""


_MIRRORED = {
    Relation.ABOVE: Relation.BELOW,
    Relation.BELOW: Relation.ABOVE,
    Relation.SAME: Relation.SAME,
    Relation.PARENT: Relation.MEMBER,
    Relation.MEMBER: Relation.PARENT,
}


class Rule(NamedTuple):
    """When a reservation that is held stands in the way of one that is wanted.

    It does in any of these relations: ``always``, or if it is of ``others``, another account.
    """

    always: tuple[Relation, ...] = ()
    others: tuple[Relation, ...] = ()

    @property
    def mirrored(self) -> "Rule":
        """The rule for the same two the other way round."""
        always, others = (tuple(_MIRRORED[each] for each in part) for part in self)
        return Rule(always, others)


_FREE = Rule()
_ABOVE = Rule((Relation.ABOVE,))
_BELOW = Rule((Relation.BELOW,))
_EITHER = Rule((Relation.ABOVE, Relation.BELOW))
#: RFC 4918 7.4 and 7.5: what a lock protects is not changed by others while it is granted.
_INTO = Rule((Relation.ABOVE,), others=(Relation.MEMBER,))
_UNDER = Rule((Relation.ABOVE,), others=(Relation.BELOW,))

#: What is held, what is wanted, and the rule, which is mirrored for the other order. What is not
#: told here is free.
_PAIRS: dict[tuple[Mode, Mode], Rule] = {
    (Mode.EXCLUSIVE, Mode.EXCLUSIVE): _EITHER,
    (Mode.EXCLUSIVE, Mode.SHARED): _EITHER,
    (Mode.EXCLUSIVE, Mode.CREATE): _EITHER,
    (Mode.EXCLUSIVE, Mode.WRITE): _EITHER,
    (Mode.EXCLUSIVE, Mode.TOUCH): _ABOVE,
    (Mode.EXCLUSIVE, Mode.LOCK): _INTO,
    (Mode.EXCLUSIVE, Mode.LOCK_TREE): _UNDER,
    # A new member below a tree that is being read passes, as a PUT does.
    (Mode.CREATE, Mode.SHARED): _ABOVE,
    (Mode.CREATE, Mode.CREATE): _EITHER,
    (Mode.CREATE, Mode.WRITE): _EITHER,
    (Mode.CREATE, Mode.TOUCH): _ABOVE,
    (Mode.CREATE, Mode.LOCK): _INTO,
    (Mode.CREATE, Mode.LOCK_TREE): _UNDER,
    (Mode.WRITE, Mode.WRITE): _EITHER,
    (Mode.WRITE, Mode.TOUCH): _ABOVE,
    (Mode.WRITE, Mode.LOCK): _INTO,
    (Mode.WRITE, Mode.LOCK_TREE): _UNDER,
    # Both are over in a moment, so it does not matter whose they are.
    (Mode.TOUCH, Mode.LOCK): Rule((Relation.SAME,)),
    (Mode.TOUCH, Mode.LOCK_TREE): _BELOW,
}


def _rule(held: Mode, wanted: Mode) -> Rule:
    if (held, wanted) in _PAIRS:
        return _PAIRS[held, wanted]
    return _PAIRS.get((wanted, held), _FREE).mirrored


#: Rows: what is held; columns: what is wanted.
RULES: dict[Mode, dict[Mode, Rule]] = {
    held: {wanted: _rule(held, wanted) for wanted in Mode} for held in Mode
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


def own_keys(place: Place) -> Sequence[Key]:
    """Return the keys by which a place is found in the ways of those below it.

    An existing directory is also known by its identity, since two URLs may name it.
    """
    return place.entries[-1:] if place.own is None else (*place.entries[-1:], place.own)


def way_keys(place: Place) -> Sequence[Key]:
    """Return the keys of a place and of everything above it."""
    return (*place.entries, *place.identities)


def above_keys(place: Place) -> Sequence[Key]:
    """Return the key of the collection that a place is directly in; none for the root of all."""
    return (place.entries[-1][:2],) if place.entries else ()


def inside_keys(place: Place) -> Sequence[Key]:
    """Return the key of the collection that is at a place, by which its members know it."""
    return () if place.own is None else (place.own,)


#: Who holds something under a key, and how many times.
_Index = dict[Key, dict[Hashable, int]]


class _Holders:
    """Who holds which places, found by how these stand to another one; not locked."""

    def __init__(self) -> None:
        #: By the keys of the places themselves: finds those above a place.
        self.at: _Index = {}
        #: By every key on the way to the places: finds those below a place.
        self.through: _Index = {}
        #: By the collections that the places are directly in.
        self.within: _Index = {}

    def __len__(self) -> int:
        return len(self.at) + len(self.through) + len(self.within)

    def __bool__(self) -> bool:
        return bool(self.at)

    def add(self, holder: Hashable, place: Place) -> None:
        for index, keys in self._entries(place):
            for key in keys:
                holders = index.setdefault(key, {})
                holders[holder] = holders.get(holder, 0) + 1

    def remove(self, holder: Hashable, place: Place) -> None:
        for index, keys in self._entries(place):
            for key in keys:
                _take_one(index, key, holder)

    def related(self, place: Place, relations: Iterable[Relation]) -> Iterator[Hashable]:
        """Yield the holders that stand to a wanted ``place`` in one of ``relations``."""
        for relation in relations:
            index, keys = _WHERE[relation]
            found = index(self)
            if found:
                for key in keys(place):
                    yield from found.get(key, ())

    def _entries(self, place: Place) -> tuple[tuple[_Index, Sequence[Key]], ...]:
        return (
            (self.at, own_keys(place)),
            (self.through, way_keys(place)),
            (self.within, above_keys(place)),
        )


#: Where the holders in a relation are found: in which index, under which keys of the wanted place.
_WHERE: dict[Relation, tuple[Callable[[_Holders], _Index], Callable[[Place], Sequence[Key]]]] = {
    Relation.ABOVE: (attrgetter("at"), way_keys),
    Relation.BELOW: (attrgetter("through"), own_keys),
    Relation.SAME: (attrgetter("at"), own_keys),
    Relation.PARENT: (attrgetter("at"), above_keys),
    Relation.MEMBER: (attrgetter("within"), inside_keys),
}


def _take_one(index: _Index, key: Key, holder: Hashable) -> None:
    holders = index[key]
    holders[holder] -= 1
    if not holders[holder]:
        del holders[holder]
    if not holders:
        del index[key]


@dataclass(slots=True)
class _Holding:
    """Whose a holder is, what it has reserved, and who waits for it."""

    account: Account | None
    wanted: list[tuple[Place, Mode]] = field(default_factory=list)
    waiting: list[Callback] = field(default_factory=list)


class Reservations:
    """All places that are taken at this moment, and those that are watched for changes.

    A check costs as many look-ups as the path has components, however many reservations there
    are. ``_lock`` guards the tables; callbacks run outside it. A holder is any hashable object; use
    a fresh one for every request. It belongs to one account; without one it is another's for all.
    A LOCK passes by all that its own account holds in its tree, one by one.
    """

    def __init__(self) -> None:
        """Begin with nothing reserved."""
        self._lock = threading.Lock()
        self._holdings: dict[Hashable, _Holding] = {}
        self._held = {mode: _Holders() for mode in Mode}
        self._watches: dict[Hashable, Sequence[Place]] = {}
        self._watched = _Holders()
        #: How often something was reserved or released.
        self.changes = 0

    def __len__(self) -> int:
        """Return the number of holders."""
        with self._lock:
            return len(self._holdings)

    def reserve(
        self,
        holder: Hashable,
        wanted: Sequence[tuple[Place, Mode]],
        account: Account | None = None,
    ) -> None:
        """Take all of ``wanted`` or nothing; Conflict (423) if another holder is in the way."""
        with self._lock:
            for place, mode in wanted:
                for other in self._in_the_way(place, mode, account):
                    if other != holder:
                        raise Conflict(other, self)
            self.changes += 1
            self._holdings.setdefault(holder, _Holding(account)).wanted.extend(wanted)
            for place, mode in wanted:
                self._held[mode].add(holder, place)
                if mode is not Mode.SHARED:
                    self._stir(place)

    def release(self, holder: Hashable) -> None:
        """Give back everything that ``holder`` has reserved and wake who waits for it."""
        with self._lock:
            holding = self._holdings.pop(holder, None)
            if holding is None:
                return
            self.changes += 1
            for place, mode in holding.wanted:
                self._held[mode].remove(holder, place)
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

    def _in_the_way(self, place: Place, mode: Mode, account: Account | None) -> Iterator[Hashable]:
        for held, holders in self._held.items():
            if not holders:
                continue
            rule = RULES[held][mode]
            if rule.always:
                yield from holders.related(place, rule.always)
            for other in holders.related(place, rule.others) if rule.others else ():
                if account is None or self._holdings[other].account != account:
                    yield other

    # Watching

    def watch(self, watcher: Hashable, places: Sequence[Place]) -> None:
        """Watch ``places`` until somebody reserves, not only to read, what is related to one."""
        with self._lock:
            self._watches[watcher] = places
            for place in places:
                self._watched.add(watcher, place)

    def is_unchanged(self, watcher: Hashable) -> bool:
        """Return whether nobody has reserved anything of what ``watcher`` watches."""
        with self._lock:
            return watcher in self._watches

    def unwatch(self, watcher: Hashable) -> None:
        """End the watch, if it still stands."""
        with self._lock:
            self._end_watch(watcher)

    def _stir(self, place: Place) -> None:
        """Something at or below ``place`` may be changed from now on."""
        if self._watched:
            for watcher in list(self._watched.related(place, _EITHER.always)):
                self._end_watch(watcher)

    def _end_watch(self, watcher: Hashable) -> None:
        for place in self._watches.pop(watcher, ()):
            self._watched.remove(watcher, place)
