"""The Accept field (RFC 9110 12.5.1)."""

import re
from collections.abc import Iterator, Sequence

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

#: A media range, and what follows it: parameters of the type, then the weight.
_RANGE = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN})((?:[ \t]*;[^,;]*)*)[ \t]*")

#: The weight among the parameters (RFC 9110 12.4.2).
_WEIGHT = re.compile(r";[ \t]*q=([01](?:\.\d{0,3})?)[ \t]*(?:;|$)", re.IGNORECASE)

#: What begins a weight, be it well-formed or not.
_ANY_WEIGHT = re.compile(r";[ \t]*q[ \t]*=", re.IGNORECASE)


def preferred(value: str | None, offers: Sequence[str]) -> str:
    """The media type among `offers` that an Accept field (None: absent) wants most.

    Of equals the first; and the first where none is acceptable, for there is no 406 here. What is
    malformed in the field is ignored; other parameters of a type do not count.
    """
    ranges = dict(_ranges(value or "*/*"))
    # max() takes the first of equals.
    return max(offers, key=lambda offer: _quality(ranges, offer))


def _quality(ranges: dict[str, float], offer: str) -> float:
    """The weight of the most specific range that `offer` is in."""
    for candidate in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0


def _ranges(value: str) -> Iterator[tuple[str, float]]:
    for member in value.split(","):
        match = _RANGE.fullmatch(member)
        weight = None if match is None else _weight(match[2])
        if match is not None and weight is not None:
            yield match[1].lower(), weight


def _weight(parameters: str) -> float | None:
    """From 0 to 1; None where it is malformed."""
    match = _WEIGHT.search(parameters)
    if match is None:
        return None if _ANY_WEIGHT.search(parameters) else 1.0
    weight = float(match[1])
    return weight if weight <= 1 else None
