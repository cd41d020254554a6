"""DELETE (RFC 4918 9.6): checked here, done by the engine as an operation."""

from functools import partial

from davkeep.dav.answers import Reply
from davkeep.dav.checks import LockCheck, check_conditions
from davkeep.dav.delivery import deliver, when_free
from davkeep.dav.outcomes import Sides, conclusion
from davkeep.dav.request import Request
from davkeep.dav.shares import Provider
from davkeep.dav.site import Site
from davkeep.dav.vanished import forget_vanished
from davkeep.operations import Mode, Operation, Outcome, RepeatKey
from davkeep.trees.remove import remove
from davkeep.trees.share import Entry, Kind, kind_of
from davkeep.trees.steps import Steps
from davkeep.words.failure import Failure
from davkeep.words.fields import Depth, parse_depth
from davkeep.words.urls import Segments


def delete(site: Site, request: Request) -> Reply:
    """Answer DELETE; an identical request that is still running is joined."""
    request.refuse_body()
    provider = request.writable_share()
    key = _key(request)
    running = site.registry.running(key)
    if running is not None:
        return deliver(site, request, running)
    return when_free(site, request, partial(_admit, site, request, provider, key))


def _key(request: Request) -> RepeatKey:
    return RepeatKey(
        owner=request.user,
        address=request.account_address,
        method=request.method,
        source=request.url,
        depth=request.field("Depth"),
        if_=request.field("If"),
        if_match=request.field("If-Match"),
    )


def _admit(site: Site, request: Request, provider: Provider, key: RepeatKey) -> Reply:
    with _found(provider, request.segments) as entry:
        locks = LockCheck(site, request)
        _check(site, request, entry, locks)
        operation = site.registry.admit(
            key,
            [(entry.place, Mode.EXCLUSIVE)],
            partial(_start, site, request, provider),
            conclusion(Sides(source=partial(_href, provider, request.segments))),
        )
        site.relying_on(locks.tokens, operation)
    return deliver(site, request, operation)


def _found(provider: Provider, segments: Segments) -> Entry:
    try:
        return provider.share.entry(segments, follow_last=False)
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(404) from None


def _check(site: Site, request: Request, entry: Entry, locks: LockCheck) -> None:
    status = entry.stat()
    is_collection = kind_of(status) is Kind.COLLECTION
    allowed: tuple[Depth, ...] = ("infinity",) if is_collection else ("0", "infinity")
    parse_depth(request.field("Depth"), "infinity", allowed)
    check_conditions(site, request, status)
    if entry.is_root or site.shares.below(request.whole_path):
        raise Failure(403, "The root of a share stays where it is.")
    locks.tree(entry)
    locks.membership(entry)


def _href(provider: Provider, segments: Segments, below: Segments) -> str:
    return provider.href(segments + below, collection=False)


def _start(site: Site, request: Request, provider: Provider, operation: Operation) -> Steps:
    """Check once more, now that nobody else can change it, and remove."""
    with provider.share.entry(request.segments, follow_last=False) as entry:
        _check(site, request, entry, LockCheck(site, request))
        path = entry.path

        def out_of_sight() -> None:
            operation.reach_effective_point(Outcome(204), cancellable=True)

        result = yield from remove(entry, site.control_of(operation, out_of_sight))
        if result.complete:
            _forget(site, path, is_partial=bool(result.errors))
        return result


def _forget(site: Site, path: bytes, *, is_partial: bool) -> None:
    """End the locks and remove the properties of what is gone.

    Done when it is gone for good: a cancelled DELETE brings the tree back, as it was. Of a partial
    one only those members are forgotten that are not there any more.
    """
    if is_partial:
        forget_vanished(site, path)
        return
    with site.database.transaction():
        site.locks.end_at_or_below(path)
        site.properties.remove(path)
