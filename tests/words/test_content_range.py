"""Content-Range of a request (RFC 9110 14.4, 14.5)."""

import pytest

from davkeep.words.content_range import ContentRange, parse_content_range
from davkeep.words.failure import Failure


def test_a_part() -> None:
    """Both positions are inclusive; blanks and the case of the unit do not matter."""
    part = parse_content_range(" Bytes  10-19/30 ")
    assert part == ContentRange(10, 19, 30)
    assert (part.length, part.is_last) == (10, False)
    assert parse_content_range("bytes 0-0/1").is_last
    assert parse_content_range("bytes 5-9/10") == ContentRange(5, 9, 10)


@pytest.mark.parametrize(
    "value",
    [
        "bytes 0-9/*",
        "bytes */10",
        "bytes 9-0/10",
        "bytes 0-10/10",
        "bytes 0-9",
        "bytes=0-9/10",
        "bytes 0-9/10, bytes 0-9/10",
        "bytes 0-9/9999999999999999999",
        "bytes \u0660-\u0669/10",
        "",
    ],
)
def test_what_is_refused(value: str) -> None:
    """400 rather than a guess; without the length of the whole there is no end."""
    with pytest.raises(Failure) as caught:
        parse_content_range(value)
    assert caught.value.status == 400
