"""Lists in header fields, and their quoted strings."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.accept import preferred
from davkeep.words.lists import pair, split
from davkeep.words.preferences import preferences


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("", [""]),
        ("a", ["a"]),
        (" a ,\tb,,", ["a", "b", "", ""]),
        ('a="x, y" , b', ['a="x, y"', "b"]),
        (r'a="x\", y", b', [r'a="x\", y"', "b"]),
        ("a;b=1, c", ["a;b=1", "c"]),
    ],
)
def test_split(value: str, parts: list[str]) -> None:
    """Separators count outside of quotes only, and white space around a part does not."""
    assert split(value, ",") == parts


@pytest.mark.parametrize("value", ['"', 'a="x, b', 'a, b="x\\"', 'a="x" "'])
def test_a_quote_without_an_end(value: str) -> None:
    """Nobody knows what is inside it, so the value has no parts."""
    with pytest.raises(ValueError, match="no end"):
        split(value, ",")


@given(st.lists(st.text('ab ;,\\"\t=é'), min_size=1))
def test_quoted_strings_survive(texts: list[str]) -> None:
    """What was quoted comes back, whatever it holds."""
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    parts = split(", ".join(f'A = "{text}"' for text in quoted), ",")
    assert [pair(part) for part in parts] == [("a", text) for text in texts]


@pytest.mark.parametrize("text", ["", "=1", "a b", "a=b c", 'a="x"y', 'a="x', "a==1", "é=1"])
def test_malformed_pairs(text: str) -> None:
    """No name, or what is neither a token nor a quoted string."""
    assert pair(text) is None


Read = Callable[[str], object]


def _seconds(read: Read, value: str) -> float:
    """The processor's, of the fastest of three times: others may use it meanwhile."""
    times = []
    for _ in range(3):
        begun = time.thread_time()
        read(value)
        times.append(time.thread_time() - begun)
    return min(times)


@pytest.mark.parametrize("unit", [";  ", "a;  ", '"', '" ,', '\\"', "a= ", " ", "; a=\t"])
@pytest.mark.parametrize("read", [preferences, lambda value: preferred(value, ("a/b", "c/d"))])
def test_nothing_takes_long_to_read(read: Read, unit: str) -> None:
    """A field of 64 KiB that is malformed at its end costs what any of that length does, with room:
    the square of its length would be some hundred times that, and it was two to that power.
    """
    size = 65_536
    usual = _seconds(read, "a/b, c;d=1, " * (size // 12))
    assert _seconds(read, "a/b" + unit * (size // len(unit)) + "@") < 20 * usual
