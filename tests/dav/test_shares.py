"""Several shares: their names, what goes on between them, and what is above them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from harness.dav import DAV, Place, make, setting, snapshot
from harness.server import RunningServer

SHARES = {
    "/Upper": "upper",
    "/My Share": "space",
    "/Größe 日本": "far",
    "/100%25": "percent",
    "/nested": "nested",
    "/nested/inner": "inner",
    "/deep/down/below": "deep",
    "/ro": "ro",
}


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with all of these, and nothing at /."""
    folder = tmp_path_factory.mktemp("several")
    mapping: dict[str, object] = {}
    for url, name in SHARES.items():
        make(folder / name, {"file": name.encode(), "tree": {"a": b"1"}})
        mapping[url] = str(folder / name)
    mapping["/ro"] = {"root": str(folder / "ro"), "readonly": True}
    running = RunningServer(folder, None, {"provider_mapping": mapping})
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.fixture
def at(several: RunningServer, place_on: Callable[..., Place]) -> Callable[[str], Place]:
    """A new collection in a share: ``at("/Upper")``."""

    def place(share: str) -> Place:
        return place_on(several, several.folder / SHARES[share], f"{quote(share)}/")

    return place


@pytest.mark.parametrize("share", SHARES)
def test_every_share_is_found_by_its_name(at: Callable[[str], Place], share: str) -> None:
    """Upper-case letters (defect 26), spaces, letters of the world, and one share in another."""
    here = at(share)
    root = f"{quote(share)}/"
    assert here.ask("GET", f"{root}file").body == SHARES[share].encode()
    listing = here.propfind(root, depth="1")
    assert {root, f"{root}file", f"{root}tree/"} <= set(listing)
    assert listing[root].text(f"{DAV}displayname") == share.rpartition("/")[2]
    assert here.ask("GET", root).status == 200


def test_names_are_compared_exactly(at: Callable[[str], Place]) -> None:
    """Another case is another name."""
    here = at("/Upper")
    for path in ("/upper/file", "/UPPER/file", "/nothing", "/nestedfile", "/neste"):
        assert here.ask("GET", path).status == 404
        assert here.ask("PUT", path, {}, b"x").status in (403, 404, 409)


@pytest.mark.parametrize("depth", ["1", "infinity"])
def test_above_the_shares(at: Callable[[str], Place], depth: str) -> None:
    """PROPFIND on / lists the shares, and nothing else that is served."""
    here = at("/Upper")
    assert set(here.propfind("/", depth="0")) == {"/"}
    listing = here.propfind("/", depth=depth)
    tops = {"/" + quote(share.split("/")[1]) + "/" for share in SHARES}
    assert set(listing) == {"/"} | tops
    kinds = [found.properties[f"{DAV}resourcetype"][1] for found in listing.values()]
    assert all(kind[0].tag == f"{DAV}collection" for kind in kinds)
    assert set(here.propfind("/deep", depth="1")) == {"/deep/", "/deep/down/"}
    assert here.ask("PROPFIND", "/none").status == 404
    assert here.ask("OPTIONS", "/").status == 200
    for method in ("PUT", "MKCOL", "DELETE", "LOCK", "PROPPATCH", "COPY", "MOVE"):
        body = {"PUT": b"x", "PROPPATCH": setting(a="1")}.get(method)
        for path in ("/", "/deep", "/deep/new"):
            answer = here.ask(method, path, {"Destination": here.path("new")}, body)
            assert 400 <= answer.status < 500, (method, path)


@pytest.mark.parametrize("share", ["/My Share", "/Größe 日本", "/nested", "/nested/inner"])
def test_copy_and_move_between_shares(at: Callable[[str], Place], share: str) -> None:
    """New and existing, with properties; a lock stays behind."""
    here, there = at("/Upper"), at(share)
    make(here.folder, {"tree": {"a": b"1", "sub": {"b": b"2"}}, "file": b"3"})
    here.set("tree/sub/b", color="red")
    for status in (201, 204):
        assert here.transfer("COPY", "tree", there.path("copy")).status == status
        assert there.dead("copy/sub/b") == {"color": "red"}
    token = here.lock("file")
    moved = here.transfer("MOVE", "file", there.path("moved"), If=f"(<{token}>)")
    assert moved.status == 201
    assert there.ask("PUT", "moved", {}, b"x").status == 204
    assert here.transfer("MOVE", "tree", there.path("copy")).status == 204
    assert (there.folder / "copy/sub/b").read_bytes() == b"2"
    assert not (here.folder / "tree").exists()
    assert there.dead("copy/sub/b") == {"color": "red"}


def test_roots_stay_where_they_are(at: Callable[[str], Place], several: RunningServer) -> None:
    """As source, as destination, and as something below either."""
    here = at("/Upper")
    make(here.folder, {"tree": {"a": b"1"}})
    before = snapshot(several.folder)
    for root in ("/My%20Share", "/nested/", "/nested/inner"):
        assert here.ask("DELETE", root).status == 403
        assert here.transfer("MOVE", root, here.path("new")).status == 403
        assert here.transfer("COPY", "tree", root).status == 403
        assert here.transfer("MOVE", "tree", root).status == 403
        assert here.transfer("COPY", root, here.path("new")).status == 403
    assert snapshot(several.folder) == before


def test_a_share_in_another_hides_what_is_below_it(at: Callable[[str], Place]) -> None:
    """The longest path wins."""
    inner = at("/nested/inner")
    assert inner.ask("PUT", "/nested/inner/new", {}, b"x").status == 201
    assert (inner.folder.parent / "new").read_bytes() == b"x"
    assert inner.ask("MKCOL", "/nested/inner").status == 405
    assert inner.ask("PUT", "/nested/inner", {}, b"x").status == 405
    assert inner.ask("DELETE", "/nested/inner/new").status == 204


def test_a_share_in_another_is_a_member_of_it(
    at: Callable[[str], Place], several: RunningServer
) -> None:
    """Listings show it in place of what the outer folder has under its name."""
    make(several.folder / "nested/inner", {"hidden": {"by": b"the share"}})
    here = at("/nested")
    assert "/nested/inner/" not in here.propfind("/nested", depth="0")
    for depth, below in (("1", set()), ("infinity", {"file", "tree/", "tree/a"})):
        listing = here.propfind("/nested", depth=depth)
        inner = {href for href in listing if href.startswith("/nested/inner/")}
        assert inner == {"/nested/inner/"} | {f"/nested/inner/{name}" for name in below}
        assert listing["/nested/inner/"].text(f"{DAV}displayname") == "inner"
        assert {"/nested/file", "/nested/tree/"} <= set(listing)
    file = here.propfind("/nested", depth="infinity")["/nested/inner/file"]
    assert file.text(f"{DAV}getetag") == here.etag("/nested/inner/file")


def test_read_only_shares(at: Callable[[str], Place], several: RunningServer) -> None:
    """403 for everything that changes; reading and copying out work."""
    here = at("/Upper")
    before = snapshot(several.folder / "ro")
    bodies = {"PUT": b"x", "PROPPATCH": setting(a="1")}
    for method in ("PUT", "DELETE", "MKCOL", "PROPPATCH", "MOVE"):
        for name in ("file", "tree", "new"):
            fields = {"Destination": here.path("new")}
            answer = here.ask(method, f"/ro/{name}", fields, bodies.get(method))
            assert answer.status == 403, (method, name)
    assert here.lock_answer("/ro/file").status == 403
    assert here.ask("UNLOCK", "/ro/file", {"Lock-Token": "<urn:x>"}).status == 403
    for method in ("COPY", "MOVE"):
        (here.folder / "own").write_bytes(b"")
        assert here.transfer(method, "own", "/ro/new").status == 403
        assert (here.folder / "own").exists()
    assert here.transfer("COPY", "/ro/tree", here.path("copy")).status == 201
    assert here.transfer("COPY", "/ro/file", "/ro/new").status == 403
    assert snapshot(several.folder / "ro") == before
    allowed = here.ask("OPTIONS", "/ro/file").fields["Allow"].split(", ")
    assert set(allowed) == {"OPTIONS", "GET", "HEAD", "PROPFIND"}
    assert here.one("/ro/file").statuses.get(f"{DAV}supportedlock") != 200


def test_no_share_at_the_destination(at: Callable[[str], Place]) -> None:
    """409, for there is no collection to put it into."""
    here = at("/Upper")
    make(here.folder, {"file": b""})
    for destination in ("/new", "/deep/new", "/deep/down"):
        for method in ("COPY", "MOVE"):
            assert here.transfer(method, "file", destination).status in (403, 409)


def test_one_folder_behind_two_shares(tmp_path: Path, place_on: Callable[..., Place]) -> None:
    """A tree is the same by either name: no copy into itself, and one set of locks."""
    make(tmp_path / "root/sub", {"tree": {"a": b"1"}})
    mapping = {"/all": str(tmp_path / "root"), "/part": str(tmp_path / "root/sub")}
    (tmp_path / "server").mkdir()
    running = RunningServer(tmp_path / "server", None, {"provider_mapping": mapping})
    try:
        here = place_on(running, tmp_path / "root", "/all/")
        assert here.transfer("COPY", "/all/sub", "/part/tree/new").status == 403
        assert here.transfer("MOVE", "/part/tree", "/all/sub/tree").status == 403
        assert here.transfer("COPY", "/part/tree/a", "/all/sub/tree").status == 403
        here.set("/part/tree/a", color="red")
        assert here.dead("/all/sub/tree/a") == {"color": "red"}
        here.lock("/part/tree/a")
        assert here.ask("PUT", "/all/sub/tree/a", {}, b"x").status == 423
        assert here.ask("DELETE", "/all/sub").status in (403, 423)
    finally:
        running.close()


def test_the_folder_of_a_share_stays_where_it_is(
    tmp_path: Path, place_on: Callable[..., Place]
) -> None:
    """403 also where another share's URL leads to it, or to what holds it."""
    make(tmp_path / "root", {"a": {"b": {"file": b"1"}}, "x": {"y": b"2"}})
    mapping = {"/all": str(tmp_path / "root"), "/part": str(tmp_path / "root/a/b")}
    (tmp_path / "server").mkdir()
    running = RunningServer(tmp_path / "server", None, {"provider_mapping": mapping})
    try:
        here = place_on(running, tmp_path / "root", "/all/")
        before = snapshot(tmp_path / "root")
        for path in ("/all/a/b", "/all/a"):
            assert here.ask("DELETE", path).status == 403
            assert here.transfer("MOVE", path, "/all/new").status == 403
            assert here.transfer("MOVE", "/all/x", path).status == 403
            assert here.transfer("COPY", "/all/x", path).status == 403
        assert snapshot(tmp_path / "root") == before
        assert here.ask("DELETE", "/all/a/b/file").status == 204
        assert here.transfer("COPY", "/all/a/b", "/all/new").status == 201
    finally:
        running.close()
