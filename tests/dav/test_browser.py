"""The page that a person sees of a collection."""

import html
import os
import re
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest

from harness.dav import Place, make

NAMES = [
    "plain.txt",
    "späce name",
    "a&b<c>d\"e'f.docx",
    "x'onmouseover='alert(1)'.docx",
    "<script>alert(1)<",
    "100%25",
    "q?u#e;r=y",
    "new\nline",
    "bell\a",
    "\udcff\udcfe.\udcff",
    "half\udce9.odt",
    "日本語",
    "\ufffe.xls",
    "javascript:alert(1)",
    "a:b",
    "back\\slash",
    "x.<b>",
]


def links(page: str) -> list[str]:
    """The relative links of members on a page."""
    found = re.findall(r'<a class="[^"]*" href="([^"]*)"', page)
    return [html.unescape(link) for link in found]


def test_every_name_is_a_link_that_leads_to_it(here: Place) -> None:
    """Whatever characters or bytes it is made of; and no name becomes markup or a script."""
    for name in NAMES:
        (here.folder / name).write_bytes(os.fsencode(name))
    answer = here.ask("GET", "")
    assert answer.status == 200
    assert answer.fields["Content-Type"] == "text/html; charset=utf-8"
    page = answer.body.decode("utf-8")
    assert str(here.server.root) not in page
    assert "<script>alert" not in page
    assert "onmouseover='" not in page
    assert "<b>" not in page
    base = f"http://{here.wire.host}{here.url}"
    seen = set()
    for link in links(page):
        whole = urlsplit(urljoin(base, link))
        assert (whole.scheme, whole.netloc) == ("http", here.wire.host)
        seen.add(here.ask("GET", whole.path).body)
    assert seen == {os.fsencode(name) for name in NAMES}
    assert here.ask("HEAD", "").status == 200


@pytest.mark.parametrize("name", NAMES)
def test_collections_with_such_names(here: Place, name: str) -> None:
    """The redirect to the URL with a slash is encoded, and the page is there."""
    make(here.folder / name, {"inside": b"1"})
    (href,) = set(here.propfind(depth="1")) - {here.url}
    redirect = here.ask("GET", href.rstrip("/"))
    assert redirect.status == 301
    location = redirect.fields["Location"]
    assert location == href
    assert unquote_to_bytes(location).endswith(os.fsencode(name) + b"/")
    page = here.ask("GET", location)
    assert page.status == 200
    assert links(page.body.decode()) == ["inside"]
    mount = here.ask("GET", f"{location}?davmount")
    assert mount.fields["Content-Type"] == "application/davmount+xml"
    assert location in html.unescape(mount.body.decode())
    assert links(here.ask("GET", "").body.decode())[0].endswith("/")


def test_the_redirect_stays_on_this_server(here: Place) -> None:
    """Slashes in a row are one."""
    make(here.folder, {"tree": {}})
    name = here.url.strip("/")
    answer = here.ask("GET", f"//{name}//tree")
    assert (answer.status, answer.fields["Location"]) == (301, f"/{name}/tree/")


def test_what_the_page_needs_is_served_and_nothing_else(here: Place) -> None:
    """Its style sheet, read-only; it is no share that clients see."""
    page = here.ask("GET", "").body.decode()
    (style,) = re.findall(r'<link rel="stylesheet" href="([^"]*)"', page)
    assert here.ask("GET", style).status == 200
    assert here.ask("PUT", style, {}, b"x").status == 403
    assert here.ask("DELETE", style).status == 403
    assert ":dir_browser" not in " ".join(here.propfind("/", depth="1"))


def test_a_file_with_a_slash_at_its_end(here: Place) -> None:
    """It is the file."""
    make(here.folder, {"file": b"1"})
    assert here.ask("GET", "file/").status in (200, 404)


def test_a_query_is_no_part_of_a_name(here: Place) -> None:
    """Files are read whatever it says."""
    make(here.folder, {"file": b"1"})
    assert here.ask("GET", "file?x=%2e%2e/&y#".rstrip("#")).body == b"1"
