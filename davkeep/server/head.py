"""The head of a request: its request line and header fields (RFC 9112). Pure but for reading
lines.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from davkeep.server.stream import Inlet, LineTooLong

#: RFC 9110 5.6.2.
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: RFC 9112 2.3.
_VERSION = re.compile(rb"HTTP/(\d)\.(\d)")
#: Controls and white space, which no request target holds. Bytes above 127 pass: old clients send
#: them unencoded.
_NOT_IN_TARGET = re.compile(rb"[\x00-\x20\x7f]")
#: Controls, which no field value holds (RFC 9110 5.5); the tab is allowed.
_NOT_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
#: RFC 9112 3.2.2; the rest is the path and the query, possibly without its slash.
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)
#: Rough shape of an authority without user information: what could confuse somebody about where
#: it ends is not in it.
_AUTHORITY = re.compile(rb"[^\s/?#@\\,]*")
#: RFC 9110 8.6; more digits than any size has.
_LENGTH = re.compile(rb"\d{1,19}")

#: Fields whose meaning a second, different value would make doubtful.
SINGLETONS = frozenset(
    {
        b"Authorization",
        b"Content-Range",
        b"Content-Type",
        b"Depth",
        b"Destination",
        b"Lock-Token",
        b"Overwrite",
        b"Range",
    }
)


class Refusal(Exception):
    """The server itself answers, with `status` and a short text, and closes the connection."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(slots=True)
class Head:
    """A request's head, checked."""

    method: bytes
    #: The request target as it was sent.
    target: bytes
    version: tuple[int, int]
    #: The path, percent-encoded as it was sent; "*" for `OPTIONS *`.
    path: bytes = b""
    query: bytes = b""
    authority: bytes = b""
    #: By name in title case, as cheroot has them.
    fields: dict[bytes, bytes] = field(default_factory=dict)
    #: Bytes of the body; None: chunked.
    length: int | None = 0
    #: Whether the client waits for 100 Continue.
    expects_continue: bool = False
    keeps_alive: bool = True


def read_head(inlet: Inlet, limit: int) -> Head | None:
    """Read one head of at most `limit` bytes; None if the client sent nothing but its end.

    Refusal 400 for what is malformed or ambiguous, 414 and 431 for what is too long, 417, 501 and
    505 for what is not supported.
    """
    block = inlet.through(b"\r\n\r\n", limit)
    lines = iter(block[:-4].split(b"\r\n")) if block else _lines(inlet, limit)
    line = next(lines, None)
    if line == b"":
        # RFC 9112 2.2: one empty line before the request line is ignored.
        line = next(lines, b"" if block else None)
    if line is None:
        return None
    head = parse_request_line(line)
    head.fields = _fields_of(lines)
    _settle_host(head)
    _settle_length(head)
    _settle_expectation(head)
    _settle_connection(head)
    return head


def _lines(inlet: Inlet, limit: int) -> Iterator[bytes]:
    """The lines of a head that is not here as a whole, without their ends: each as it arrives, so
    that what is malformed is refused before the rest is there.
    """
    line = _read_line(inlet, limit, 414)
    if line == b"\r\n":
        yield b""
        line = _read_line(inlet, limit, 414)
        if line == b"\r\n":
            yield b""
    while line and line != b"\r\n":
        yield _without_end(line)
        limit -= len(line)
        if limit <= 0:
            raise _fields_too_large()
        line = _read_line(inlet, max(limit, 2), 431)


def _read_line(inlet: Inlet, limit: int, status: int) -> bytes:
    try:
        return inlet.readline(limit)
    except LineTooLong:
        if status == 414:
            raise Refusal(414, "The request line is too long.") from None
        raise _fields_too_large() from None


def _fields_too_large() -> Refusal:
    return Refusal(431, "The header fields are too large.")


def _without_end(line: bytes) -> bytes:
    if not line.endswith(b"\r\n"):
        raise Refusal(400, "Lines end in CR LF.")
    return line[:-2]


def parse_request_line(line: bytes) -> Head:
    """RFC 9112 3. Refusal 400, 505."""
    parts = line.split(b" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]):
        raise Refusal(400, "Malformed request line.")
    method, target, protocol = parts
    matched = _VERSION.fullmatch(protocol)
    if not matched:
        raise Refusal(400, "Malformed HTTP version.")
    version = (int(matched[1]), int(matched[2]))
    if version[0] != 1:
        raise Refusal(505, "HTTP/1.0 and HTTP/1.1 are spoken here.")
    head = Head(method, target, version)
    _split_target(head)
    return head


def _split_target(head: Head) -> None:
    """Origin form, absolute form, or the asterisk of OPTIONS (RFC 9112 3.2)."""
    target = head.target
    if _NOT_IN_TARGET.search(target) or b"#" in target:
        raise Refusal(400, "Malformed request target.")
    if target == b"*" and head.method == b"OPTIONS":
        head.path = target
        return
    if not target.startswith(b"/"):
        matched = _ABSOLUTE.fullmatch(target)
        if not matched:
            raise Refusal(400, "Malformed request target.")
        head.authority, target = matched[1], matched[2]
        if not head.authority or not _AUTHORITY.fullmatch(head.authority):
            raise Refusal(400, "Malformed authority.")
        target = target if target.startswith(b"/") else b"/" + target
    head.path, _, head.query = target.partition(b"?")


def _fields_of(lines: Iterable[bytes]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in lines:
        # RFC 9112 5: no white space around the name, no folded lines.
        raw, colon, value = line.partition(b":")
        name, value = _title(raw), value.strip(b" \t")
        if not colon or not name or _NOT_IN_VALUE.search(value):
            raise Refusal(400, "Malformed header field.")
        # An underscore would become the same environ name as a hyphen, so that one could pass for
        # the other.
        if b"_" not in name:
            _add(fields, name, value)
    return fields


@lru_cache(maxsize=512)
def _title(name: bytes) -> bytes:
    """A field's name in title case; empty if it is none."""
    return name.title() if _TOKEN.fullmatch(name) else b""


def _add(fields: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    known = fields.get(name)
    if known is None:
        fields[name] = value
    elif name == b"Host" or (name in SINGLETONS and known != value):
        raise Refusal(400, f"Repeated {name.decode()} field.")
    elif name not in SINGLETONS:
        fields[name] = known + (b"; " if name == b"Cookie" else b", ") + value


def _settle_host(head: Head) -> None:
    """RFC 9112 3.2: the authority of an absolute target replaces the Host field."""
    host = head.fields.get(b"Host")
    if host is None and head.version >= (1, 1):
        raise Refusal(400, "A Host field is missing.")
    if host is not None and not _AUTHORITY.fullmatch(host):
        raise Refusal(400, "Malformed Host field.")
    if head.authority:
        head.fields[b"Host"] = head.authority


def _settle_length(head: Head) -> None:
    """RFC 9112 6.1 to 6.3. What two parties could read differently is refused."""
    length, coding = head.fields.get(b"Content-Length"), head.fields.get(b"Transfer-Encoding")
    if coding is not None:
        if length is not None or head.version < (1, 1):
            raise Refusal(400, "Ambiguous length of the body.")
        if coding.lower() != b"chunked":
            raise Refusal(501, "The only transfer coding known here is chunked.")
        head.length = None
    elif length is not None:
        values = {value.strip(b" \t") for value in length.split(b",")}
        value = values.pop()
        if values or not _LENGTH.fullmatch(value):
            raise Refusal(400, "Malformed Content-Length field.")
        head.fields[b"Content-Length"] = value
        head.length = int(value)


def _settle_expectation(head: Head) -> None:
    """RFC 9110 10.1.1; HTTP/1.0 clients cannot expect anything."""
    expectation = head.fields.get(b"Expect")
    if expectation is None or head.version < (1, 1):
        return
    if expectation.lower() != b"100-continue":
        raise Refusal(417, "The only expectation known here is 100-continue.")
    head.expects_continue = head.length != 0


def _settle_connection(head: Head) -> None:
    """RFC 9112 9.3."""
    field = head.fields.get(b"Connection")
    if field is None:
        head.keeps_alive = head.version >= (1, 1)
        return
    options = {option.strip(b" \t") for option in field.lower().split(b",")}
    if b"close" in options:
        head.keeps_alive = False
    else:
        head.keeps_alive = head.version >= (1, 1) or b"keep-alive" in options
