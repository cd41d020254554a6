"""What the page of a collection says of operations that touch it."""

import html
import re
from pathlib import Path
from typing import Any

import pytest

from davkeep.dav.notices import MOST, notice, touching
from davkeep.operations import Operation
from davkeep.words.callers import Caller
from davkeep.words.urls import Segments
from harness.inside import Inside, Start
from harness.onlooker import Onlooker

ANN = Caller("ann", "")


def operation(source: str, destination: str | None = None, owner: str = "ann") -> Operation:
    """One that is known."""
    return Operation(
        owner=owner, method="COPY", source=source, destination=destination, created=0.0
    )


@pytest.mark.parametrize(
    ("collection", "is_touched"),
    [
        ((), True),
        (("a",), True),
        (("a", "b"), True),
        (("a", "b", "below"), True),
        (("x", "y"), True),
        (("x",), True),
        (("a", "other"), False),
        (("x", "y2"), False),
        (("z",), False),
    ],
)
def test_what_touches_a_collection(collection: Segments, is_touched: bool) -> None:
    """A source or destination that is equal to it, above it or inside it."""
    found = touching([operation("/a/b", "/x/y")], ANN, collection)
    assert bool(found) is is_touched


def test_who_is_told() -> None:
    """The owner and administrators."""
    known = [operation("/a", owner="bob")]
    assert touching(known, ANN, ()) == []
    assert touching(known, Caller("root", "", is_administrator=True), ()) == known


def test_nothing_runs() -> None:
    """Then there is nothing on the page."""
    assert notice([]) == ""


def test_very_many() -> None:
    """Some are named, and a link leads to the rest."""
    text = notice([operation(f"/a{number}") for number in range(MOST + 3)])
    assert text.count("Copying") == MOST
    assert 'href="/.davkeep/operations">and 3 more<' in text


def test_names_are_text() -> None:
    """Whatever they are made of."""
    text = notice([operation("/%3Cb%3E%22%26", "/%FF%0A%E2%80%AE")])
    assert "&lt;b&gt;&quot;&amp;" in text
    assert "\ufffd[U+000A][U+202E]" in text


def links(page: str) -> list[str]:
    """Where the notice leads."""
    found = re.findall(r'<div class="operations".*?</div>', page, re.DOTALL)
    return re.findall(r'href="([^"]*)"', found[0]) if found else []


def test_on_the_page(inside: Start, root: Path) -> None:
    """While it runs, where it touches, with a link to its page; afterwards nothing."""
    for name in ("a0", "b", "other"):
        (root / name).mkdir()
    server = inside()
    held = server.begin()
    user = Onlooker(server.url)
    for path in ("/", "/a0/", "/b/"):
        page = user.ask("GET", path)
        assert f"/.davkeep/operations/{held.operation.id}" in links(page.text)
        assert int(page.headers["Content-Length"]) == len(page.content)
        assert "Copying <bdi" in html.unescape(page.text)
    assert links(user.ask("GET", "/other/").text) == []
    held.end()
    assert links(user.ask("GET", "/").text) == []


def test_for_its_owner(inside: Start, root: Path) -> None:
    """Others see the collection without it."""
    users: dict[str, Any] = {name: {"password": name} for name in ("ann", "bob", "carol")}
    server: Inside = inside({"simple_dc": {"user_mapping": {"*": users}}}, administrators=["carol"])
    server.begin("ann")
    seen = {
        name: bool(links(Onlooker(server.url, (name, name)).ask("GET", "/").text)) for name in users
    }
    assert seen == {"ann": True, "bob": False, "carol": True}
