"""LOCK (RFC 4918 9.10): a new lock, or a longer life for one."""

import math
from collections.abc import Callable
from functools import partial
from os import stat_result

from lxml import etree

from davkeep.dav.admission import taken
from davkeep.dav.answers import XML, Answer, Reply
from davkeep.dav.checks import LockCheck, check_conditions
from davkeep.dav.delivery import when_free
from davkeep.dav.lockdiscovery import active_locks
from davkeep.dav.request import Request
from davkeep.dav.site import Site, upload_name
from davkeep.dav.xml import dav, element, parse, written_document
from davkeep.operations import Mode
from davkeep.store.locks import Lock, LockConflict, Scope
from davkeep.trees.share import Entry, Kind, kind_of
from davkeep.trees.upload import Upload
from davkeep.words.failure import Failure
from davkeep.words.fields import parse_depth, parse_timeout

#: Seconds of a lock whose client names no time of its own.
USUAL_TIMEOUT = 3600.0

#: Seconds of the longest lock: a client that vanished must not lock a file for ever.
LONGEST_TIMEOUT = 7 * 24 * 3600.0


def lock(site: Site, request: Request) -> Reply:
    """Answer LOCK: 200, 201 where it made the file; 423 where another lock stands."""
    request.writable_share()
    if not request.body:
        return _refresh(site, request)
    wish = parse(request.body, "lockinfo")
    return when_free(site, request, partial(_acquire, site, request, wish))


def _refresh(site: Site, request: Request) -> Answer:
    """Give the lock whose token the If field submits its time again (RFC 4918 9.10.2)."""
    with request.share.existing(request.segments) as entry:
        key, status = entry.key, entry.find()
    check_conditions(site, request, status)
    for known in site.locks.covering(key):
        if known.token in request.tokens and known.principal == request.user:
            refreshed = site.locks.refresh(known.token, timeout_of(request))
            if refreshed is not None:
                return _answer(site, 200, refreshed, ())
    raise Failure(412, condition="lock-token-matches-request-uri")


def timeout_of(request: Request) -> float:
    """The seconds that a lock gets: what the client asks for, but no more than the longest."""
    asked = parse_timeout(request.field("Timeout"))
    seconds = USUAL_TIMEOUT if asked is None else asked
    return LONGEST_TIMEOUT if math.isinf(seconds) else max(1.0, min(seconds, LONGEST_TIMEOUT))


def _acquire(site: Site, request: Request, wish: etree._Element) -> Answer:
    is_tree = parse_depth(request.field("Depth"), "infinity", ("0", "infinity")) == "infinity"
    acquire = partial(
        site.locks.acquire,
        depth="infinity" if is_tree else "0",
        scope=_scope(wish),
        owner_xml=_owner(wish),
        principal=request.user,
        timeout=timeout_of(request),
    )
    mode = partial(_mode, Mode.LOCK_TREE if is_tree else Mode.LOCK)
    with taken(site, request, request.share.member, mode) as (entry, status):
        check_conditions(site, request, status)
        if status is None:
            LockCheck(site, request).membership(entry)
            site.stored.forget_predecessor(entry.key)
            with site.uploading(entry):
                made = _granted(request, entry, acquire, is_collection=False)
                _make_file(site, entry, made)
        else:
            is_collection = kind_of(status) is Kind.COLLECTION
            made = _granted(request, entry, acquire, is_collection=is_collection)
    fields = (("Lock-Token", f"<{made.token}>"),)
    return _answer(site, 201 if status is None else 200, made, fields)


def _mode(granting: Mode, status: stat_result | None) -> Mode:
    """Who makes a name is alone at it; a lock on what is there is granted as ``granting``."""
    return Mode.WRITE if status is None else granting


def _granted(
    request: Request, entry: Entry, acquire: Callable[..., Lock], *, is_collection: bool
) -> Lock:
    href = request.share.href(request.segments, is_collection)
    try:
        return acquire(entry.key, url=href)
    except LockConflict as conflict:
        hrefs = list(dict.fromkeys(each.url for each in conflict.locks))
        raise Failure(423, condition="no-conflicting-lock", hrefs=hrefs) from None


def _make_file(site: Site, entry: Entry, made: Lock) -> None:
    """Make the empty file that a lock of an unmapped URL makes (RFC 4918 7.3)."""
    try:
        with Upload(entry, site.control(upload_name())) as upload:
            for _ in upload.commit(replace=False):
                pass
    except FileExistsError:
        # Somebody else made it in this moment; then it is that file which is locked.
        return
    except OSError:
        site.locks.release(made.token)
        raise


def _scope(wish: etree._Element) -> Scope:
    if wish.find(f"{dav('locktype')}/{dav('write')}") is None:
        raise Failure(400, "The only type of lock is DAV:write.")
    scopes: tuple[Scope, ...] = ("exclusive", "shared")
    for scope in scopes:
        if wish.find(f"{dav('lockscope')}/{dav(scope)}") is not None:
            return scope
    raise Failure(400, "The scope of a lock is DAV:exclusive or DAV:shared.")


def _owner(wish: etree._Element) -> bytes:
    owner = wish.find(dav("owner"))
    return b"" if owner is None else etree.tostring(owner, with_tail=False)


def _answer(site: Site, status: int, made: Lock, fields: tuple[tuple[str, str], ...]) -> Answer:
    told = element(dav("lockdiscovery"), active_locks([made], site.now()))
    return Answer(status, (*fields, ("Content-Type", XML)), written_document("prop", told))
