"""Live properties (RFC 4918 15, RFC 4331): what each member says of itself."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from davkeep.dav.checks import etag_if_file
from davkeep.dav.lockdiscovery import lockdiscovery, supportedlock
from davkeep.dav.media import media_type
from davkeep.dav.moments import sayable
from davkeep.dav.shares import Provider
from davkeep.dav.xml import dav, displayable
from davkeep.store.locks import Lock
from davkeep.trees.share import Kind, kind_of
from davkeep.words.fields import format_http_date
from davkeep.words.urls import Segments

#: A property's content: text, a ready element, or None where the member has no such property.
Value = str | etree._Element | None


@dataclass(frozen=True, slots=True)
class Member:
    """A resource in a listing, with what was read about it; ``locks`` are those that cover it."""

    provider: Provider
    segments: Segments
    status: os.stat_result
    path: bytes
    dead: Mapping[str, bytes]
    locks: tuple[Lock, ...]
    now: float

    @property
    def is_collection(self) -> bool:
        """Whether it is a collection."""
        return kind_of(self.status) is Kind.COLLECTION

    @property
    def href(self) -> str:
        """Its percent-encoded URL path."""
        return self.provider.href(self.segments, self.is_collection)


def _resourcetype(member: Member) -> Value:
    element = etree.Element(dav("resourcetype"))
    if member.is_collection:
        etree.SubElement(element, dav("collection"))
    return element


def _creationdate(member: Member) -> Value:
    """The earliest time that the file system still knows; it keeps no time of birth."""
    earliest = sayable(min(member.status.st_ctime, member.status.st_mtime))
    return datetime.fromtimestamp(int(earliest), UTC).isoformat().replace("+00:00", "Z")


def _displayname(member: Member) -> Value:
    names = member.provider.segments + member.segments
    return displayable(names[-1]) if names else ""


def _getetag(member: Member) -> Value:
    etag = etag_if_file(member.status)
    return None if etag is None else f'"{etag}"'


def _getcontentlength(member: Member) -> Value:
    return None if member.is_collection else str(member.status.st_size)


def _getcontenttype(member: Member) -> Value:
    return None if member.is_collection else media_type(member.segments[-1])


def _getlastmodified(member: Member) -> Value:
    return format_http_date(member.status.st_mtime)


def _quota_used(member: Member) -> Value:
    space = _space(member)
    return None if space is None else str((space.f_blocks - space.f_bfree) * space.f_frsize)


def _quota_available(member: Member) -> Value:
    space = _space(member)
    return None if space is None else str(space.f_bavail * space.f_frsize)


def _space(member: Member) -> os.statvfs_result | None:
    if not member.is_collection:
        return None
    try:
        return os.statvfs(member.path)
    except OSError:
        return None


def _lockdiscovery(member: Member) -> Value:
    return lockdiscovery(member.locks, member.now)


def _supportedlock(member: Member) -> Value:
    return None if member.provider.is_readonly() else supportedlock()


#: All live properties; none of them can be set.
LIVE: Mapping[str, Callable[[Member], Value]] = {
    dav("resourcetype"): _resourcetype,
    dav("creationdate"): _creationdate,
    dav("displayname"): _displayname,
    dav("getcontentlength"): _getcontentlength,
    dav("getcontenttype"): _getcontenttype,
    dav("getetag"): _getetag,
    dav("getlastmodified"): _getlastmodified,
    dav("lockdiscovery"): _lockdiscovery,
    dav("supportedlock"): _supportedlock,
    dav("quota-used-bytes"): _quota_used,
    dav("quota-available-bytes"): _quota_available,
}

#: What ``allprop`` leaves out, because RFC 4331 3 and 4 ask for it.
NOT_IN_ALLPROP = frozenset({dav("quota-used-bytes"), dav("quota-available-bytes")})


def element_of(name: str, value: Value) -> etree._Element:
    """The element of a property, with its content."""
    if isinstance(value, etree._Element):
        return value
    element = etree.Element(name)
    element.text = value
    return element
