"""Elements that are written by hand say what lxml's would."""

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from davkeep.dav.media import media_type
from davkeep.dav.xml import displayable, element, escaped

names = st.sampled_from(["a", "größe", "x-1._"])
spaces = st.sampled_from(["DAV:", "urn:x", "http://example.com/?a=1&b=%22s", "dav:"])
XML = "http://www.w3.org/XML/1998/namespace"


@given(st.text(st.characters()))
def test_text_comes_back_as_it_can_be_displayed(text: str) -> None:
    """In an element and in a value; what XML cannot carry is replaced, one for one."""
    written = escaped(text)
    assert len(displayable(text)) == len(text)
    parsed = etree.fromstring(f'<a b="{written}">{written}</a>'.encode())
    assert (parsed.text or "") == parsed.get("b") == displayable(text)


@given(st.characters())
def test_what_lxml_takes_is_displayable(character: str) -> None:
    """Exactly that stands for itself."""
    try:
        etree.Element("a").text = character
        is_taken = True
    except (ValueError, UnicodeEncodeError):
        is_taken = False
    assert (displayable(character) == character) is is_taken


@given(spaces | st.none() | st.just(XML), names, st.sampled_from(["", "x&#13;y", "<D:b/>"]))
def test_an_element_has_its_name(space: str | None, name: str, content: str) -> None:
    """In any name space or none, inside a document in which D stands for DAV:."""
    clark = name if space is None else f"{{{space}}}{name}"
    written = element(clark, content)
    (parsed,) = etree.fromstring(f'<D:r xmlns:D="DAV:">{written}</D:r>'.encode())
    assert parsed.tag == clark
    assert (parsed.text or "") == ("x\ry" if content.startswith("x") else "")
    assert [each.tag for each in parsed] == (["{DAV:}b"] if content.startswith("<") else [])


def test_media_types() -> None:
    """By the extension, in any case; never by what looks like a URL."""
    kinds = {
        "text/plain": ["a.txt", "A.TXT", "b.c.txt", "x:y.txt", ".hidden.txt"],
        "text/html": ["index.html"],
        "application/octet-stream": [
            "a",
            "",
            ".txt",
            "..txt",
            "a.",
            "a.tgz",
            "a.tar.gz",
            "a.svgz",
            "data:text/html,x",
            "a.none",
        ],
        "text/markdown": ["README.md"],
    }
    for kind, names in kinds.items():
        assert [media_type(name) for name in names] == [kind] * len(names)
