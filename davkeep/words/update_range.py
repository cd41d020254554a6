"""The X-Update-Range field: where a PATCH writes (SabreDAV, "HTTP PATCH support")."""

import re
from typing import NamedTuple

from davkeep.words.failure import Failure

#: The media type of such a PATCH.
MEDIA_TYPE = "application/x-sabredav-partialupdate"

#: Bytes of the longest file there is.
LONGEST = 2**63 - 1

#: Digits of the largest position that is told from a larger one.
_DIGITS = 19

_BYTES = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)


class UpdateRange(NamedTuple):
    """Where the content goes.

    `first` is None to append, and negative where it is counted from the end. `last`, inclusive, is
    None where it follows from the length of the content.
    """

    first: int | None
    last: int | None = None

    def check_length(self, length: int) -> None:
        """Raises Failure 416 unless content of `length` bytes is as long as the range."""
        if self.first is None or self.last is None:
            return
        if self.last < self.first:
            raise Failure(416, "The range ends before it begins.")
        if self.last - self.first + 1 != length:
            raise Failure(416, "The range is not as long as the content.")

    def start(self, length: int, size: int) -> int:
        """Where `length` bytes go in a file of `size` bytes; beyond its end too.

        Raises Failure 416 if that is before its beginning, or would end beyond the longest file.
        """
        start = size if self.first is None else self.first
        if start < 0:
            start += size
        if start < 0 or start + length > LONGEST:
            fields = [("Content-Range", f"bytes */{size}")]
            raise Failure(416, "The range lies outside of what a file can have.", fields=fields)
        return start


def parse_update_range(value: str | None) -> UpdateRange:
    """The X-Update-Range field: `append`, `bytes=N-M`, `bytes=N-` or `bytes=-N`.

    Raises Failure 400 for anything else, and where it is missing.
    """
    text = (value or "").strip(" \t")
    if text.lower() == "append":
        return UpdateRange(None)
    match = _BYTES.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        raise Failure(400, "X-Update-Range has to be append, or one range such as bytes=3-6.")
    if match[1]:
        return UpdateRange(_position(match[1]), _position(match[2]) if match[2] else None)
    # Nothing before the end is the end itself.
    return UpdateRange(-_position(match[2]) or None)


def _position(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else LONGEST + 1
