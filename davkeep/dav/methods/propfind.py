"""PROPFIND (RFC 4918 9.1)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from lxml import etree

from davkeep.dav.answers import Reply
from davkeep.dav.checks import check_conditions
from davkeep.dav.multistatus import status_line, streamed_answer
from davkeep.dav.properties import LIVE, NOT_IN_ALLPROP, Member, element_of
from davkeep.dav.request import Request
from davkeep.dav.shares import Provider
from davkeep.dav.site import Site
from davkeep.dav.xml import dav, parse
from davkeep.store.locks import Lock
from davkeep.trees.identity import identity_of
from davkeep.trees.place import Identity
from davkeep.trees.share import Entry, Kind, kind_of
from davkeep.words.failure import Failure
from davkeep.words.fields import parse_depth
from davkeep.words.urls import Segments, quote_path

#: Members whose dead properties are asked for at once.
BATCH = 200

#: The most names that one request may ask for: each is answered for every member.
MOST_NAMES = 500


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each member: ``names`` in Clark notation, or everything, or only names."""

    names: tuple[str, ...] = ()
    everything: bool = False
    names_only: bool = False


def propfind(site: Site, request: Request) -> Reply:
    """Answer PROPFIND: 207, streamed where it is long; 404, 400 for a malformed body."""
    depth = parse_depth(request.field("Depth"), "infinity")
    question = _question(request.body)
    if request.provider is None:
        return streamed_answer(_of_shares(site, request, depth))
    try:
        status = request.share.share.read(request.segments, Entry.stat)
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(404) from None
    check_conditions(site, request, status)
    members = _members(site, request.share, request.segments, depth)
    return streamed_answer(_response(member, question) for member in members)


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


def _of_shares(site: Site, request: Request, depth: str) -> Iterator[bytes]:
    """The collection above the shares, which is no folder: 404 where no share is below."""
    below = site.shares.visible_below(request.segments)
    if not below:
        raise Failure(404)
    below = [share for share in below if request.may_use(share)]
    yield _bare_collection(quote_path(request.segments, collection=True))
    if depth != "0":
        names = {share.segments[: len(request.segments) + 1] for share in below}
        for segments in sorted(names):
            yield _bare_collection(quote_path(segments, collection=True))


def _bare_collection(href: str) -> bytes:
    response = _begin(href)
    kind = etree.Element(dav("resourcetype"))
    etree.SubElement(kind, dav("collection"))
    _propstat(response, [kind], 200)
    return etree.tostring(response)


def _members(site: Site, provider: Provider, root: Segments, depth: str) -> Iterator[Member]:
    """The target, and what is below it to ``depth``. What cannot be read is left out."""
    status, path = provider.share.read(root, lambda entry: (entry.stat(), entry.path))
    covering = tuple(site.locks.covering(path))
    dead = site.properties.get(path)
    yield Member(provider, root, status, path, dead, covering, site.now())
    collections: list[tuple[Segments, frozenset[Identity]]] = []
    if kind_of(status) is Kind.COLLECTION and depth != "0":
        collections.append((root, frozenset((identity_of(status),))))
    while collections:
        collection, above = collections.pop()
        for member in _direct_members(site, provider, collection):
            yield member
            identity = identity_of(member.status)
            # A followed link may lead to a collection that holds it.
            if depth == "infinity" and member.is_collection and identity not in above:
                collections.append((member.segments, above | {identity}))


def _direct_members(site: Site, provider: Provider, collection: Segments) -> Iterator[Member]:
    try:
        with provider.share.entry(collection) as entry:
            folder = entry.path
            covering = site.locks.covering(folder)
            inherited = [lock for lock in covering if lock.depth == "infinity"]
            own = _by_path(site.locks.below(folder))
            found = provider.share.members(entry)
            while batch := list(islice(found, BATCH)):
                paths = [_path_of(provider, collection, folder, name) for name, _ in batch]
                dead = site.properties.get_many(paths)
                for (name, status), path in zip(batch, paths, strict=True):
                    if path == _path_in(folder, name):
                        locks = (*inherited, *own.get(path, ()))
                    else:
                        locks = tuple(site.locks.covering(path))
                    segments = (*collection, name)
                    yield Member(
                        provider, segments, status, path, dead.get(path, {}), locks, site.now()
                    )
    except OSError:
        return


def _path_of(provider: Provider, collection: Segments, folder: bytes, name: str) -> bytes:
    """The real path of a member, under which everything about it is stored."""
    if not provider.share.follow_symlinks:
        return _path_in(folder, name)
    try:
        with provider.share.entry((*collection, name)) as entry:
            return entry.path
    except OSError:
        return _path_in(folder, name)


def _path_in(folder: bytes, name: str) -> bytes:
    return folder.rstrip(b"/") + b"/" + name.encode("utf-8", "surrogateescape")


def _by_path(locks: Iterable[Lock]) -> dict[bytes, list[Lock]]:
    found: dict[bytes, list[Lock]] = {}
    for lock in locks:
        found.setdefault(lock.path, []).append(lock)
    return found


def _response(member: Member, question: Question) -> bytes:
    response = _begin(member.href)
    if question.names_only:
        names = [name for name in LIVE if LIVE[name](member) is not None]
        _propstat(response, [etree.Element(name) for name in (*names, *member.dead)], 200)
    else:
        found, missing = _answers(member, question)
        if found or not missing:
            _propstat(response, found, 200)
        if missing:
            _propstat(response, missing, 404)
    return etree.tostring(response)


def _answers(
    member: Member, question: Question
) -> tuple[list[etree._Element], list[etree._Element]]:
    """The properties that are there and those that are not."""
    names = question.names
    if question.everything:
        live = (name for name in LIVE if name not in NOT_IN_ALLPROP)
        names = tuple(dict.fromkeys((*live, *member.dead, *names)))
    found: list[etree._Element] = []
    missing: list[etree._Element] = []
    for name in names:
        element = _property(member, name)
        if element is not None:
            found.append(element)
        elif not question.everything or name in question.names:
            missing.append(etree.Element(name))
    return found, missing


def _property(member: Member, name: str) -> etree._Element | None:
    if name in LIVE:
        value = LIVE[name](member)
        return None if value is None else element_of(name, value)
    stored = member.dead.get(name)
    return None if stored is None else etree.fromstring(stored)


def _begin(href: str) -> etree._Element:
    response = etree.Element(dav("response"), nsmap={"D": "DAV:"})
    etree.SubElement(response, dav("href")).text = href
    return response


def _propstat(response: etree._Element, elements: Iterable[etree._Element], status: int) -> None:
    propstat = etree.SubElement(response, dav("propstat"))
    prop = etree.SubElement(propstat, dav("prop"))
    prop.extend(list(elements))
    etree.SubElement(propstat, dav("status")).text = status_line(status)
