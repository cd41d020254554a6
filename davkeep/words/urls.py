"""Paths in URLs: from percent-encoded text to segments, and back.

A segment is a name as `os.fsdecode` gives it, so that every byte of it survives. A path is split
before it is decoded: an encoded "?", "#" or ";" is part of a name and nothing else.
"""

import re
from collections.abc import Collection
from typing import NamedTuple, TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

from davkeep.words.failure import Failure
from davkeep.words.fields import Host, parse_host

Segments: TypeAlias = tuple[str, ...]

#: The list of unfinished uploads. Below it, the upload to a URL is called after that URL's path.
UPLOADS: Segments = (".davkeep", "uploads")

#: Bytes of the longest name on Linux file systems (NAME_MAX).
LONGEST_SEGMENT = 255

#: What stays as it is in an href: pchar of RFC 3986 3.3 without "&", which has to be escaped again
#: in XML and HTML, and without ";", which some clients cut off as a parameter.
_KEPT = "-._~!$'()*+,=:@"

#: A segment of nothing else.
_NEEDS_NO_ESCAPE = re.compile(f"[A-Za-z0-9{re.escape(_KEPT)}]*")

#: What must not stand in the path of a URI unencoded: its ends, white space, control characters.
_NOT_IN_PATH = re.compile(rb"[?#\x00-\x20\x7f]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)

#: The port that a URI without one means (RFC 9110 4.2).
_DEFAULT_PORTS = {"http": 80, "https": 443}


class UrlPath(NamedTuple):
    """A path inside the server: its segments (`()` is the root), and whether it ends in "/"."""

    segments: Segments
    trailing_slash: bool


def parse_path(raw: str | bytes, *, too_long: int = 414) -> UrlPath:
    """The path of a request target, percent-encoded as it was sent and without its query.

    Text that is not ASCII is taken as UTF-8; a WSGI server's text is to be given as bytes. Empty
    segments are dropped. Raises Failure 400 for a path that does not begin with "/", a malformed
    "%", an unencoded control character, space, "?" or "#", and for a segment that is "." or ".." or
    holds an encoded "/" or NUL; and Failure `too_long` for a segment of more than 255 bytes.
    """
    path = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else raw
    if not path.startswith(b"/"):
        raise Failure(400, "The path must begin with a slash.")
    if _NOT_IN_PATH.search(path) or _BAD_ESCAPE.search(path):
        raise Failure(400, "The path is not correctly percent-encoded.")
    segments = tuple(_decode(part, too_long) for part in path.split(b"/") if part)
    return UrlPath(segments, path.endswith(b"/"))


def _decode(part: bytes, too_long: int) -> str:
    name = unquote_to_bytes(part)
    if name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise Failure(400, "The path holds a segment that cannot be a name.")
    if len(name) > LONGEST_SEGMENT:
        raise Failure(too_long, f"A name has at most {LONGEST_SEGMENT} bytes.")
    return name.decode("utf-8", "surrogateescape")


def quote_path(segments: Segments, collection: bool = False) -> str:
    """The href of `segments`: percent-encoded, with a slash at the end for a collection."""
    path = "/" + "/".join(map(quote_segment, segments))
    return path + "/" if collection and segments else path


def quote_segment(name: str) -> str:
    """One segment of an href."""
    if _NEEDS_NO_ESCAPE.fullmatch(name):
        return name
    return quote_from_bytes(name.encode("utf-8", "surrogateescape"), _KEPT)


def parse_destination(
    field: str | None, *, hosts: Collection[str], scheme: str, too_long: int = 400
) -> UrlPath:
    """The Destination field (RFC 4918 10.3): an absolute URI on this server, or an absolute path.

    It is text as WSGI gives it, one character for each byte. `hosts` are the names, each with its
    port where it has one, by which this server is known to the client, and `scheme` is the one that
    was used. A default port is the same as none. `http` and `https` of one host are one server,
    because a proxy that ends TLS often says nothing of it. Raises Failure 400 where the field is
    absent or malformed, or has user information, a query or a fragment; 502 for another server;
    `too_long` as `parse_path`.
    """
    text = (field or "").strip(" \t")
    match = _ABSOLUTE.fullmatch(text)
    if text.startswith("//"):
        raise Failure(400, "The destination has a host without a scheme.")
    path = parse_path(_wire_bytes(match[3] or "/" if match else text), too_long=too_long)
    if match is None:
        return path
    known = {_without_default_port(parse_host(host), scheme) for host in hosts}
    named = match[1].lower(), parse_host(match[2])
    if named[0] not in _DEFAULT_PORTS or _without_default_port(named[1], named[0]) not in known:
        raise Failure(502, "The destination is on another server than the one that was asked.")
    return path


def _wire_bytes(text: str) -> bytes:
    """The bytes that `text` had on the wire."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise Failure(400, "The destination is not correctly percent-encoded.") from None


def _without_default_port(host: Host, scheme: str) -> Host:
    return Host(host.name, None) if host.port == _DEFAULT_PORTS.get(scheme.lower()) else host


def can_be_host(name: str) -> bool:
    """Whether names of hosts are like that: no label is empty or longer than 63 (RFC 1035)."""
    try:
        return bool(name.encode("idna"))
    except UnicodeError:
        return False
