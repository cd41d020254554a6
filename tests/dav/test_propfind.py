"""PROPFIND: what is asked, how deep, and how it is told (RFC 4918 9.1)."""

import os
import re
import subprocess

import pytest

from harness.dav import DAV, Place, make, multistatus
from harness.trees import members

LIVE = {
    "resourcetype",
    "creationdate",
    "displayname",
    "getlastmodified",
    "lockdiscovery",
    "supportedlock",
}
OF_FILES = LIVE | {"getcontentlength", "getcontenttype", "getetag"}
QUOTA = {"quota-used-bytes", "quota-available-bytes"}


def named(names: set[str]) -> set[str]:
    """Clark names in ``DAV:``."""
    return {DAV + name for name in names}


@pytest.fixture
def tree(here: Place) -> Place:
    """A collection with three levels."""
    make(here.folder, {"a.txt": b"12345", "sub": {"b": b"", "deep": {"c": b""}}})
    here.set("a.txt", color="red")
    return here


def test_depths(tree: Place) -> None:
    """Hrefs of collections end in a slash; without Depth it is infinity."""
    members = {tree.url, f"{tree.url}a.txt", f"{tree.url}sub/"}
    below = {f"{tree.url}sub/b", f"{tree.url}sub/deep/", f"{tree.url}sub/deep/c"}
    assert set(tree.propfind(depth="0")) == {tree.url}
    assert set(tree.propfind(depth="1")) == members
    assert set(tree.propfind(depth="infinity")) == members | below
    assert set(tree.propfind("sub", depth="1")) == {
        f"{tree.url}sub/",
        f"{tree.url}sub/b",
        f"{tree.url}sub/deep/",
    }
    assert set(tree.propfind("a.txt", depth="infinity")) == {f"{tree.url}a.txt"}
    assert set(multistatus(tree.ask("PROPFIND", ""))) == members | below


@pytest.mark.parametrize("body", ["", "<D:allprop/>"])
def test_allprop(tree: Place, body: str) -> None:
    """All live properties but the quota (RFC 4331), and the dead ones."""
    file, collection = tree.one("a.txt", body), tree.one("sub", body)
    assert file.statuses == dict.fromkeys(named(OF_FILES) | {"{urn:x}color"}, 200)
    assert collection.statuses == dict.fromkeys(named(LIVE), 200)
    assert file.text(f"{DAV}getcontentlength") == "5"
    assert file.text(f"{DAV}getcontenttype") == "text/plain"
    assert file.text(f"{DAV}displayname") == "a.txt"
    assert file.text("{urn:x}color") == "red"
    assert file.text(f"{DAV}getetag") == tree.etag("a.txt")
    head = tree.ask("HEAD", "a.txt").fields
    assert file.text(f"{DAV}getlastmodified") == head["Last-Modified"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", file.text(f"{DAV}creationdate") or "")
    kinds = [found.properties[f"{DAV}resourcetype"][1] for found in (file, collection)]
    assert [len(kind) for kind in kinds] == [0, 1]
    assert kinds[1][0].tag == f"{DAV}collection"
    assert len(file.properties[f"{DAV}supportedlock"][1]) == 2


def test_include(tree: Place) -> None:
    """``allprop`` with more (defect 23)."""
    body = "<D:allprop/><D:include><D:quota-used-bytes/><x:none/></D:include>"
    found = tree.one("sub", body).statuses
    assert found.pop("{urn:x}none") == 404
    assert found == dict.fromkeys(named(LIVE | {"quota-used-bytes"}), 200)


def test_propname(tree: Place) -> None:
    """Names only (defect 23)."""
    found = tree.one("a.txt", "<D:propname/>")
    assert set(found.statuses.values()) == {200}
    assert set(found.properties) == named(OF_FILES) | {"{urn:x}color"}
    assert all(
        element.text is None and not len(element) for _, element in found.properties.values()
    )
    assert set(tree.one("sub", "<D:propname/>").properties) == named(LIVE | QUOTA)


def test_named_properties(tree: Place) -> None:
    """What there is with 200, what there is not with 404, each once."""
    body = "<D:prop><D:getetag/><x:color/><x:none/><D:quota-available-bytes/><x:color/></D:prop>"
    found = tree.one("a.txt", body)
    assert found.statuses == {
        f"{DAV}getetag": 200,
        "{urn:x}color": 200,
        "{urn:x}none": 404,
        f"{DAV}quota-available-bytes": 404,
    }
    collection = tree.one("sub", body)
    assert collection.statuses[f"{DAV}quota-available-bytes"] == 200
    assert collection.statuses[f"{DAV}getetag"] == 404
    assert int(collection.text(f"{DAV}quota-available-bytes") or "") > 0
    assert tree.one("sub", "<D:prop/>").statuses == {}


def test_names_without_a_name_space_and_extensions(tree: Place) -> None:
    """Elements that are not known are ignored (RFC 4918 17)."""
    body = '<x:more/><D:prop><none xmlns=""/><D:displayname><x:y/></D:displayname></D:prop>'
    assert tree.one("a.txt", body).statuses == {"none": 404, f"{DAV}displayname": 200}


ODD_NAMES = [
    "späce name",
    "a&b<c>d\"e'f",
    "100%",
    "q?u#e;r=y",
    "tab\there",
    "new\nline",
    "bell\a",
    "del\x7f",
    "\udcff\udcfe",
    "half\udce9",
    "日本語",
    "\U0001f600",
    "\u202egnp.exe",
    "\ufffe",
    "~tilde",
    "-dash",
    "back\\slash",
    "colon:",
    ".hidden",
    "...",
    "%2F",
    "+plus+",
    " lead",
    "trail ",
    "e\u0301",
    "javascript:alert(1)",
]


def test_odd_names(here: Place) -> None:
    """Each is listed, and under its href it can be read, copied, moved and deleted."""
    for name in ODD_NAMES:
        (here.folder / name).write_bytes(os.fsencode(name))
    listing = here.propfind(depth="1")
    del listing[here.url]
    assert len(listing) == len(ODD_NAMES)
    seen = set()
    for href, found in listing.items():
        assert href.isascii()
        assert not re.search(r"[\s<>\"&?#\\]", href)
        content = here.ask("GET", href).body
        seen.add(content)
        shown = found.text(f"{DAV}displayname")
        legible = re.sub(b"[\x00-\x08\x0b-\x1f]", b"?", content).decode("utf-8", "surrogateescape")
        if shown != legible:
            assert "\N{REPLACEMENT CHARACTER}" in (shown or "")
        assert here.transfer("COPY", href, f"{href}.copy").status == 201
        assert here.transfer("MOVE", f"{href}.copy", f"{href}.moved").status == 201
        assert here.ask("GET", f"{href}.moved").body == content
        assert here.ask("PROPFIND", href, {"Depth": "0"}).status == 207
        here.set(href, a="1")
        assert here.dead(href) == {"a": "1"}
        token = here.lock(href)
        assert here.ask("UNLOCK", href, {"Lock-Token": f"<{token}>"}).status == 204
        for each in (href, f"{href}.moved"):
            assert here.ask("DELETE", each).status == 204
    assert seen == {os.fsencode(name) for name in ODD_NAMES}
    assert members(here.folder) == []


def test_odd_collections(here: Place) -> None:
    """The same for collections, whose hrefs go into their members' hrefs."""
    for name in ODD_NAMES:
        make(here.folder / name, {name: b"1"})
    listing = here.propfind(depth="infinity")
    files = [href for href in listing if not href.endswith("/")]
    assert len(listing) == 2 * len(ODD_NAMES) + 1
    assert len(files) == len(ODD_NAMES)
    assert all(here.ask("GET", href).body == b"1" for href in files)


def test_times_that_no_date_can_say(here: Place) -> None:
    """They do not break a listing."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    (here.folder / "mounted").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", here.folder / "mounted"], check=True)
    try:
        for number, seconds in enumerate((-(2**40), -1, 0, 2**33, 2**40)):
            (here.folder / f"mounted/{number}").touch()
            os.utime(here.folder / f"mounted/{number}", (seconds, seconds))
        assert len(here.propfind("mounted", depth="1")) == 6
        for number in range(5):
            assert here.ask("GET", f"mounted/{number}").status == 200
        assert here.ask("GET", "mounted/").status == 200
    finally:
        subprocess.run(["umount", "-l", here.folder / "mounted"], check=True)


def test_a_listing_with_members_that_cannot_be_read(theirs: Place) -> None:
    """What cannot be read is listed; what is below it is left out."""
    make(theirs.folder, {"shut": {"inside": b""}, "closed": b"", "open": {"a": b""}})
    for path in (theirs.folder / "shut", theirs.folder / "closed"):
        os.chown(path, 0, 0)
        path.chmod(0)
    found = set(theirs.propfind(depth="infinity"))
    assert found == {
        theirs.url,
        f"{theirs.url}shut/",
        f"{theirs.url}closed",
        f"{theirs.url}open/",
        f"{theirs.url}open/a",
    }
    assert theirs.ask("PROPFIND", "shut", {"Depth": "0"}).status == 207
    assert theirs.ask("PROPFIND", "shut/inside").status == 403
    assert theirs.ask("GET", "shut/").status == 403


def test_a_listing_that_is_long_is_streamed_whole(here: Place) -> None:
    """Thousands of members, each once."""
    for number in range(3000):
        (here.folder / f"{number:05}").touch()
    assert len(here.propfind(depth="1")) == 3001


def test_a_deep_tree(here: Place) -> None:
    """Hundreds of levels."""
    path = "d/" * 300
    os.makedirs(here.folder / path)
    assert len(here.propfind(depth="infinity")) == 301
    assert here.transfer("COPY", "d", "e").status == 201
    assert here.ask("DELETE", "d").status == 204
