"""PROPPATCH (RFC 4918 9.2): all of its instructions, or none."""

import os
from functools import partial

from lxml import etree

from davkeep.dav.admission import taken
from davkeep.dav.answers import XML, Answer, Reply
from davkeep.dav.checks import LockCheck, check_conditions
from davkeep.dav.delivery import when_free
from davkeep.dav.multistatus import status_line
from davkeep.dav.properties import LIVE
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.dav.xml import dav, document, parse
from davkeep.operations import Mode
from davkeep.trees.share import Entry, Kind, kind_of
from davkeep.words.failure import Failure
from davkeep.words.fields import Depth, parse_depth, parse_http_date

#: The Depth that PROPPATCH has, sent or not (RFC 4918 9.2).
ONLY_ITSELF: tuple[Depth, ...] = ("0",)

#: The attribute that says in which language a property's text is (RFC 4918 4.3).
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

#: The live property that ``mutable_live_props`` can make settable.
MODIFIED = dav("getlastmodified")

#: Properties by which Windows sets times and attributes; see ``hotfixes.emulate_win32_lastmod``.
WIN32 = "{urn:schemas-microsoft-com:}"
WIN32_MODIFIED = f"{WIN32}Win32LastModifiedTime"


def proppatch(site: Site, request: Request) -> Reply:
    """Answer PROPPATCH: 207 that says of each property what became of it."""
    parse_depth(request.field("Depth"), "0", ONLY_ITSELF)
    request.writable_share()
    changes = _changes(parse(request.body, "propertyupdate"))
    return when_free(site, request, partial(_change, site, request, changes))


def _changes(update: etree._Element) -> dict[str, etree._Element | None]:
    """What is set and removed (None), the last instruction of each property winning."""
    changes: dict[str, etree._Element | None] = {}
    for instruction in update:
        if instruction.tag not in (dav("set"), dav("remove")):
            continue
        removes = instruction.tag == dav("remove")
        for prop in instruction.iterfind(dav("prop")):
            for element in prop:
                changes[str(element.tag)] = None if removes else _with_language(element)
    if not changes:
        raise Failure(400, "PROPPATCH sets or removes at least one property.")
    return changes


def _with_language(element: etree._Element) -> etree._Element:
    """Keep the language that the property inherits from the elements around it."""
    if LANGUAGE not in element.attrib:
        around = (above.get(LANGUAGE) for above in element.iterancestors())
        inherited = next((language for language in around if language is not None), None)
        if inherited is not None:
            element.set(LANGUAGE, inherited)
    return element


def _change(site: Site, request: Request, changes: dict[str, etree._Element | None]) -> Answer:
    with taken(site, request, request.share.existing, lambda _: Mode.TOUCH) as (entry, status):
        if status is None:
            raise Failure(404)
        check_conditions(site, request, status)
        LockCheck(site, request).content(entry)
        outcomes = _outcomes(site, changes)
        if all(each == 200 for each in outcomes.values()):
            _apply(site, entry, changes)
    is_collection = kind_of(status) is Kind.COLLECTION
    return _answer(request.share.href(request.segments, is_collection), outcomes)


def _outcomes(site: Site, changes: dict[str, etree._Element | None]) -> dict[str, int]:
    """The status of each property: 403 for a protected one makes the others 424."""
    refused = {name: _refusal(site, name, value) for name, value in changes.items()}
    if not any(refused.values()):
        return dict.fromkeys(changes, 200)
    return {name: status or 424 for name, status in refused.items()}


def _refusal(site: Site, name: str, value: etree._Element | None) -> int | None:
    """Why a property cannot be changed: 403 for a protected one, 409 for what is no date."""
    if name in _times(site):
        is_date = value is not None and parse_http_date(value.text) is not None
        return None if is_date else 409
    return 403 if name in LIVE or name.startswith(dav("")) else None


def _times(site: Site) -> frozenset[str]:
    """The properties by which this server lets clients set the time of the last change."""
    configuration = site.configuration
    times = {MODIFIED} if MODIFIED in configuration.mutable_live_props else set()
    return frozenset(
        times | {WIN32_MODIFIED} if configuration.hotfixes.emulate_win32_lastmod else times
    )


def _apply(site: Site, entry: Entry, changes: dict[str, etree._Element | None]) -> None:
    """Make every change, or none: a time that cannot be set undoes the rest."""
    times = [changes.pop(name, None) for name in sorted(_times(site))]
    modified = next((value for value in times if value is not None), None)
    stored = {
        name: etree.tostring(value, with_tail=False)
        for name, value in changes.items()
        if value is not None
    }
    removed = [name for name, value in changes.items() if value is None]
    seconds = None if modified is None else parse_http_date(modified.text)
    with site.database.transaction():
        site.properties.change(entry.key, stored, removed)
        if seconds is not None:
            _set_modified(entry, seconds)


def _set_modified(entry: Entry, seconds: float) -> None:
    times = (entry.stat().st_atime, seconds)
    os.utime(entry.name, times, dir_fd=entry.parent_fd, follow_symlinks=False)


def _answer(href: str, outcomes: dict[str, int]) -> Answer:
    root = etree.Element(dav("multistatus"), nsmap={"D": "DAV:"})
    response = etree.SubElement(root, dav("response"))
    etree.SubElement(response, dav("href")).text = href
    for status in sorted(set(outcomes.values())):
        propstat = etree.SubElement(response, dav("propstat"))
        prop = etree.SubElement(propstat, dav("prop"))
        for name in (name for name, each in outcomes.items() if each == status):
            etree.SubElement(prop, name)
        etree.SubElement(propstat, dav("status")).text = status_line(status)
        if status == 403:
            error = etree.SubElement(propstat, dav("error"))
            etree.SubElement(error, dav("cannot-modify-protected-property"))
    return Answer(207, (("Content-Type", XML),), document(root))
