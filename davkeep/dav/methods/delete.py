"""DELETE (RFC 4918 9.6): checked here, done by the engine as an operation."""

from functools import partial

from davkeep.dav.admission import Findings, admit
from davkeep.dav.answers import Reply
from davkeep.dav.checks import LockCheck, check_conditions, refuse_roots
from davkeep.dav.delivery import deliver, when_free
from davkeep.dav.outcomes import Sides, conclusion
from davkeep.dav.removal import Removal
from davkeep.dav.repeats import is_removed, key_of
from davkeep.dav.request import Request
from davkeep.dav.shares import Provider
from davkeep.dav.site import Site
from davkeep.keepalive import Facts
from davkeep.operations import Conclude, Mode, Operation, RepeatKey
from davkeep.trees.remove import remove
from davkeep.trees.share import Entry, Kind, Place, kind_of
from davkeep.trees.steps import Steps
from davkeep.words.fields import Depth, parse_depth
from davkeep.words.urls import Segments


def delete(site: Site, request: Request) -> Reply:
    """Answer DELETE; an identical request that is still running is joined."""
    request.refuse_body()
    provider = request.writable_share()
    key = key_of(request)
    running = site.registry.equal(key)
    if running is not None:
        return deliver(site, request, running)
    return when_free(site, request, partial(_admit, site, request, provider, key))


def _admit(site: Site, request: Request, provider: Provider, key: RepeatKey) -> Reply:
    operation = admit(
        site,
        key,
        partial(_look, site, request, provider),
        partial(_start, site, provider, request.segments, _is_answered_early(site, request)),
        _conclusion(provider, request.segments),
        stands=partial(is_removed, (provider, request.segments)),
    )
    return deliver(site, request, operation)


def _conclusion(provider: Provider, segments: Segments) -> Conclude:
    return conclusion(Sides(source=partial(provider.member_href, segments)))


def _look(site: Site, request: Request, provider: Provider) -> Findings:
    with provider.existing(request.segments, follow_last=False) as entry:
        place = entry.place
        locks = _check(site, request, provider, entry, place)
        return Findings([(place, Mode.EXCLUSIVE)], locks.tokens)


def _check(
    site: Site, request: Request, provider: Provider, entry: Entry, place: Place
) -> LockCheck:
    status = entry.stat()
    is_collection = kind_of(status) is Kind.COLLECTION
    allowed: tuple[Depth, ...] = ("infinity",) if is_collection else ("0", "infinity")
    parse_depth(request.field("Depth"), "infinity", allowed)
    check_conditions(site, request, status)
    refuse_roots(site, provider, request.segments, entry, place)
    locks = LockCheck(site, request)
    locks.tree(entry)
    locks.membership(entry)
    return locks


def _is_answered_early(site: Site, request: Request) -> bool:
    """Tell whether the client is answered at the effective point, which nothing may belie."""
    facts = Facts(version=(1, 1), user_agent=request.field("User-Agent") or "")
    return site.plan(facts, False).client.effective_point


def _start(
    site: Site, provider: Provider, segments: Segments, is_early: bool, operation: Operation
) -> Steps:
    """``is_early``: the client is answered at the effective point."""
    with (
        provider.existing(segments, follow_last=False) as entry,
        site.working(operation, entry) as (control, page),
    ):
        conclude = _conclusion(provider, segments)
        removal = Removal(site.stored, page, entry, control.staging_name)

        def out_of_sight() -> None:
            early = None if control.settled is None else conclude(control.settled)
            removal.take_out(early)
            operation.reach_effective_point(early, cancellable=True)

        control.effective = out_of_sight
        control.recall = operation.recall
        try:
            result = yield from remove(entry, control, each_file=is_early)
        finally:
            if not control.is_left():
                removal.settle(control)
        return result
