"""COPY and MOVE (RFC 4918 9.8, 9.9): checked here, done by the engine as an operation."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

from davkeep.dav.admission import Findings, admit
from davkeep.dav.answers import Reply
from davkeep.dav.checks import LockCheck, check_conditions, refuse_roots
from davkeep.dav.delivery import deliver, when_free
from davkeep.dav.outcomes import Sides, conclusion
from davkeep.dav.repeats import Target, is_made, is_moved, key_of
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.dav.uploads.along import Along
from davkeep.operations import Ending, Mode, Operation, Outcome, RepeatKey
from davkeep.store.database import StoreError
from davkeep.trees.bulk import is_bulk
from davkeep.trees.copy import copy
from davkeep.trees.counting import Count, count
from davkeep.trees.move import move
from davkeep.trees.relation import is_same_name
from davkeep.trees.share import Entry, Kind, Place, kind_of
from davkeep.trees.steps import Control, Steps
from davkeep.words.failure import Failure
from davkeep.words.fields import parse_depth, parse_overwrite

_log = logging.getLogger("davkeep.dav")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for, before anything of it was compared with the disk."""

    source: Target
    destination: Target
    is_move: bool
    overwrite: bool
    depth_infinity: bool

    def entries(self, opened: ExitStack) -> tuple[Entry, Entry]:
        """Source and destination, to be closed with ``opened``.

        404 where nothing leads to the source, 409 without the destination's collection.
        """
        provider, segments = self.source
        source = opened.enter_context(provider.existing(segments, follow_last=not self.is_move))
        source.stat()
        provider, segments = self.destination
        destination = opened.enter_context(provider.member(segments, follow_last=False))
        if self.is_move and is_same_name(source, destination) and source.asked != destination.asked:
            destination = opened.enter_context(destination.respelled())
        return source, destination

    def is_bulk(self) -> bool:
        """Whether it may wait unbegun. A MOVE may not: most are one rename."""
        if self.is_move:
            return False
        try:
            with ExitStack() as opened:
                return is_bulk(self.entries(opened)[0], depth_infinity=self.depth_infinity)
        except (OSError, Failure):
            # It begins, and tells its client why it cannot go on.
            return False

    def count(self) -> Count:
        """What there is to copy, counted ahead of it; opens the source when it begins."""
        provider, segments = self.source
        with provider.existing(segments, follow_last=not self.is_move) as source:
            follow = source.share.follow_symlinks and not self.is_move
            depth = self.depth_infinity
            return (yield from count(source, depth_infinity=depth, follow_links=follow))

    def stands(self, outcome: Outcome) -> bool:
        """Whether what it has come to can still be seen."""
        if self.is_move:
            return is_moved(self.source, self.destination, outcome)
        return is_made(self.destination, outcome)

    def conclude(self, ending: Ending) -> Outcome:
        """The outcome of how it ended."""
        (source, here), (destination, there) = self.source, self.destination
        sides = Sides(partial(source.member_href, here), partial(destination.member_href, there))
        return conclusion(sides)(ending)


def copy_move(site: Site, request: Request) -> Reply:
    """Answer COPY or MOVE; an identical request that is still running is joined."""
    wish = _wish(site, request)
    key = key_of(request, destination=wish.destination)
    running = site.registry.equal(key)
    if running is not None:
        return deliver(site, request, running)
    return when_free(site, request, partial(_admit, site, request, wish, key))


def _wish(site: Site, request: Request) -> Wish:
    request.refuse_body()
    is_move = request.method == "MOVE"
    share = request.writable_share() if is_move else request.share
    depth = parse_depth(request.field("Depth"), "infinity", ("0", "infinity"))
    return Wish(
        source=(share, request.segments),
        destination=request.destination(site.shares),
        is_move=is_move,
        overwrite=parse_overwrite(request.field("Overwrite")),
        depth_infinity=depth == "infinity",
    )


def _admit(site: Site, request: Request, wish: Wish, key: RepeatKey) -> Reply:
    operation = admit(
        site,
        key,
        partial(_look, site, request, wish),
        partial(_start, site, wish),
        wish.conclude,
        is_bulk=wish.is_bulk,
        count=wish.count,
        stands=wish.stands,
    )
    return deliver(site, request, operation)


def _look(site: Site, request: Request, wish: Wish) -> Findings:
    with ExitStack() as opened:
        source, destination = wish.entries(opened)
        locks = _check(site, request, wish, source, destination)
        return Findings(_reservations(wish, source, destination), locks.tokens)


def _check(
    site: Site, request: Request, wish: Wish, source: Entry, destination: Entry
) -> LockCheck:
    """Everything that can be said before the work begins, in the order of its weight."""
    status = source.stat()
    locks = LockCheck(site, request)
    check_conditions(site, request, status, destination)
    if wish.is_move and not wish.depth_infinity and kind_of(status) is Kind.COLLECTION:
        raise Failure(400, "MOVE of a collection is of infinite depth.")
    if wish.is_move:
        refuse_roots(site, *wish.source, source, source.place)
    refuse_roots(site, *wish.destination, destination, destination.place)
    _refuse_nesting(source, destination)
    existing = destination.find()
    if existing is not None and not (wish.overwrite or destination.is_respelling):
        raise Failure(412, "The destination exists.")
    if wish.is_move:
        locks.tree(source)
        locks.membership(source)
    if existing is None:
        locks.membership(destination)
    locks.tree(destination)
    return locks


def _refuse_nesting(source: Entry, destination: Entry) -> None:
    """403 where one is the other or lies in it; a change of case of one name is neither."""
    here, there = source.place, destination.place
    if is_same_name(source, destination):
        raise Failure(403, "The destination is the source.")
    for above, below in ((here, there), (there, here)):
        if above.is_directory_above(below) and above.own != below.own:
            raise Failure(403, "One of source and destination lies in the other.")


def _reservations(wish: Wish, source: Entry, destination: Entry) -> Sequence[tuple[Place, Mode]]:
    replaced = destination.find()
    is_tree = replaced is not None and kind_of(replaced) is Kind.COLLECTION
    creates = not wish.is_move and not is_tree
    return [
        (source.place, Mode.EXCLUSIVE if wish.is_move else Mode.SHARED),
        (destination.place, Mode.CREATE if creates else Mode.EXCLUSIVE),
    ]


def _start(site: Site, wish: Wish, operation: Operation) -> Steps:
    """The work, which opens what it needs only when it begins."""
    with ExitStack() as opened:
        source, destination = wish.entries(opened)
        control, page = opened.enter_context(
            site.working(operation, source, destination, depth_infinity=wish.depth_infinity)
        )

        def take_effect() -> None:
            # The store first: it may fail, and the operation cannot take the moment back.
            outcome = None if control.settled is None else wish.conclude(control.settled)
            page.transfer(outcome, is_move=wish.is_move)
            if control.settled is not None and control.settled.errors:
                _forget_failed(site, destination)
            operation.reach_effective_point(outcome)

        control.effective = take_effect
        along = opened.enter_context(
            closing(Along(site.uploads, site.stored.uploads, source, control))
        )
        control.along = along.steps
        return (yield from _work(wish, source, destination, control))


def _work(wish: Wish, source: Entry, destination: Entry, control: Control) -> Steps:
    if wish.is_move:
        return move(source, destination, control, overwrite=wish.overwrite)
    return copy(
        source,
        destination,
        control,
        depth_infinity=wish.depth_infinity,
        overwrite=wish.overwrite,
    )


def _forget_failed(site: Site, destination: Entry) -> None:
    """Some members are not there, and their properties are not to wait for others.

    Done while the tree is reserved: after an early answer somebody may make such a member.
    """
    try:
        if destination.share.root.is_there():
            site.stored.forget_vanished(destination.key)
    except StoreError as error:
        _log.error("properties of members that could not be copied stay for now: %s", error)
