"""Paths for people."""

import pytest

from davkeep.words.display import clipped, last_name, readable, shortened


@pytest.mark.parametrize(
    ("href", "text"),
    [
        ("/", "/"),
        ("/a%20b/%C3%A4", "/a b/ä"),
        ("/%FF%E9", "/\ufffd\ufffd"),
        ("/line%0Abreak%1B[31m", "/line\ufffdbreak\ufffd[31m"),
        ("/%E2%80%AEexe.fdp", "/\ufffdexe.fdp"),
        ("/%E2%81%A6isolated", "/\ufffdisolated"),
        ("/<b>&amp;", "/<b>&amp;"),
        ("/%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80", "/\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}"),
    ],
)
def test_readable(href: str, text: str) -> None:
    """Decoded; what deceives or is no character is replaced, what belongs to a script stays."""
    assert readable(href) == text


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
