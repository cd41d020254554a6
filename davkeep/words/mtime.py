"""The X-OC-Mtime field: when an uploaded file was last modified, as ownCloud's clients tell it."""

import re

from davkeep.words.failure import Failure

#: Seconds with a fraction too, which some clients send.
_SECONDS = re.compile(r"[ \t]*(-?)([0-9]{1,12})(?:\.([0-9]{1,30}))?[ \t]*")

#: Nanoseconds of the epoch end here on Linux: the years 1677 to 2262. Who tells a later time counts
#: in milliseconds.
_LIMIT = 2**63

_NANOSECONDS = 10**9


def parse_mtime(value: str | None) -> int | None:
    """The time in nanoseconds of the epoch; None where the field is absent.

    Raises Failure 400 for what is no number of seconds, and for one that no file can have.
    """
    if value is None:
        return None
    match = _SECONDS.fullmatch(value)
    if match is not None:
        fraction = int((match[3] or "").ljust(9, "0")[:9])
        moment = int(match[2]) * _NANOSECONDS + fraction
        if moment < _LIMIT:
            return -moment if match[1] else moment
    raise Failure(400, "The X-OC-Mtime field must be a number of seconds since 1970.")
