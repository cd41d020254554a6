"""The Accept field (RFC 9110 12.5.1)."""

import re
from collections.abc import Iterator, Sequence

from davkeep.words.lists import TOKEN, split

#: A media range.
_RANGE = re.compile(rf"{TOKEN.pattern}/{TOKEN.pattern}")

#: The value of a weight (RFC 9110 12.4.2).
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def preferred(value: str | None, offers: Sequence[str]) -> str:
    """The media type among `offers` that an Accept field (None: absent) wants most.

    Of equals the first; and the first where none is acceptable, for there is no 406 here. What is
    malformed in the field is ignored, and all of it where a quote is not closed; other parameters
    of a type do not count.
    """
    try:
        members = split(value or "*/*", ",")
    except ValueError:
        members = ["*/*"]
    ranges = dict(_ranges(members))
    # max() takes the first of equals.
    return max(offers, key=lambda offer: _quality(ranges, offer))


def _quality(ranges: dict[str, float], offer: str) -> float:
    """The weight of the most specific range that `offer` is in."""
    for candidate in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0


def _ranges(members: Sequence[str]) -> Iterator[tuple[str, float]]:
    for member in members:
        media_range, *parameters = split(member, ";")
        weight = _weight(parameters)
        if _RANGE.fullmatch(media_range) and weight is not None:
            yield media_range.lower(), weight


def _weight(parameters: Sequence[str]) -> float | None:
    """From 0 to 1; None where it is malformed."""
    for parameter in parameters:
        name, _, digits = parameter.partition("=")
        if name.strip(" \t").lower() == "q":
            return float(digits) if _WEIGHT.fullmatch(digits) and name in "qQ" else None
    return 1.0
