import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.failure import Failure
from davkeep.words.fields import (
    Host,
    format_http_date,
    format_timestamp,
    parse_content_length,
    parse_depth,
    parse_host,
    parse_http_date,
    parse_lock_token,
    parse_overwrite,
    parse_timeout,
)


def refused(parse: Callable[[str], object], value: str) -> bool:
    with pytest.raises(Failure) as caught:
        parse(value)
    return caught.value.status == 400


@pytest.mark.parametrize(
    ("value", "depth"),
    [("0", "0"), ("1", "1"), ("infinity", "infinity"), (" Infinity ", "infinity"), (None, "1")],
)
def test_depth(value: str | None, depth: str) -> None:
    """The three values are known, infinity in any case, and absence means the default."""
    assert parse_depth(value, "1") == depth


@pytest.mark.parametrize(
    "value", ["", "2", "0, 1", "0,0", "infinite", "00", "-1", "1,noroot", "\u0660"]
)
def test_other_depths_are_400(value: str) -> None:
    """Anything but one known value is refused."""
    assert refused(lambda text: parse_depth(text, "0"), value)


def test_depth_that_a_method_does_not_allow() -> None:
    """A method says which values it takes, and the answer names them."""
    assert parse_depth("0", "infinity", ("0", "infinity")) == "0"
    with pytest.raises(Failure, match="0, infinity") as caught:
        parse_depth("1", "infinity", ("infinity", "0"))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("value", "overwrite"), [("T", True), ("t", True), ("F", False), (" f ", False), (None, True)]
)
def test_overwrite(value: str | None, overwrite: bool) -> None:
    """T and F in any case; absence means that overwriting is allowed."""
    assert parse_overwrite(value) is overwrite


@pytest.mark.parametrize("value", ["", "true", "TF", "T, F", "0"])
def test_other_overwrites_are_400(value: str) -> None:
    """A value that might mean either is refused before anything is overwritten."""
    assert refused(parse_overwrite, value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("Second-600", 600.0),
        ("second-600", 600.0),
        ("Infinite", math.inf),
        ("infinite, Second-4100000000", math.inf),
        ("Second-4100000000, Infinite", 4100000000.0),
        ("Extend, Second-5", 5.0),
        ("Second-0", None),
        ("Second-0, Second-7", 7.0),
        ("Second-", None),
        ("Second--5", None),
        ("Second-1.5", None),
        ("Second-4294967296", 4294967295.0),
        ("Second-" + "9" * 5000, 4294967295.0),
        ("Second-" + "0" * 5000 + "8", 8.0),
        ("600", None),
    ],
)
def test_timeout(value: str | None, seconds: float | None) -> None:
    """The first usable wish counts, a number is bounded, and nothing is ever an error."""
    assert parse_timeout(value) == seconds


def test_lock_token() -> None:
    """The token is what stands in the angle brackets."""
    assert parse_lock_token(" <urn:uuid:1-2> ") == "urn:uuid:1-2"
    assert parse_lock_token("<opaquelocktoken:x/y#z>") == "opaquelocktoken:x/y#z"


@pytest.mark.parametrize(
    "value", ["", "urn:uuid:1", "<>", "<urn:uuid:1", "<a b>", "<urn:a><urn:b>", "<nocolon>", "<:x>"]
)
def test_other_lock_tokens_are_400(value: str) -> None:
    """Anything but one URI in angle brackets is refused, as is absence."""
    assert refused(parse_lock_token, value)
    assert refused(lambda _: parse_lock_token(None), value)


@pytest.mark.parametrize(
    ("value", "length"),
    [(None, None), ("0", 0), ("00012", 12), (" 5 ", 5), ("9223372036854775807", 2**63 - 1)],
)
def test_content_length(value: str | None, length: int | None) -> None:
    """Digits are a length, and absence is None."""
    assert parse_content_length(value) == length


@pytest.mark.parametrize(
    "value", ["", "-1", "+5", "5, 5", "0x5", "1_000", "1e3", "\u0663", "9" * 20, "9" * 5000]
)
def test_other_lengths_are_400(value: str) -> None:
    """Whatever two programs could read differently is refused."""
    assert refused(parse_content_length, value)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("Example.COM", Host("example.com", None)),
        ("a:80", Host("a", 80)),
        ("a:", Host("a", None)),
        ("a:65535", Host("a", 65535)),
        ("127.0.0.1:8080", Host("127.0.0.1", 8080)),
        ("[::1]", Host("[::1]", None)),
        ("[FE80::1]:8", Host("[fe80::1]", 8)),
    ],
)
def test_host(value: str, host: Host) -> None:
    """A host is folded to lower case, its port is a number, and both can be written again."""
    assert parse_host(value) == host
    assert parse_host(str(host)) == host


@pytest.mark.parametrize(
    "value",
    ["", ":80", "a:b", "a:-1", "a:65536", "a/b", "u@a", "a b", "::1", "a:1:2", "[x]", "a,b c"],
)
def test_other_hosts_are_400(value: str) -> None:
    """A missing or malformed host is refused."""
    assert refused(parse_host, value)
    assert refused(lambda _: parse_host(None), value)


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_the_three_formats_of_a_date(value: str) -> None:
    """All three formats of RFC 9110 5.6.7 are read."""
    assert parse_http_date(value) == 784111777


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "yesterday",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
    ],
)
def test_an_invalid_date_is_none(value: str | None) -> None:
    """An invalid date is ignored, never half understood."""
    assert parse_http_date(value) is None


def test_the_latest_moments() -> None:
    """The last second of a day is a date, and so is a leap second, which is the next minute."""
    assert parse_http_date("Thu, 01 Jan 1970 23:59:59 GMT") == 86399
    assert parse_http_date("Thu, 01 Jan 1970 23:59:60 GMT") == 86400


def test_years_of_two_digits() -> None:
    """70 is 1970 and 69 is 2069."""
    assert parse_http_date("Thursday, 01-Jan-70 00:00:00 GMT") == 0
    assert parse_http_date("Tuesday, 01-Jan-69 00:00:00 GMT") == 3124224000


@given(st.integers(-62135596800, 253402300799), st.floats(0, 0.9))
def test_a_date_comes_back_in_whole_seconds(seconds: int, fraction: float) -> None:
    """What was written is read again, rounded down, before 1970 too."""
    text = format_http_date(seconds + fraction if abs(seconds) < 2**40 else seconds)
    assert parse_http_date(text) == seconds
    assert format_timestamp(seconds) == _timestamp(seconds)
    if seconds >= 0:
        assert text == time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))


def _timestamp(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("seconds", [1e300, -1e300, 2.0**62])
def test_dates_that_cannot_be_written_are_bounded(seconds: float) -> None:
    """A file with an absurd time still has a date of the right form."""
    assert parse_http_date(format_http_date(seconds)) is not None
