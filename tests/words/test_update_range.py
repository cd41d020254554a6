"""X-Update-Range, by the table of SabreDAV's page."""

import pytest

from davkeep.words.failure import Failure
from davkeep.words.update_range import LONGEST, parse_update_range


def _start(value: str, length: int, size: int) -> int:
    found = parse_update_range(value)
    found.check_length(length)
    return found.start(length, size)


@pytest.mark.parametrize(
    ("value", "start"),
    [
        ("bytes=0-3", 0),
        ("bytes=1-4", 1),
        ("bytes=0-", 0),
        ("bytes=-4", 6),
        ("bytes=-2", 8),
        ("bytes=-0", 10),
        ("bytes=2-", 2),
        ("bytes=12-", 12),
        ("append", 10),
        (" Append ", 10),
        ("BYTES=00002-", 2),
    ],
)
def test_where_four_bytes_go_in_ten(value: str, start: int) -> None:
    """From the beginning, from the end, beyond it, and after it."""
    assert _start(value, 4, 10) == start


@pytest.mark.parametrize(
    "value", [None, "", "foo", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "bytes 0-1", "bytes=--1"]
)
def test_what_is_no_range(value: str | None) -> None:
    """400."""
    with pytest.raises(Failure) as caught:
        parse_update_range(value)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "value", ["bytes=4-1", "bytes=0-4", "bytes=0-2", "bytes=-11", f"bytes={LONGEST}-"]
)
def test_what_does_not_fit(value: str) -> None:
    """416 for four bytes in a file of ten."""
    with pytest.raises(Failure) as caught:
        _start(value, 4, 10)
    assert caught.value.status == 416


def test_a_position_of_a_million_digits() -> None:
    """It is as good as any that is too large."""
    with pytest.raises(Failure) as caught:
        parse_update_range(f"bytes={'9' * 1_000_000}-").start(1, 0)
    assert caught.value.status == 416
