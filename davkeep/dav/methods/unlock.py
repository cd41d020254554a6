"""UNLOCK (RFC 4918 9.11). It always passes, whatever runs (the promises, Reservations)."""

from davkeep.dav.answers import Answer
from davkeep.dav.checks import check_conditions
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.words.failure import Failure
from davkeep.words.fields import parse_lock_token


def unlock(site: Site, request: Request) -> Answer:
    """End a lock: 204; 409 for a token of no lock here, 403 for somebody else's."""
    request.writable_share()
    token = parse_lock_token(request.field("Lock-Token"))
    with request.share.existing(request.segments) as entry:
        key, status = entry.key, entry.find()
    check_conditions(site, request, status)
    lock = next((lock for lock in site.locks.covering(key) if lock.token == token), None)
    if lock is None:
        raise Failure(409, condition="lock-token-matches-request-uri")
    if lock.principal != request.user:
        raise Failure(403, "The lock is somebody else's.")
    site.locks.release(token)
    return Answer(204)
