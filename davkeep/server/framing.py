"""How a final response says where it ends (RFC 9112 6). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

Field = tuple[bytes, bytes]

#: Final statuses without a body (RFC 9110 15.3.5, 15.4.5).
BODILESS = frozenset({204, 304})

#: Fields that belong to one connection, so that the server alone decides on them (RFC 9110 7.6.1).
HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})


@dataclass(frozen=True)
class Framing:
    """The fields to send, and how the body is written after them."""

    fields: tuple[Field, ...]
    #: Whether body bytes go on the wire at all.
    has_body: bool
    chunked: bool
    #: The body ends where the connection ends.
    until_close: bool


def field_value(fields: Sequence[Field], name: bytes) -> bytes | None:
    """The first value of a field; `name` in lower case."""
    return next((value for key, value in fields if key.lower() == name), None)


def asks_to_close(fields: Sequence[Field]) -> bool:
    """Whether the application's own fields end the connection."""
    options = (field_value(fields, b"connection") or b"").lower().split(b",")
    return b"close" in (option.strip() for option in options)


def frame(
    fields: Sequence[Field],
    *,
    status: int,
    method: bytes,
    version: tuple[int, int],
    length: int | None,
) -> Framing:
    """Decide; `length` is the size of the body in bytes if it is known without a Content-Length
    of the application.
    """
    own = [(name, value) for name, value in fields if name.lower() not in HOP_BY_HOP]
    if status in BODILESS:
        own = [(name, value) for name, value in own if name.lower() != b"content-length"]
        return Framing(tuple(own), has_body=False, chunked=False, until_close=False)
    declared = field_value(own, b"content-length") is not None
    is_head = method == b"HEAD"
    if not declared and length is not None and not (is_head and length == 0):
        own.append((b"Content-Length", b"%d" % length))
        declared = True
    if declared or is_head:
        return Framing(tuple(own), has_body=not is_head, chunked=False, until_close=False)
    if version >= (1, 1):
        own.append((b"Transfer-Encoding", b"chunked"))
        return Framing(tuple(own), has_body=True, chunked=True, until_close=False)
    return Framing(tuple(own), has_body=True, chunked=False, until_close=True)
