"""The section of unfinished uploads on the operations page, in a real browser."""

from typing import Any
from urllib.parse import quote

from playwright.sync_api import expect

from harness.server import Serve
from harness.uploads import put_part, upload_path

CONTENT = bytes(3_000_000)
HALF = len(CONTENT) // 2

#: A name that would do harm if it were taken for anything else.
HOSTILE = "<img src=x onerror=alert(1)>"


def test_unfinished_uploads(serve: Serve, person: Any, wire: Any) -> None:
    """They are there while there are any, with sizes and owners; each can be removed."""
    server = serve()
    page = person().open(server)
    section = page.locator("#uploads")
    expect(section).to_be_hidden()
    client = wire(server)
    for name in ("one", quote(HOSTILE)):
        assert put_part(client, f"/{name}", CONTENT, 0, HALF).status == 202
    row = section.locator("tr", has_text="/one")
    expect(row).to_contain_text("1.5 MB of 3.0 MB")
    expect(row).to_contain_text("anonymous")
    expect(section.locator("#uploads-count")).to_have_text("2")
    expect(section).to_contain_text(HOSTILE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    row.get_by_role("button").click()
    expect(section.locator("#uploads-count")).to_have_text("1")
    assert client.ask("HEAD", upload_path("/one")).status == 404
    section.get_by_role("button").click()
    expect(section).to_be_hidden()
