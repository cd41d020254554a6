"""Between the checks of a request and its operation, or its moment with one entry.

What was checked may change until it is reserved. So the checks are made at once, so that a request
that cannot succeed fails without waiting, and once more while everything that they looked at is
reserved, if somebody else was here in between: reserved or released something, or changed what is
stored.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import stat_result

from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.operations import (
    Conclude,
    IsBulk,
    Mode,
    Operation,
    RepeatKey,
    Stands,
    Start,
    StartCount,
    always,
    never_bulk,
)
from davkeep.trees.share import Entry, Place
from davkeep.words.failure import Failure
from davkeep.words.urls import Segments

#: How often a request is looked at anew because what it is about was moved in between. Eight
#: clients that only move four trees into each other made one of 400 requests fail five times.
ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks of a request found: what it reserves, and the lock tokens it relies on."""

    wanted: Sequence[tuple[Place, Mode]]
    tokens: Collection[str]


#: Tells by what is at a name, None for nothing, how a request takes it.
ModeOf = Callable[[stat_result | None], Mode]

#: Makes every check of a request; raises Failure or OSError for what cannot be done.
Look = Callable[[], Findings]


class Moved(Failure):
    """Other requests moved what this one is about, again and again: 503."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(503, "This is being moved.", fields=[("Retry-After", "1")])


def _ignore(_: Operation) -> None:
    """Nobody is told which operation it is."""


def admit(
    site: Site,
    key: RepeatKey,
    look: Look,
    start: Start,
    conclude: Conclude,
    *,
    is_bulk: IsBulk = never_bulk,
    count: StartCount | None = None,
    stands: Stands = always,
    taken: Callable[[Operation], None] = _ignore,
) -> Operation:
    """Return the equal operation that runs, or a new one, with ``look`` made under its reservation.

    ``taken`` is called with a new one. Raises what ``look`` raises, Conflict (423), Stopping (503)
    and Moved (503).
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _admit(site, key, look, start, conclude, is_bulk, count, stands, taken)
        except Moved:
            continue
    return _admit(site, key, look, start, conclude, is_bulk, count, stands, taken)


def _admit(
    site: Site,
    key: RepeatKey,
    look: Look,
    start: Start,
    conclude: Conclude,
    is_bulk: IsBulk,
    count: StartCount | None,
    stands: Stands,
    taken: Callable[[Operation], None],
) -> Operation:
    changes = _changes(site)
    before = look()

    def check(operation: Operation) -> None:
        # One of the changes is the operation's own reservation.
        is_alone = _changes(site) == (changes[0] + 1, changes[1])
        now = before if is_alone else look()
        if now.wanted != before.wanted:
            raise Moved
        site.relying_on(now.tokens, operation)
        taken(operation)

    return site.registry.admit(
        key, before.wanted, start, conclude, is_bulk, count=count, check=check, stands=stands
    )


def _changes(site: Site) -> tuple[int, int]:
    """How often something was reserved or released, and changed in the store."""
    return site.registry.reservations.changes, site.database.changes


@contextmanager
def taken(
    site: Site, request: Request, opener: Callable[[Segments], Entry], mode: ModeOf
) -> Iterator[tuple[Entry, stat_result | None]]:
    """The entry that ``opener`` opens for a request, and what is there, for as long as it is used.

    ``mode`` tells what others may do there meanwhile. Raises as ``opener`` does, Conflict (423) and
    Moved (503).
    """
    with ExitStack() as held:
        for _ in range(ATTEMPTS - 1):
            try:
                found = _take(held, site, request, opener, mode)
                break
            except Moved:
                continue
        else:
            found = _take(held, site, request, opener, mode)
        yield found


def _take(
    held: ExitStack,
    site: Site,
    request: Request,
    opener: Callable[[Segments], Entry],
    mode: ModeOf,
) -> tuple[Entry, stat_result | None]:
    with opener(request.segments) as entry:
        status = entry.find()
        before = (entry.place_as(status), mode(status))
    with ExitStack() as taking:
        taking.enter_context(site.reserving(*before, request.account))
        entry = taking.enter_context(opener(request.segments))
        status = entry.find()
        if (entry.place_as(status), mode(status)) != before:
            raise Moved
        held.enter_context(taking.pop_all())
    return entry, status
