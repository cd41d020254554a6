"""Single header fields: Depth, Overwrite, Timeout, Lock-Token, Content-Length, Host, dates.

Every function takes the field's value as text, or None where the field is absent.
"""

import calendar
import math
import re
import time
from collections.abc import Collection
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, cast

from davkeep.words.failure import Failure

Depth: TypeAlias = Literal["0", "1", "infinity"]

#: Every value of Depth (RFC 4918 10.2).
DEPTHS: tuple[Depth, ...] = ("0", "1", "infinity")

#: The longest timeout in seconds that a client can ask for (RFC 4918 10.7).
LONGEST_TIMEOUT = 2**32 - 1

#: Digits of the largest length that a file can have, 2**63 - 1.
_LENGTH_DIGITS = 19

_SECONDS = re.compile(r"second-([0-9]+)", re.IGNORECASE)
_CODED_URL = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]*:[^<>\s\x00-\x1f\x7f]+)>")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::([0-9]{0,5}))?")


def parse_depth(value: str | None, default: Depth, allowed: Collection[Depth] = DEPTHS) -> Depth:
    """The Depth field (RFC 4918 10.2), or `default` when it is absent.

    Raises Failure 400 for several values, an unknown one, and one that is not in `allowed`.
    """
    if value is None:
        return default
    depth = value.strip().lower()
    if depth not in allowed:
        raise Failure(400, "The Depth field must be one of: " + ", ".join(sorted(allowed)) + ".")
    return cast(Depth, depth)


def parse_overwrite(value: str | None) -> bool:
    """The Overwrite field (RFC 4918 10.6); True when it is absent. Raises Failure 400."""
    if value is None:
        return True
    flag = value.strip().upper()
    if flag not in ("T", "F"):
        raise Failure(400, "The Overwrite field must be T or F.")
    return flag == "T"


def parse_timeout(value: str | None) -> float | None:
    """The first usable wish of the Timeout field (RFC 4918 10.7), in seconds.

    `math.inf` for Infinite, at most `LONGEST_TIMEOUT` for a number, and None where there is no
    usable wish, so that the server chooses: the field is only a wish and never an error.
    """
    wishes = (_timeout_wish(part.strip()) for part in (value or "").split(","))
    return next((wish for wish in wishes if wish is not None), None)


def _timeout_wish(text: str) -> float | None:
    if text.lower() == "infinite":
        return math.inf
    match = _SECONDS.fullmatch(text)
    seconds = bounded_int(match[1], LONGEST_TIMEOUT) if match else 0
    return float(seconds) if seconds else None


def parse_lock_token(value: str | None) -> str:
    """The Lock-Token field (RFC 4918 10.5) without its angle brackets. Raises Failure 400."""
    match = _CODED_URL.fullmatch((value or "").strip())
    if match is None:
        raise Failure(400, "The Lock-Token field must be one lock token in angle brackets.")
    return match[1]


def parse_content_length(value: str | None) -> int | None:
    """The Content-Length field in bytes (RFC 9110 8.6), or None when it is absent.

    Raises Failure 400 for anything but digits, and for a length that no file can have.
    """
    if value is None:
        return None
    digits = value.strip(" \t")
    if not re.fullmatch(r"[0-9]+", digits) or len(digits.lstrip("0")) > _LENGTH_DIGITS:
        raise Failure(400, "The Content-Length field must be a number of bytes.")
    return int(digits.lstrip("0") or "0")


class Host(NamedTuple):
    """A host in lower case (an IPv6 address in its brackets), and its port if there is one."""

    name: str
    port: int | None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"


def parse_host(value: str | None) -> Host:
    """The Host field, or the authority of a URI (RFC 9110 7.2). Raises Failure 400."""
    match = _HOST.fullmatch((value or "").strip(" \t"))
    if match is None or int(match[2] or "0") > 65535:
        raise Failure(400, "The Host field must be one host, with or without a port.")
    return Host(match[1].lower(), int(match[2]) if match[2] else None)


def bounded_int(digits: str, most: int) -> int:
    """The number that `digits` say, at most `most`; safe for any number of digits."""
    digits = digits.lstrip("0") or "0"
    return most if len(digits) > len(str(most)) else min(int(digits), most)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = "|".join(_MONTHS)
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"

#: The three formats of RFC 9110 5.6.7: IMF-fixdate, that of RFC 850, and that of asctime.
_DATES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) (?P<month>{_MONTH}) (?P<year>\d{{4}}) {_CLOCK} GMT",
        rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-(?P<month>{_MONTH})-(?P<year>\d\d) {_CLOCK} GMT",
        rf"[A-Z][a-z]{{2}} (?P<month>{_MONTH}) (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})",
    )
)

#: Epoch seconds of the first and of the last moment that an HTTP date can say (years 1 to 9999).
_FIRST_DATE, _LAST_DATE = -62135596800, 253402300799


def parse_http_date(value: str | None) -> int | None:
    """An HTTP date in epoch seconds; None when absent or invalid, for such a date is ignored.

    A year of two digits is 1970 to 2069, where RFC 9110 5.6.7 would ask today's date.
    """
    text = (value or "").strip(" \t")
    match = next(filter(None, (pattern.fullmatch(text) for pattern in _DATES)), None)
    return _epoch_seconds(match) if match else None


def _epoch_seconds(match: re.Match[str]) -> int | None:
    year, day = int(match["year"]), int(match["day"])
    if len(match["year"]) == 2:
        year += 1900 if year >= 70 else 2000
    month = _MONTHS.index(match["month"]) + 1
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if not year or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    if hour > 23 or minute > 59 or second > 60:
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


#: The minutes of a day and the seconds of a minute, written: a listing tells two times of each of
#: its members.
_MINUTES = tuple(f"{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60))
_SECONDS_OF_MINUTE = tuple(f"{second:02}" for second in range(60))


def format_http_date(seconds: float) -> str:
    """Epoch seconds as an IMF-fixdate (RFC 9110 5.6.7), rounded down to the second."""
    return _said(math.floor(seconds))[0]


def format_timestamp(seconds: float) -> str:
    """Epoch seconds as RFC 3339 5.6 has them, in UTC, rounded down to the second."""
    return _said(math.floor(seconds))[1]


@lru_cache(maxsize=1024)
def _said(moment: int) -> tuple[str, str]:
    """The nearest moment that a date can say, as an IMF-fixdate and as RFC 3339 has it."""
    number, second = divmod(min(max(moment, _FIRST_DATE), _LAST_DATE), 86400)
    fixdate, date = _day(number)
    clock = _MINUTES[second // 60] + _SECONDS_OF_MINUTE[second % 60]
    return f"{fixdate} {clock} GMT", f"{date}T{clock}Z"


@lru_cache(maxsize=1024)
def _day(number: int) -> tuple[str, str]:
    """A day of the epoch, as both have it."""
    day = time.gmtime(number * 86400)
    month = _MONTHS[day.tm_mon - 1]
    return (
        f"{_DAYS[day.tm_wday]}, {day.tm_mday:02} {month} {day.tm_year:04}",
        f"{day.tm_year:04}-{day.tm_mon:02}-{day.tm_mday:02}",
    )
