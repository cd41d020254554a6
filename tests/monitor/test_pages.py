"""What a browser is answered, and what its page may do; the pages themselves are stand-ins."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from davkeep import app
from davkeep.monitor.pages import Page
from davkeep.monitor.resources import Resources
from davkeep.monitor.tokens import Tokens
from davkeep.operations import Operation
from davkeep.words.callers import Caller
from harness.inside import Inside, Start
from harness.onlooker import OPERATIONS, Onlooker

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class StandIns:
    """Pages that tell who asks, and for what."""

    def of_operation(self, caller: Caller, operation: Operation) -> Page:
        """Its state."""
        content = f"<p>{caller.address} {operation.state.value}".encode()
        return Page(content, (("Content-Security-Policy", "default-src 'self'"),))

    def of_operations(self, caller: Caller, operations: Sequence[Operation]) -> Page:
        """How many there are."""
        return Page(f"<p>{caller.address} {len(operations)}".encode())


@pytest.fixture
def tokens() -> Tokens:
    """Those of the server."""
    return Tokens()


@pytest.fixture
def server(inside: Start, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A server with pages."""
    with_pages: Any = partial(Resources, tokens=tokens, pages=StandIns())
    monkeypatch.setattr(app, "Resources", with_pages)
    return inside()


def test_a_browser_gets_a_page(server: Inside) -> None:
    """Its status is that of the JSON, its fields are its own, its entity tag is another."""
    user = Onlooker(server.url)
    held = server.begin()
    path = f"{OPERATIONS}/{held.operation.id}"
    page = user.ask("GET", path, Accept=BROWSER)
    assert (page.status_code, page.text) == (202, "<p>127.0.0.1 running")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"] == "default-src 'self'"
    held.end()
    page = user.ask("GET", path, Accept=BROWSER)
    assert (page.status_code, page.text) == (200, "<p>127.0.0.1 succeeded")
    told = user.ask("GET", path)
    assert told.json()["state"] == "succeeded"
    assert told.headers["ETag"] != page.headers["ETag"]
    tag = page.headers["ETag"]
    assert user.ask("GET", path, Accept=BROWSER, If_None_Match=tag).status_code == 304
    assert user.ask("GET", path, If_None_Match=tag).status_code == 200


def test_the_list_as_a_page(server: Inside) -> None:
    """The same URL, by what the client wants."""
    user = Onlooker(server.url)
    server.ended()
    assert user.ask("GET", OPERATIONS, Accept=BROWSER).text == "<p>127.0.0.1 1"
    assert len(user.list(Accept="application/json, text/html;q=0.9")) == 1


def test_a_page_cancels(server: Inside, tokens: Tokens) -> None:
    """From its own origin and with its token: 202. Everything else a browser sends is 403."""
    user, held = Onlooker(server.url), server.begin()
    id = held.operation.id
    token = tokens.issue(Caller("", "127.0.0.1"))
    own = {"Origin": server.url.rstrip("/"), "Sec_Fetch_Site": "same-origin"}
    for fields in (
        own,
        {**own, "X_Davkeep_Token": "x"},
        {"Origin": "https://evil.example", "X_Davkeep_Token": token},
        {"Sec_Fetch_Site": "cross-site", "X_Davkeep_Token": token},
        {"Cookie": "a=b"},
    ):
        refused = user.cancel(id, **fields)
        assert refused.status_code == 403
        assert not held.operation.is_being_cancelled
    assert user.cancel(id, **own, X_Davkeep_Token=token).status_code == 202
    assert user.look(id, Prefer="wait=30").json()["state"] == "cancelled"


def test_reading_needs_no_token(server: Inside) -> None:
    """Whatever a browser adds to it: what it may show to whom is its own to guard."""
    user, id = Onlooker(server.url), server.ended().operation.id
    assert user.look(id, Origin="https://evil.example", Cookie="a=b").status_code == 200
