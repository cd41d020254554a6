"""MKCOL (RFC 4918 9.3)."""

from functools import partial
from os import stat_result

from davkeep.dav.admission import taken
from davkeep.dav.answers import Answer, Reply
from davkeep.dav.checks import LockCheck, check_conditions
from davkeep.dav.delivery import when_free
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.operations import Mode
from davkeep.trees.collection import make_collection
from davkeep.words.failure import Failure
from davkeep.words.fields import parse_depth


def mkcol(site: Site, request: Request) -> Reply:
    """Answer MKCOL: 201, 405 for a name that is taken, 409 without a collection above."""
    parse_depth(request.field("Depth"), "0", ("0", "infinity"))
    request.writable_share()
    request.refuse_body()
    return when_free(site, request, partial(_make, site, request))


def _make(site: Site, request: Request) -> Answer:
    with taken(site, request, request.share.member, _mode) as (entry, status):
        check_conditions(site, request, status)
        if status is not None:
            raise _taken()
        LockCheck(site, request).creation(entry)
        site.stored.forget_predecessor(entry.key)
        try:
            make_collection(entry, site.configuration.davkeep.fsync)
        except FileExistsError:
            raise _taken() from None
    return Answer(201)


def _mode(status: stat_result | None) -> Mode:
    """Who makes a name is alone at it."""
    return Mode.WRITE if status is None else Mode.TOUCH


def _taken() -> Failure:
    return Failure(405, "The name is taken.", fields=[("Allow", "OPTIONS, GET, HEAD, PROPFIND")])
