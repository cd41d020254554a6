"""Interim responses, as the bytes that go on the wire."""

import re
from typing import Self

from davkeep.words.status import reason as reason_of

#: A reason phrase that cannot end the status line early (RFC 9112 4).
_REASON = re.compile(r"[\t\x20-\x7e]*")


class InterimResponse(bytes):
    """One interim response (RFC 9110 15.2), complete, without header fields.

    `status` is 100 or 102 to 199: 101 is no interim answer to a WebDAV method but a change of
    protocol (RFC 9110 15.2.2). `reason` is the phrase of `status` unless it is given.
    Raises ValueError for any other status, and for a reason that is not one line of ASCII.
    """

    status: int

    def __new__(cls, status: int, reason: str | None = None) -> Self:
        phrase = reason_of(status) if reason is None else reason
        if not 100 <= status <= 199 or status == 101:
            raise ValueError(f"{status} is not the status of an interim response")
        if not _REASON.fullmatch(phrase):
            raise ValueError(f"{phrase!r} is not a reason phrase")
        response = super().__new__(cls, f"HTTP/1.1 {status} {phrase}\r\n\r\n".encode("ascii"))
        response.status = status
        return response


#: Sent on the first read of a body whose client waits for it (RFC 9110 10.1.1).
CONTINUE = InterimResponse(100)

#: Sent while a client waits for an operation (RFC 2518 10.1).
PROCESSING = InterimResponse(102)
