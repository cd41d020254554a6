"""PROPFIND (RFC 4918 9.1)."""

from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from davkeep.dav.answers import Reply
from davkeep.dav.checks import check_conditions
from davkeep.dav.form import Question, bare_collection
from davkeep.dav.listing import Listing, Target
from davkeep.dav.multistatus import streamed_answer
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.dav.xml import dav, parse
from davkeep.words.failure import Failure
from davkeep.words.fields import Depth, parse_depth
from davkeep.words.preferences import preferences
from davkeep.words.urls import quote_path

#: The most names that one request may ask for: each is answered for every member.
MOST_NAMES = 500

#: What is answered to a client that wants to hear only of what is there (RFC 8144 2.1).
MINIMAL = (("Preference-Applied", "return=minimal"),)


def propfind(site: Site, request: Request) -> Reply:
    """Answer PROPFIND: 207, streamed where it is long; 404, 400 for a malformed body."""
    depth = parse_depth(request.field("Depth"), "infinity")
    question = replace(_question(request.body), minimal=_wants_little(request))
    fields = MINIMAL if question.minimal else ()
    if request.provider is None:
        return streamed_answer(_of_shares(site, request, depth), fields)
    try:
        target = request.share.share.read(request.segments, Target.of)
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(404) from None
    check_conditions(site, request, target.status)
    listing = Listing(site, question, request.may_use)
    responses = listing.responses(request.share, request.segments, target, depth)
    return streamed_answer(responses, fields)


def _question(body: bytes) -> Question:
    """Read the body; an empty one asks for everything (RFC 4918 9.1)."""
    if not body:
        return Question(everything=True)
    root = parse(body, "propfind")
    if root.find(dav("propname")) is not None:
        return Question(names_only=True)
    prop = root.find(dav("prop"))
    if prop is not None:
        return Question(_names(prop))
    if root.find(dav("allprop")) is None:
        raise Failure(400, "PROPFIND asks for DAV:prop, DAV:allprop or DAV:propname.")
    include = root.find(dav("include"))
    return Question(() if include is None else _names(include), everything=True)


def _names(element: etree._Element) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(str(child.tag) for child in element))
    if len(names) > MOST_NAMES:
        raise Failure(400, f"A request asks for at most {MOST_NAMES} properties.")
    return names


def _wants_little(request: Request) -> bool:
    """Whether the client asks for no more than what is there: ``return=minimal``, or ``Brief: t``.

    The latter is what Microsoft's clients said before (RFC 8144 appendix A).
    """
    if preferences(request.field("Prefer")).get("return") == "minimal":
        return True
    return (request.field("Brief") or "").strip().lower() == "t"


def _of_shares(site: Site, request: Request, depth: Depth) -> Iterator[str]:
    """The collection above the shares, which is no folder: 404 where no share is below."""
    below = site.shares.visible_below(request.segments)
    if not below:
        raise Failure(404)
    below = [share for share in below if request.may_use(share)]
    yield bare_collection(quote_path(request.segments, collection=True))
    if depth != "0":
        names = {share.segments[: len(request.segments) + 1] for share in below}
        for segments in sorted(names):
            yield bare_collection(quote_path(segments, collection=True))
