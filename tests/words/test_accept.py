import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.accept import preferred

OFFERS = ("application/json", "text/html")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "text/html"),
        ("TEXT/HTML; charset=utf-8", "text/html"),
        (BROWSER, "text/html"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html;q=0.5, application/json;q=0.4", "text/html"),
        ("text/*, application/json;q=0.9", "text/html"),
        ("text/*, text/html;q=0", "application/json"),
        ("*/*, text/html;q=0.1", "application/json"),
        ("*/*;q=0.1, text/html;Q=0.2", "text/html"),
        ("text/html;level=1;q=0.3, application/json ; q=0.2", "text/html"),
        ("image/png", "application/json"),
        ("text/html;q=2, */*", "application/json"),
        ("text/html;q=x", "application/json"),
        ("text/html;q=1.0000", "application/json"),
        ("html", "application/json"),
        (",,text/html,;q=1,", "text/html"),
        ('text/html;x=", application/json;q=0"', "text/html"),
        ('text/html;x=";q=0", application/json;q=0.5', "text/html"),
        # Nobody knows what is in the quotes.
        ('text/html;x="', "application/json"),
    ],
)
def test_the_media_type_that_is_wanted_most(value: str | None, expected: str) -> None:
    """RFC 9110 12.5.1: the most specific range gives the weight, and of equals the first wins."""
    assert preferred(value, OFFERS) == expected


@given(st.text())
def test_whatever_is_sent_something_is_offered(value: str) -> None:
    """A malformed field is no error."""
    assert preferred(value, OFFERS) in OFFERS
