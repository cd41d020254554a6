"""Paths for people."""

import sys
import unicodedata

import pytest

from davkeep.words.display import clipped, last_name, readable, shortened, visible


@pytest.mark.parametrize(
    ("href", "text"),
    [
        ("/", "/"),
        ("/a%20b/%C3%A4", "/a b/ä"),
        ("/%FF%E9", "/\ufffd\ufffd"),
        ("/line%0Abreak%1B[31m", "/line[U+000A]break[U+001B][31m"),
        ("/%E2%80%AEexe.fdp", "/[U+202E]exe.fdp"),
        ("/%E2%81%A6isolated", "/[U+2066]isolated"),
        ("/a%20/%20b/%20", "/a[U+0020]/[U+0020]b/[U+0020]"),
        ("/a%20%20b%C2%A0c", "/a  b[U+00A0]c"),
        ("/%E2%80%8Ba%E2%80%8Db%EF%BB%BF", "/[U+200B]a[U+200D]b[U+FEFF]"),
        ("/a%EF%B8%8F%F3%A0%81%81", "/a[U+FE0F][U+E0041]"),
        ("/%E2%9D%A4%EF%B8%8F", "/\u2764\ufe0f"),
        ("/%E0%A4%95%E0%A5%8D%E2%80%8D%E0%A4%B7", "/\u0915\u094d\u200d\u0937"),
        ("/<b>&amp;", "/<b>&amp;"),
        ("/%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80", "/\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}"),
    ],
)
def test_readable(href: str, text: str) -> None:
    """Decoded; what is not seen is told by its code point, and what belongs to a script stays."""
    assert readable(href) == text


#: Format characters that are signs of their own, although Unicode puts them there (UAX 44).
SIGNS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)


def test_all_that_unicode_calls_format_or_control() -> None:
    """Is shown, between letters that it joins with nothing."""
    unseen = ("Cc", "Cf", "Zl", "Zp")
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(each := chr(number)) in unseen and each not in SIGNS:
            assert visible(f"a{each}b") == f"a[U+{number:04X}]b"


def test_shortened() -> None:
    """The end is kept, whole names as far as they fit, then the last one clipped."""
    assert shortened("/a/b", 10) == "/a/b"
    assert shortened("/one/two/three/four", 12) == "…/three/four"
    assert shortened("/one/two/three/four", 11) == "…/four"
    long = shortened("/x/" + "abcdefghij" * 3 + ".jpg", 20)
    assert (long, len(long)) == ("…/abcdefghijab…j.jpg", 20)


def test_clipped() -> None:
    """The beginning and the end of a name, which tells what it is."""
    assert clipped("short", 10) == "short"
    assert clipped("a-long-name.jpeg", 10) == "a-long…peg"


def test_last_name() -> None:
    """The root has none."""
    assert [last_name(path) for path in ("/", "/a", "/a/b", "/a/b/")] == ["/", "a", "b", "b"]
