"""How a final response says where it ends (RFC 9112 6). Pure."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

Field = tuple[bytes, bytes]

#: Final statuses without a body (RFC 9110 15.3.5, 15.4.5).
BODILESS = frozenset({204, 304})

#: Fields that belong to one connection, so that the server alone decides on them (RFC 9110 7.6.1).
HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})


class Framing(NamedTuple):
    """The fields to send, and how the body is written after them."""

    fields: Sequence[Field]
    #: Their names in lower case.
    names: Collection[bytes]
    #: Whether body bytes go on the wire at all.
    has_body: bool = True
    chunked: bool = False
    #: The connection ends with the response: the application says so, or nothing else tells where
    #: the body ends.
    closes: bool = False


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
    own, names, closes = _own(fields, status in BODILESS)
    if status in BODILESS:
        return Framing(own, names, has_body=False, closes=closes)
    declared = b"content-length" in names
    is_head = method == b"HEAD"
    if not declared and length is not None and not (is_head and length == 0):
        own.append((b"Content-Length", b"%d" % length))
        declared = True
    if declared or is_head:
        return Framing(own, names, has_body=not is_head, closes=closes)
    if version >= (1, 1):
        own.append((b"Transfer-Encoding", b"chunked"))
        return Framing(own, names, chunked=True, closes=closes)
    return Framing(own, names, closes=True)


def _own(fields: Sequence[Field], bodiless: bool) -> tuple[list[Field], set[bytes], bool]:
    """The application's fields as far as they are its to send, their names in lower case, and
    whether they end the connection.
    """
    own, names, closes = [], set(), False
    for field in fields:
        name = field[0].lower()
        if name == b"connection":
            options = field[1].lower().split(b",")
            closes = closes or b"close" in [option.strip() for option in options]
        if name not in HOP_BY_HOP and not (bodiless and name == b"content-length"):
            own.append(field)
            names.add(name)
    return own, names, closes
