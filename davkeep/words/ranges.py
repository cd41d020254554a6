"""Byte ranges of the Range field (RFC 9110 14)."""

import re
from collections.abc import Iterator

from davkeep.words.failure import Failure

#: More ranges than this in one request are not served, the whole content is (RFC 9110 14.2).
MOST_RANGES = 64

#: Ranges that begin inside another one: more of them are taken for an attack (RFC 9110 17.15).
MOST_OVERLAPS = 1

#: Digits of the largest position that is told from a larger one; no file is as long.
_POSITION_DIGITS = 19

_RANGES = re.compile(r"bytes=(.*)", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")


def parse_range(value: str | None, size: int) -> list[tuple[int, int]] | None:
    """The ranges asked for of a content of `size` bytes, as (first, last), both inclusive.

    They come in the order of the request; those that lie outside the content are left out. None
    means that the field is to be ignored and the whole content sent: it is absent, malformed, in
    another unit, or asks for more than `MOST_RANGES` ranges or more than `MOST_OVERLAPS` overlaps.
    Raises Failure 416 with a Content-Range field if no range can be satisfied.
    """
    asked = _read(value or "")
    if not asked or (size == 0 and any(first is None and last for first, last in asked)):
        return None
    ranges = list(_satisfiable(asked, size))
    if not ranges:
        raise _unsatisfiable(size)
    return ranges if _overlaps(ranges) <= MOST_OVERLAPS else None


def _read(value: str) -> list[tuple[int | None, int | None]] | None:
    """The numbers of each range as they were written; None if the field is to be ignored."""
    match = _RANGES.fullmatch(value.strip())
    parts = [part.strip(" \t") for part in match[1].split(",")] if match else []
    matches = [_RANGE.fullmatch(part) for part in parts if part]
    pairs = [(_position(found[1]), _position(found[2])) for found in matches if found]
    if len(pairs) != len(matches) or len(pairs) > MOST_RANGES:
        return None
    return None if any(_is_malformed(first, last) for first, last in pairs) else pairs


def _is_malformed(first: int | None, last: int | None) -> bool:
    if first is None:
        return last is None
    return last is not None and last < first


def _position(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _POSITION_DIGITS else int(10**_POSITION_DIGITS)


def _satisfiable(
    asked: list[tuple[int | None, int | None]], size: int
) -> Iterator[tuple[int, int]]:
    for first, last in asked:
        if first is None:
            start, end = max(size - (last or 0), 0), size - 1
        else:
            start, end = first, size - 1 if last is None else min(last, size - 1)
        if start <= end:
            yield start, end


def _overlaps(ranges: list[tuple[int, int]]) -> int:
    """How many of the ranges begin inside another one."""
    count, reached = 0, -1
    for first, last in sorted(ranges):
        count += first <= reached
        reached = max(reached, last)
    return count


def _unsatisfiable(size: int) -> Failure:
    explanation = "The content has no byte in the ranges that were asked for."
    return Failure(416, explanation, fields=[("Content-Range", f"bytes */{size}")])
