"""The Prefer field."""

import pytest

from davkeep.words.preferences import preferences, prefers, wait_of


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, {}),
        ("", {}),
        ("respond-async", {"respond-async": ""}),
        ("Respond-Async , WAIT = 10", {"respond-async": "", "wait": "10"}),
        ("respond-async; a=1; b, wait=5", {"respond-async": "", "wait": "5"}),
        ('wait="5"', {"wait": "5"}),
        ('x="a, wait=7", wait=2', {"x": "a, wait=7", "wait": "2"}),
        (r'x="a\"b"', {"x": 'a"b'}),
        # The first one counts.
        ("wait=1, wait=2", {"wait": "1"}),
        # An empty value is none.
        ("return=, depth-noroot;", {"return": "", "depth-noroot": ""}),
        # Malformed ones are ignored, and leave the others.
        ("wait==3, respond-async", {"respond-async": ""}),
        ("@, ,;, respond-async", {"respond-async": ""}),
        ("two words, respond-async", {"respond-async": ""}),
        ("respond-async;@, wait=1", {"wait": "1"}),
        # Without the end of a quote nobody knows what is in it.
        ('x="a, wait=7', {}),
        ('respond-async, x="a\\", wait=7', {}),
    ],
)
def test_preferences(field: str | None, expected: dict[str, str]) -> None:
    assert preferences(field) == expected


def test_a_parameter_is_no_preference() -> None:
    assert not prefers("a; respond-async", "respond-async")


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("wait=10", 10),
        ("wait=0", 0),
        ('wait="3"', 3),
        ("wait=99999999999999999999", 999999999),
        ("wait=" + "9" * 60_000, 999999999),
        ("wait=000000000000000000010", 10),
        ("wait=" + "0" * 60_000 + "10", 10),
        ('wait=5, respond-async;x="', None),
        ("wait", None),
        ("wait=", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=²", None),
        ("waiting=1", None),
        (None, None),
    ],
)
def test_the_seconds_to_wait(field: str | None, seconds: int | None) -> None:
    assert wait_of(field) == seconds


@pytest.mark.parametrize(
    "field",
    [
        "processing",
        "Processing",
        "wait=10, processing",
        "processing; x=y",
        'a="b, c", processing=1',
    ],
)
def test_named(field: str) -> None:
    assert prefers(field, "processing")


@pytest.mark.parametrize(
    "field",
    [None, "", "wait=10", "a;processing", 'a="x, processing, y"', "processing2", "a=processing"],
)
def test_not_named(field: str | None) -> None:
    """A parameter, a value and text in quotes are no preferences."""
    assert not prefers(field, "processing")
