"""X-OC-Mtime: seconds, whole or not, before 1970 too."""

import pytest

from davkeep.words.failure import Failure
from davkeep.words.mtime import parse_mtime


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (None, None),
        ("0", 0),
        ("1700000000", 1_700_000_000 * 10**9),
        (" 1700000000.123456789999 ", 1_700_000_000_123_456_789),
        ("-1.5", -1_500_000_000),
        ("0001", 10**9),
    ],
)
def test_times(value: str | None, moment: int | None) -> None:
    """In nanoseconds, exactly."""
    assert parse_mtime(value) == moment


@pytest.mark.parametrize(
    "value", ["", "now", "0x10", "1e9", "1.", ".5", "--1", "nan", "1700000000000", "\u0661"]
)
def test_what_is_no_time(value: str) -> None:
    """400, and so are milliseconds."""
    with pytest.raises(Failure) as caught:
        parse_mtime(value)
    assert caught.value.status == 400
