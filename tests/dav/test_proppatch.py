"""PROPPATCH and dead properties: all or nothing, and where they go (RFC 4918 9.2, 4)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from harness.dav import DAV, Place, make, multistatus, patch, setting
from harness.server import RunningServer, Serve

XML = "{http://www.w3.org/XML/1998/namespace}"


@pytest.fixture
def file(here: Place) -> Place:
    """A collection with a file in it."""
    make(here.folder, {"file": b"", "tree": {"a": b"", "b": {"c": b""}}})
    return here


def statuses(place: Place, name: str, inside: str) -> dict[str, int]:
    """PROPPATCH, and what became of each property."""
    (found,) = multistatus(place.ask("PROPPATCH", name, {}, patch(inside))).values()
    return found.statuses


def test_set_change_and_remove(file: Place) -> None:
    """Each is told in the answer (defect 24); removing what is not there is no error."""
    inside = "<D:set><D:prop><x:a>1</x:a><x:b>2</x:b></D:prop></D:set>"
    assert statuses(file, "file", inside) == {"{urn:x}a": 200, "{urn:x}b": 200}
    assert file.dead("file") == {"a": "1", "b": "2"}
    inside = (
        "<D:remove><D:prop><x:a/><x:none/></D:prop></D:remove>"
        "<D:set><D:prop><x:b>3</x:b></D:prop></D:set>"
    )
    assert set(statuses(file, "file", inside).values()) == {200}
    assert file.dead("file") == {"b": "3"}


def test_the_last_instruction_counts(file: Place) -> None:
    """They are done in the order of the document."""
    on, off = (
        "<D:set><D:prop><x:a>1</x:a></D:prop></D:set>",
        "<D:remove><D:prop><x:a/></D:prop></D:remove>",
    )
    statuses(file, "file", on + off)
    assert file.dead("file") == {}
    statuses(file, "file", off + on)
    assert file.dead("file") == {"a": "1"}


@pytest.mark.parametrize(
    "live",
    ["getetag", "resourcetype", "lockdiscovery", "getcontentlength", "displayname", "unheard-of"],
)
def test_one_that_is_protected_keeps_all_from_being_set(file: Place, live: str) -> None:
    """403 for it, 424 for the others, nothing changed (defect 24)."""
    file.set("file", old="1")
    inside = (
        f"<D:set><D:prop><x:new>1</x:new><D:{live}>2</D:{live}></D:prop></D:set>"
        "<D:remove><D:prop><x:old/></D:prop></D:remove>"
    )
    answer = file.ask("PROPPATCH", "file", {}, patch(inside))
    (found,) = multistatus(answer).values()
    assert found.statuses == {f"{DAV}{live}": 403, "{urn:x}new": 424, "{urn:x}old": 424}
    assert b"cannot-modify-protected-property" in answer.body
    assert file.dead("file") == {"old": "1"}


def test_content_language_and_name_spaces_are_kept(file: Place) -> None:
    """Markup inside, attributes, prefixes, and the language that surrounds a property."""
    body = (
        '<D:propertyupdate xmlns:D="DAV:" xmlns:x="urn:x" xml:lang="de"><D:set><D:prop>'
        '<x:mixed>ein <y:b xmlns:y="urn:y" x:at="1&quot;2">fett</y:b> &amp; &lt;<!-- --> Ende'
        '<none xmlns=""/></x:mixed><x:own xml:lang="fr">oui</x:own>'
        "</D:prop></D:set></D:propertyupdate>"
    )
    assert file.ask("PROPPATCH", "file", {}, body.encode()).status == 207
    found = file.one("file").properties
    mixed = found["{urn:x}mixed"][1]
    assert mixed.get(f"{XML}lang") == "de"
    assert "".join(mixed.itertext()) == "ein fett & < Ende"
    assert [child.tag for child in mixed] == ["{urn:y}b", "none"]
    assert mixed[0].get("{urn:x}at") == '1"2'
    assert found["{urn:x}own"][1].get(f"{XML}lang") == "fr"


def test_odd_values(file: Place) -> None:
    """Empty, long, white space, beyond the basic plane, and other encodings of the request."""
    values = {"empty": "", "long": "x" * 500_000, "space": "  a\n\tb ", "smile": "\U0001f600"}
    file.set("file", **values)
    assert file.dead("file") == {**values, "empty": None}
    body = setting(word="größe").decode().replace("<D:prop", "<D:prop", 1)
    for encoding in ("utf-16", "iso-8859-1"):
        head = f'<?xml version="1.0" encoding="{encoding}"?>'
        answer = file.ask("PROPPATCH", "file", {}, (head + body).encode(encoding))
        assert answer.status == 207
        assert file.dead("file")["word"] == "größe"


def test_one_name_in_two_name_spaces(file: Place) -> None:
    """They are two properties."""
    inside = '<D:set><D:prop><x:a>1</x:a><y:a xmlns:y="urn:y">2</y:a></D:prop></D:set>'
    statuses(file, "file", inside)
    found = file.one("file")
    assert (found.text("{urn:x}a"), found.text("{urn:y}a")) == ("1", "2")


def test_properties_of_a_collection_do_not_show_on_its_members(file: Place) -> None:
    """Nor on those whose name begins alike."""
    make(file.folder, {"tree2": {}})
    file.set("tree/", color="red")
    assert file.dead("tree") == {"color": "red"}
    assert file.dead("tree/a") == file.dead("tree2") == {}


def test_they_are_copied_moved_and_deleted(file: Place) -> None:
    """With the whole tree; Depth 0 copies those of the collection alone."""
    for name in ("tree", "tree/a", "tree/b/c"):
        file.set(name, of=name)
    assert file.transfer("COPY", "tree", "copy").status == 201
    assert file.transfer("COPY", "tree", "bare", Depth="0").status == 201
    assert file.transfer("MOVE", "tree", "moved").status == 201
    for top in ("copy", "moved"):
        assert file.dead(top) == {"of": "tree"}
        assert file.dead(f"{top}/b/c") == {"of": "tree/b/c"}
    assert file.dead("bare") == {"of": "tree"}
    make(file.folder / "bare", {"a": b""})
    make(file.folder, {"tree": {"a": b""}})
    assert file.dead("bare/a") == file.dead("tree/a") == file.dead("tree") == {}
    assert file.ask("DELETE", "moved").status == 204
    make(file.folder, {"moved": {"a": b"", "b": {"c": b""}}})
    assert file.dead("moved") == file.dead("moved/b/c") == {}


def test_moving_renames_only_the_beginning_of_a_path(here: Place) -> None:
    """The stock server turns ``/aa/x/aa/y`` into ``/bb/x/bb/y`` (defect 22)."""
    make(here.folder, {"aa": {"x": {"aa": {"y": b""}}}})
    here.set("aa/x/aa/y", color="red")
    assert here.transfer("MOVE", "aa", "bb").status == 201
    assert here.dead("bb/x/aa/y") == {"color": "red"}


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_what_is_overwritten_leaves_no_ghosts(here: Place, method: str) -> None:
    """A new member has no property of an old one of the same name (defect 22)."""
    make(here.folder, {"new": {}, "old": {"a": b""}})
    here.set("old/a", color="red")
    here.set("old", color="red")
    assert here.transfer(method, "new", "old").status == 204
    assert here.dead("old") == {}
    assert here.ask("PUT", "old/a", {}, b"").status == 201
    assert here.dead("old/a") == {}


def test_they_survive_a_restart_and_go_between_shares(
    serve: Serve, tmp_path: Path, place_on: Callable[..., Place]
) -> None:
    """In one database for all shares; a lock stays on its URL."""
    shares = {}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shares[f"/{name}"] = str(tmp_path / name)
    server = serve(top={"provider_mapping": shares})
    here = place_on(server, tmp_path / "one", "/one/")
    make(here.folder, {"tree": {"a": b"1"}, "locked": b""})
    here.set("tree/a", color="red")
    token = here.lock("locked")
    assert here.transfer("COPY", "tree", "/two/copy").status == 201
    assert here.transfer("MOVE", "tree", "/two/moved").status == 201
    server.stop()
    server.start()
    here.wire = here.server_wire()
    with here.wire:
        assert here.dead("/two/copy/a") == here.dead("/two/moved/a") == {"color": "red"}
        assert here.ask("PUT", "locked", {}, b"x").status == 423
        assert here.ask("PUT", "locked", {"If": f"(<{token}>)"}, b"x").status == 204
        assert here.ask("UNLOCK", "locked", {"Lock-Token": f"<{token}>"}).status == 204


def test_many_at_once(server: RunningServer, here: Place) -> None:
    """Hundreds of properties of one resource."""
    make(here.folder, {"file": b""})
    values = {f"p{number}": str(number) for number in range(400)}
    here.set("file", **values)
    assert here.dead("file") == values
    assert etree.fromstring(here.ask("PROPFIND", "file").body) is not None


def test_windows_sets_the_time_of_modification(
    tmp_path: Path, serve: Serve, root: Path, place_on: Callable[..., Place]
) -> None:
    """A date is set; what is none changes nothing: 409, and 424 for the rest (RFC 4918 9.2.1)."""
    server = serve({"hotfixes": {"emulate_win32_lastmod": True}})
    here = place_on(server, root, "/")
    (here.folder / "file").write_bytes(b"1")
    time = (
        '<w:Win32LastModifiedTime xmlns:w="urn:schemas-microsoft-com:">{}</w:Win32LastModifiedTime>'
    )
    inside = "<D:set><D:prop>" + time + "<x:color>red</x:color></D:prop></D:set>"
    name = "{urn:schemas-microsoft-com:}Win32LastModifiedTime"
    refused = statuses(here, "file", inside.format("yesterday"))
    assert refused == {name: 409, "{urn:x}color": 424}
    assert here.dead("file") == {}
    done = statuses(here, "file", inside.format("Mon, 02 Mar 2020 10:00:00 GMT"))
    assert set(done.values()) == {200}
    assert (here.folder / "file").stat().st_mtime == 1583143200
    assert here.dead("file") == {"color": "red"}
