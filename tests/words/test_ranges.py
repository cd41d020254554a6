import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.failure import Failure
from davkeep.words.ranges import parse_range


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=0-99", [(0, 99)]),
        ("bytes=10-", [(10, 99)]),
        ("bytes=-1", [(99, 99)]),
        ("bytes=-500", [(0, 99)]),
        ("bytes=90-500", [(90, 99)]),
        ("Bytes= 1-2 ", [(1, 2)]),
        ("bytes=0-0,-1", [(0, 0), (99, 99)]),
        ("bytes=50-59 , 10-19", [(50, 59), (10, 19)]),
        ("bytes=,0-1,,", [(0, 1)]),
        ("bytes=0-1,500-600", [(0, 1)]),
        ("bytes=0-1,-0", [(0, 1)]),
        ("bytes=0-50,40-99", [(0, 50), (40, 99)]),
        ("bytes=0-" + "9" * 5000, [(0, 99)]),
        ("bytes=" + "0" * 5000 + "7-8", [(7, 8)]),
    ],
)
def test_ranges_of_a_hundred_bytes(value: str, ranges: list[tuple[int, int]]) -> None:
    """Ranges come in the order of the request, cut to the content, without those outside."""
    assert parse_range(value, 100) == ranges


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=1",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=0-1;2-3",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=\u0660-\u0661",
        "bytes 0-1",
        "items=0-1",
    ],
)
def test_what_is_no_range_is_ignored(value: str | None) -> None:
    """A malformed field, or one in another unit, gives the whole content."""
    assert parse_range(value, 100) is None


@pytest.mark.parametrize("value", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=200-,300-"])
def test_unsatisfiable_ranges_are_416(value: str) -> None:
    """Ranges that hold no byte are answered with the size of the content."""
    with pytest.raises(Failure) as caught:
        parse_range(value, 100)
    assert caught.value.status == 416
    assert caught.value.fields == (("Content-Range", "bytes */100"),)


def test_an_empty_content() -> None:
    """Nothing can be asked of an empty content but its end, which is the whole of it."""
    assert parse_range("bytes=-5", 0) is None
    for value in ("bytes=0-", "bytes=0-0", "bytes=-0"):
        with pytest.raises(Failure) as caught:
            parse_range(value, 0)
        assert caught.value.status == 416


def test_too_many_ranges_are_ignored() -> None:
    """64 ranges are served, 65 are not."""
    parts = [f"{2 * number}-{2 * number}" for number in range(65)]
    assert len(parse_range("bytes=" + ",".join(parts[:64]), 1000) or ()) == 64
    assert parse_range("bytes=" + ",".join(parts), 1000) is None


@pytest.mark.parametrize(
    "value", ["bytes=0-,0-,0-", "bytes=0-99,1-2,3-4", "bytes=-9,-8,-7", "bytes=0-9,9-19,19-29"]
)
def test_ranges_over_ranges_are_ignored(value: str) -> None:
    """Many overlapping ranges cannot multiply the content."""
    assert parse_range(value, 100) is None


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=5),
    st.integers(1, 40),
)
def test_ranges_lie_inside(pairs: list[tuple[int, int]], size: int) -> None:
    """Whatever is asked for, what is answered lies inside the content."""
    value = "bytes=" + ",".join(f"{min(pair)}-{max(pair)}" for pair in pairs)
    expected = [(min(p), min(max(p), size - 1)) for p in pairs if min(p) < size]
    if not expected:
        with pytest.raises(Failure):
            parse_range(value, size)
    else:
        assert parse_range(value, size) in (expected, None)
