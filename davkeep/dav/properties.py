"""Live properties (RFC 4918 15, RFC 4331): what each member says of itself."""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from davkeep.dav.lockdiscovery import SUPPORTED_LOCKS
from davkeep.dav.media import media_type
from davkeep.dav.xml import dav, element, escaped
from davkeep.trees.share import Kind, etag_of
from davkeep.words.fields import format_http_date, format_timestamp

#: The content of a property, as it is written, by a member's name, status and active locks.
Content = Callable[[str, os.stat_result, str], str]

EVERYTHING = frozenset(Kind)
#: Whatever is no collection has a length and a type, FIFOs and devices included.
NOT_COLLECTIONS = EVERYTHING - {Kind.COLLECTION}


@dataclass(frozen=True, slots=True)
class Live:
    """A live property: what it says, and which kinds of members have it."""

    content: Content
    kinds: frozenset[Kind] = EVERYTHING
    #: Whether members of a read-only share have it.
    when_readonly: bool = True


def _resourcetype(_: str, status: os.stat_result, __: str) -> str:
    return "<D:collection/>" if stat.S_ISDIR(status.st_mode) else ""


def _creationdate(_: str, status: os.stat_result, __: str) -> str:
    """The earliest time that the file system still knows; it keeps no time of birth."""
    return format_timestamp(min(status.st_ctime, status.st_mtime))


def _displayname(name: str, _: os.stat_result, __: str) -> str:
    return escaped(name)


def _getcontentlength(_: str, status: os.stat_result, __: str) -> str:
    return str(status.st_size)


def _getcontenttype(name: str, _: os.stat_result, __: str) -> str:
    return media_type(name)


def _getetag(_: str, status: os.stat_result, __: str) -> str:
    return f'"{etag_of(status)}"'


def _getlastmodified(_: str, status: os.stat_result, __: str) -> str:
    return format_http_date(status.st_mtime)


def _lockdiscovery(_: str, __: os.stat_result, locks: str) -> str:
    return locks


def _supportedlock(_: str, __: os.stat_result, ___: str) -> str:
    return SUPPORTED_LOCKS


#: All live properties but those of ``SPACE``; none of them can be set.
LIVE: Mapping[str, Live] = {
    dav("resourcetype"): Live(_resourcetype),
    dav("creationdate"): Live(_creationdate),
    dav("displayname"): Live(_displayname),
    dav("getcontentlength"): Live(_getcontentlength, NOT_COLLECTIONS),
    dav("getcontenttype"): Live(_getcontenttype, NOT_COLLECTIONS),
    dav("getetag"): Live(_getetag, frozenset({Kind.FILE})),
    dav("getlastmodified"): Live(_getlastmodified),
    dav("lockdiscovery"): Live(_lockdiscovery),
    dav("supportedlock"): Live(_supportedlock, when_readonly=False),
}

#: The live properties of a collection that only its file system can tell (RFC 4331 3 and 4, which
#: ask for them to be left out of ``allprop``).
SPACE: Mapping[str, Callable[[os.statvfs_result], int]] = {
    dav("quota-used-bytes"): lambda space: (space.f_blocks - space.f_bfree) * space.f_frsize,
    dav("quota-available-bytes"): lambda space: space.f_bavail * space.f_frsize,
}


def space_at(path: bytes) -> dict[str, str]:
    """The elements of ``SPACE`` for the collection at a real path; none that cannot be had."""
    try:
        space = os.statvfs(path)
    except OSError:
        return {}
    return {name: element(name, str(told(space))) for name, told in SPACE.items()}
