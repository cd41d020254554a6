"""On a file system that takes spellings for one, what is stored is found through each of them."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from state.sites import CONTENT, Marked, Site

from harness.dav import LOCK, setting
from harness.onlooker import Onlooker
from harness.server import RunningServer
from harness.spellings import FOLDING
from harness.trees import members
from harness.uploads import put_part, upload_path
from harness.wire import Wire

EXCLUSIVE = LOCK.format(scope="exclusive").encode()

#: What file systems make of a name, but for those that keep it as it is.
KEPT: dict[str, Callable[[str], str]] = {
    "ntfs": str.lower,
    "nfd": partial(unicodedata.normalize, "NFD"),
    "nfc": partial(unicodedata.normalize, "NFC"),
}

#: By what folds them: two spellings of one name.
CASE = ("/Name", "/nAME")
FORMS = tuple(quote("/" + unicodedata.normalize(form, "ä")) for form in ("NFC", "NFD"))
BOTH = tuple(quote("/" + unicodedata.normalize(*each)) for each in (("NFC", "ä"), ("NFD", "Ä")))
SPELLED = [
    *((kind, *CASE) for kind in FOLDING),
    *((kind, *each) for kind in ("forms", "nfd", "nfc") for each in (FORMS, BOTH)),
]


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The root of a file system that folds."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    with FOLDING[request.param](tmp_path) as folder:
        yield folder


@pytest.fixture
def marked(site: Site, disk: Path) -> Iterator[Marked]:
    """A server over it."""
    with site.serving({"/": disk}) as marked:
        yield marked
        assert "Traceback" not in marked.server.log


def spelled(*kinds: str) -> pytest.MarkDecorator:
    """With each file system, or some of them, and two spellings that are one name there."""
    cases = [case for case in SPELLED if not kinds or case[0] in kinds]
    return pytest.mark.parametrize(("disk", "one", "other"), cases, indirect=["disk"])


@spelled()
def test_properties_and_locks(site: Site, disk: Path, one: str, other: str) -> None:
    """Stored by one spelling they are found by the other, also after a restart."""
    with site.serving({"/": disk}) as marked:
        assert marked.ask("PUT", one, b"content") == 201
        assert marked.wire.ask("PROPPATCH", one, {}, setting(color="red")).status == 207
        assert marked.ask("LOCK", one, EXCLUSIVE, Timeout="Second-3600") == 200
        assert marked.color(other) == "red"
        assert marked.ask("PUT", other, b"x") == 423
        assert marked.ask("DELETE", other) == 423
        assert marked.ask("LOCK", other, EXCLUSIVE) == 423
    with site.serving({"/": disk}) as marked:
        assert marked.color(other) == "red"
        assert marked.ask("PUT", other, b"x") == 423
    assert len(members(disk)) == 1


@spelled()
def test_what_is_locked_before_it_is_there(marked: Marked, one: str, other: str) -> None:
    """RFC 4918 7.3: the LOCK makes the file."""
    assert marked.ask("LOCK", one, EXCLUSIVE) == 201
    assert marked.ask("PUT", other, b"x") == 423
    assert marked.ask("PUT", one, b"x") == 423


@spelled()
def test_collections(marked: Marked, disk: Path, one: str, other: str) -> None:
    """A lock of infinite depth on one covers what is made through another spelling of it."""
    assert marked.ask("MKCOL", one) == 201
    assert marked.ask("MKCOL", other) == 405
    assert marked.ask("PUT", f"{other}/file", b"x") == 201
    assert marked.wire.ask("PROPPATCH", f"{one}/file", {}, setting(color="red")).status == 207
    assert marked.color(f"{other}/file") == "red"
    assert marked.ask("LOCK", one, EXCLUSIVE) == 200
    assert marked.ask("PUT", f"{other}/new", b"x") == 423
    assert len(members(disk)) == 1


@spelled()
def test_uploads(marked: Marked, disk: Path, one: str, other: str) -> None:
    """One that was begun by one spelling is gone on with by the other."""
    assert put_part(marked.wire, one, CONTENT, 0, 5).status == 202
    standing = marked.wire.ask("HEAD", upload_path(other))
    assert standing.fields["Upload-Offset"] == "5"
    assert put_part(marked.wire, other, CONTENT, 5, 10).status == 201
    assert marked.wire.ask("GET", one).body == CONTENT
    assert len(os.listdir(disk)) == 2


@spelled()
def test_overwriting_keeps_one(marked: Marked, disk: Path, one: str, other: str) -> None:
    """PUT, COPY and MOVE onto another spelling replace what is there."""
    target = f"{marked.server.url.rstrip('/')}{other}"
    assert marked.ask("PUT", one, b"1") == 201
    assert marked.wire.ask("PROPPATCH", one, {}, setting(color="red")).status == 207
    assert marked.ask("PUT", other, b"2") == 204
    assert (marked.color(one), marked.color(other)) == ("red", "red")
    assert marked.ask("PUT", "/source", b"3") == 201
    assert marked.ask("COPY", "/source", Overwrite="F", Destination=target) == 412
    assert marked.ask("COPY", "/source", Destination=target) == 204
    assert (marked.wire.ask("GET", one).body, marked.color(one)) == (b"3", None)
    assert marked.ask("PUT", "/source", b"4") == 204
    assert marked.ask("MOVE", "/source", Destination=target) == 204
    assert marked.wire.ask("GET", one).body == b"4"
    assert len(members(disk)) == 1
    assert marked.ask("DELETE", other) == 204
    assert members(disk) == []


@spelled()
@pytest.mark.parametrize("is_collection", [True, False], ids=["collection", "file"])
@pytest.mark.parametrize("overwrite", ["T", "F"])
def test_a_move_to_another_spelling(
    marked: Marked,
    disk: Path,
    one: str,
    other: str,
    is_collection: bool,
    overwrite: str,
    request: pytest.FixtureRequest,
) -> None:
    """It is a rename, whatever Overwrite says, and loses nothing."""
    path = f"{one}/" if is_collection else one
    if is_collection:
        assert marked.ask("MKCOL", path) == 201
        assert marked.ask("PUT", f"{path}file", b"x") == 201
    else:
        assert marked.ask("PUT", path, b"x") == 201
    assert marked.wire.ask("PROPPATCH", path, {}, setting(color="red")).status == 207
    target = f"{marked.server.url.rstrip('/')}{other}"
    assert marked.ask("MOVE", path, Destination=target, Overwrite=overwrite) == 201
    assert (marked.color(one), marked.color(other)) == ("red", "red")
    if is_collection:
        assert marked.wire.ask("GET", f"{other}/file").body == b"x"
    kept = KEPT.get(request.node.callspec.params["disk"], str)
    assert members(disk) == [kept(unquote(other[1:]))]


@spelled()
def test_a_copy_onto_itself(marked: Marked, disk: Path, one: str, other: str) -> None:
    """It is refused: another spelling is no other resource."""
    assert marked.ask("PUT", one, b"x") == 201
    target = f"{marked.server.url.rstrip('/')}{other}"
    assert marked.ask("COPY", one, Destination=target) == 403
    assert marked.wire.ask("GET", one).body == b"x"
    assert len(members(disk)) == 1


@pytest.mark.parametrize(
    ("disk", "one", "other"), [("ntfs", *CASE), ("nfd", *BOTH)], indirect=["disk"]
)
def test_a_repeat(site: Site, disk: Path, one: str, other: str) -> None:
    """The same COPY by other spellings joins the one that runs."""
    for number in range(20):
        (disk / f"{number}").mkdir()
    mapping = {"provider_mapping": {"/": str(disk)}}
    slow = {"max_members_per_second": 15, "grace": 0.05}
    server = RunningServer(site.folder, None, {**mapping, "davkeep": {"operations": slow}})
    try:
        with Wire(server.host, server.port) as wire:
            assert wire.ask("MKCOL", one).status == 201
            for number in range(20):
                assert wire.ask("MKCOL", f"{one}/{number}").status == 201
        fields = [
            {"Destination": f"{server.url}{to}", "Prefer": "respond-async"} for to in ("to", "TO")
        ]
        answers = []
        for path, field in zip((one, other), fields, strict=True):
            with Wire(server.host, server.port) as wire:
                answers.append(wire.ask("COPY", path, field))
        assert [each.status for each in answers] == [202, 202]
        assert len({each.fields["Location"] for each in answers}) == 1
        id = answers[0].fields["Location"].rpartition("/")[2]
        assert Onlooker(server.url).look(id, Prefer="wait=30").json()["status"] == 201
    finally:
        server.close()


@pytest.mark.parametrize("disk", ["ntfs", "nfd", "nfc", "exfat"], indirect=True)
@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_from_a_file_system_that_keeps_names(
    site: Site, disk: Path, tmp_path: Path, method: str
) -> None:
    """Members have their properties under the names by which they are kept now."""
    root = tmp_path / "root"
    (root / "Tree" / "\xc4Sub").mkdir(parents=True)
    (root / "Tree" / "\xc4Sub" / "FILE u\u0308").write_bytes(b"x")
    paths = [quote(path) for path in ("/Tree", "/Tree/\xc4Sub", "/Tree/\xc4Sub/FILE u\u0308")]
    with site.serving({"/": root, "/disk": disk}) as marked:
        for number, path in enumerate(paths):
            assert marked.wire.ask("PROPPATCH", path, {}, setting(color=f"{number}")).status == 207
        target = f"{marked.server.url}disk/Tree"
        assert marked.ask(method, "/Tree/", Destination=target) == 201
        for number, path in enumerate(paths):
            assert marked.color(f"/disk{path}") == f"{number}"


@pytest.mark.parametrize("disk", ["ntfs", "exfat", "forms"], indirect=True)
@pytest.mark.parametrize("name", ["%c0%aedavkeep.share", "%e0%80%ae", "a%ff", "%ed%a0%80x"])
def test_bytes_that_are_no_text(marked: Marked, disk: Path, name: str) -> None:
    """A file system that knows text may take them for any name, also for a reserved one."""
    assert marked.ask("PUT", "/file", b"x") == 201
    target = f"{marked.server.url}{name}"
    assert marked.ask("GET", f"/{name}") in (403, 404)
    assert marked.ask("PUT", f"/{name}", b"x") == 403
    assert marked.ask("DELETE", f"/{name}") in (403, 404)
    assert marked.ask("MKCOL", f"/{name}") == 403
    assert marked.ask("MOVE", "/file", Destination=target) == 403
    assert members(disk) == ["file"]


@spelled("exfat", "nfd")
def test_many_who_make_one_name(marked: Marked, disk: Path, one: str, other: str) -> None:
    """Whoever comes first makes it, and the others overwrite it: there is one."""

    def put(number: int) -> int:
        with Wire(marked.server.host, marked.server.port) as wire:
            return wire.ask("PUT", (one, other)[number % 2], {}, b"x").status

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(put, range(24)))
    assert set(seen) <= {201, 204}
    assert len(members(disk)) == 1


@pytest.mark.parametrize(("one", "other"), [CASE, FORMS, BOTH])
def test_names_that_are_held_apart(site: Site, tmp_path: Path, one: str, other: str) -> None:
    """On a file system that takes nothing for one they never share anything."""
    root = tmp_path / "root"
    root.mkdir()
    with site.serving({"/": root}) as marked:
        assert marked.ask("PUT", one, b"1") == 201
        assert marked.ask("PUT", other, b"2") == 201
        assert marked.wire.ask("PROPPATCH", one, {}, setting(color="red")).status == 207
        assert marked.ask("LOCK", one, EXCLUSIVE) == 200
        assert marked.color(other) is None
        assert marked.ask("PUT", other, b"3") == 204
        assert put_part(marked.wire, other, CONTENT, 0, 5).status == 202
        assert marked.wire.ask("HEAD", upload_path(one)).status == 404
        assert marked.ask("DELETE", upload_path(other)) == 204
        assert marked.ask("DELETE", other) == 204
    assert len(members(root)) == 1
