"""The Content-Range field of a request: which part of a file it brings (RFC 9110 14.4, 14.5)."""

import re
from typing import NamedTuple

from davkeep.words.failure import Failure

#: Digits of the longest length that is taken: a file can have up to 2**63 - 1 bytes.
_DIGITS = 18

_NUMBER = rf"[0-9]{{1,{_DIGITS}}}"
_RANGE = re.compile(
    rf"[ \t]*bytes[ \t]+({_NUMBER})-({_NUMBER})/({_NUMBER}|\*)[ \t]*", re.IGNORECASE
)


class ContentRange(NamedTuple):
    """The first and the last byte of a part, both inclusive, and the length of the whole."""

    first: int
    last: int
    total: int

    @property
    def length(self) -> int:
        """Bytes of the part."""
        return self.last - self.first + 1

    @property
    def is_last(self) -> bool:
        """Whether the whole ends with it."""
        return self.last == self.total - 1


def parse_content_range(value: str) -> ContentRange:
    """The Content-Range of a partial PUT. Raises Failure 400.

    The length of the whole has to be told: without it nobody could say when it is complete.
    """
    match = _RANGE.fullmatch(value)
    if match is None:
        raise Failure(400, "The Content-Range field must be of the form: bytes FIRST-LAST/TOTAL.")
    if match[3] == "*":
        raise Failure(400, "The Content-Range field must tell the length of the whole file.")
    found = ContentRange(int(match[1]), int(match[2]), int(match[3]))
    if not found.first <= found.last < found.total:
        raise Failure(400, "The Content-Range field names bytes that lie outside the file.")
    return found
