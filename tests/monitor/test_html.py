"""The pages as they are sent: their fields, and what is in them without any script."""

import hashlib
import re
from base64 import b64encode

from davkeep.monitor.html import MOST_FINISHED
from harness.inside import Inside, Start
from harness.onlooker import OPERATIONS, Onlooker

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def page_of(server: Inside, path: str = OPERATIONS) -> tuple[dict[str, str], str]:
    """The fields and the text of a page."""
    answer = Onlooker(server.url).ask("GET", path, Accept=BROWSER)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return dict(answer.headers), answer.content.decode()


def policy(fields: dict[str, str]) -> dict[str, str]:
    """The directives of the Content-Security-Policy."""
    each = fields["Content-Security-Policy"].split("; ")
    return {name: value for name, _, value in (one.partition(" ") for one in each)}


def test_what_a_page_may_do(inside: Start) -> None:
    """Nothing but what came with it, by its digest; no frame, no form, no other host."""
    server = inside()
    held = server.begin()
    for path in (OPERATIONS, f"{OPERATIONS}/{held.operation.id}"):
        fields, text = page_of(server, path)
        assert fields["X-Content-Type-Options"] == "nosniff"
        assert fields["Referrer-Policy"] == "no-referrer"
        allowed = policy(fields)
        for element, directive in (("style", "style-src"), ("script", "script-src")):
            (content,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
            digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert allowed.pop(directive) == f"'sha256-{digest}'"
        assert allowed == {
            "default-src": "'none'",
            "img-src": "data:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        assert not re.search(r'\b(style|on\w+)="', text)
        links = re.findall(r'\b(?:src|href)="([^"]*)"', text)
        assert all(link.startswith(("/.davkeep/", "#", "data:")) or not link for link in links)


def test_an_empty_page(inside: Start) -> None:
    """It says what will be here, and for how long."""
    _, text = page_of(inside(operations={"keep_results": 60}))
    assert "All quiet" in text
    assert "stay for 1 minute after" in text


def test_many_that_are_finished(inside: Start) -> None:
    """The newest are shown, and how many are not."""
    server = inside()
    ids = [server.ended().operation.id for _ in range(MOST_FINISHED + 3)]
    _, text = page_of(server)
    shown = re.findall(r'data-id="(\w+)"', text)
    assert shown == ids[::-1][:MOST_FINISHED]
    assert "<span data-older>3</span> older ones are not shown" in text


def test_each_user_has_a_token(inside: Start) -> None:
    """And sees nothing of the others."""
    users = {name: {"password": name} for name in ("ann", "bob")}
    server = inside({"simple_dc": {"user_mapping": {"*": users}}})
    server.begin("ann")
    server.begin("bob")
    tokens = set()
    for name in users:
        answer = Onlooker(server.url, (name, name)).ask("GET", OPERATIONS, Accept=BROWSER)
        tokens.update(re.findall('davkeep-token" content="([0-9a-f]{64})"', answer.text))
        assert re.findall('<bdi data-part="owner">(.*?)</bdi>', answer.text) == [name, "anonymous"]
    assert len(tokens) == 2


def test_the_head_of_a_page(inside: Start) -> None:
    """HEAD has the fields and no content."""
    answer = Onlooker(inside().url).ask("HEAD", OPERATIONS, Accept=BROWSER)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "Content-Security-Policy" in answer.headers
