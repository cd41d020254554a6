"""Symbolic links and hidden names, through HTTP (the promises, COPY and MOVE, Names)."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.dav import Place, make, setting, snapshot
from harness.server import RunningServer
from harness.trees import members

METHODS = ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "PROPPATCH", "LOCK", "COPY", "MOVE", "MKCOL"]


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside the share, which nothing may reach or change."""
    make(tmp_path / "outside", {"secret": b"secret", "sub": {"inner": b"secret"}})
    before = snapshot(tmp_path / "outside")
    yield tmp_path / "outside"
    assert snapshot(tmp_path / "outside") == before


@pytest.fixture(scope="module")
def follower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that follows symbolic links."""
    folder = tmp_path_factory.mktemp("follower")
    (folder / "root").mkdir()
    config = {"fs_dav_provider": {"follow_symlinks": True}, "davkeep": {"fsync": False}}
    running = RunningServer(folder, folder / "root", config)
    yield running
    running.close()
    assert "Traceback" not in running.log


@pytest.fixture
def following(follower: RunningServer, place_on: Callable[..., Place]) -> Place:
    """A new collection where links are followed."""
    return place_on(follower)


def ask(place: Place, method: str, name: str) -> int:
    """The status of a request that is right otherwise."""
    bodies = {"PUT": b"changed", "PROPPATCH": setting(a="1")}
    if method == "LOCK":
        return place.lock_answer(name, Depth="0").status
    fields = {"Destination": place.path("new"), "Depth": "infinity"}
    if method == "PROPPATCH":
        del fields["Depth"]
    return place.ask(method, name, fields, bodies.get(method)).status


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name", ["file", "dir", "dir/a", "out", "out/secret", "out/sub/inner", "up", "broken", "loop"]
)
def test_where_they_are_not_followed(here: Place, outside: Path, method: str, name: str) -> None:
    """403 for every URL with one, whatever it leads to."""
    links = {"file": "tree/a", "dir": "tree", "out": str(outside), "up": "..", "broken": "none"}
    make(here.folder, {"tree": {"a": b"1"}, **links, "loop": "loop"})
    before = snapshot(here.folder)
    assert ask(here, method, name) == 403
    assert snapshot(here.folder) == before


def test_they_are_hidden_and_copied_as_links(here: Place, outside: Path) -> None:
    """Not listed; COPY, MOVE and DELETE of what holds them keep to the links themselves."""
    make(here.folder, {"tree": {"a": b"1", "in": "a", "out": str(outside), "broken": "none"}})
    assert set(here.propfind(depth="infinity")) == {
        here.url,
        f"{here.url}tree/",
        f"{here.url}tree/a",
    }
    assert b"broken" not in here.ask("GET", "tree/").body
    assert here.transfer("COPY", "tree", "copy").status == 201
    assert here.transfer("MOVE", "tree", "moved").status == 201
    for top in ("copy", "moved"):
        assert os.readlink(here.folder / top / "out") == str(outside)
        assert os.readlink(here.folder / top / "in") == "a"
        assert here.ask("DELETE", top).status == 204


def test_a_destination_with_a_link(here: Place, outside: Path) -> None:
    """403, on the way and at the end."""
    make(here.folder, {"file": b"1", "out": str(outside), "in": "file"})
    for method in ("COPY", "MOVE"):
        for destination in ("out/new", "out/secret", "out", "in"):
            assert here.transfer(method, "file", destination).status == 403
    assert (here.folder / "file").read_bytes() == b"1"


def test_where_they_are_followed_inside(following: Place) -> None:
    """They read as what they lead to; PUT writes the target; DELETE and MOVE take the link."""
    absolute = str(following.folder / "tree/a")
    make(following.folder, {"tree": {"a": b"1", "sub": {}}, "file": absolute, "dir": "tree"})
    assert following.ask("GET", "file").body == b"1"
    assert following.ask("GET", "dir/a").body == b"1"
    assert set(following.propfind(depth="1")) == {
        following.url,
        f"{following.url}tree/",
        f"{following.url}file",
        f"{following.url}dir/",
    }
    assert following.ask("PUT", "file", {}, b"2").status == 204
    assert (following.folder / "file").is_symlink()
    assert following.ask("GET", "tree/a").body == b"2"
    assert following.ask("PUT", "dir/new", {}, b"3").status == 201
    assert (following.folder / "tree/new").read_bytes() == b"3"
    assert following.transfer("MOVE", "file", "moved").status == 201
    assert (following.folder / "moved").is_symlink()
    assert following.ask("DELETE", "dir").status == 204
    assert (following.folder / "tree/a").read_bytes() == b"2"
    assert following.transfer("COPY", "moved", "copy").status == 201
    assert not (following.folder / "copy").is_symlink()


def test_copy_of_a_tree_follows_links_inside(following: Place) -> None:
    """What they lead to is copied; those that lead nowhere or outside stay links."""
    make(
        following.folder,
        {"a": b"1", "sub": {"b": b"2"}, "tree": {"a": "../a", "sub": "../sub", "x": "none"}},
    )
    assert following.transfer("COPY", "tree", "copy").status == 201
    assert (following.folder / "copy/sub/b").read_bytes() == b"2"
    assert not (following.folder / "copy/a").is_symlink()
    assert os.readlink(following.folder / "copy/x") == "none"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["out/secret", "out/sub", "file", "up/x", "above/x", "loop/x"])
def test_nothing_leads_outside(following: Place, outside: Path, method: str, name: str) -> None:
    """403 for absolute links, for ``..`` and for links to links; 404 where nothing is."""
    root = following.server.root
    assert root is not None
    make(
        following.folder,
        {
            "tree": {},
            "out": str(outside),
            "file": str(outside / "secret"),
            "up": "../../../../../../..",
            "above": str(root.parent),
            "loop": "loop",
        },
    )
    # DELETE and MOVE of a link that leads outside take the link itself.
    wanted = {403} | ({201, 204} if method in ("DELETE", "MOVE") and name == "file" else set())
    assert ask(following, method, name) in wanted
    new = following.folder / "new"
    assert new.is_symlink() or not new.exists()


def test_links_in_a_circle_end(following: Place) -> None:
    """A listing of infinite depth lists what holds it, and goes no further."""
    make(following.folder, {"tree": {"self": ".", "top": "..", "file": b"1"}, "more": "tree"})
    listing = set(following.propfind(depth="infinity"))
    assert len(listing) < 30
    assert {f"{following.url}tree/self/", f"{following.url}tree/top/"} <= listing


def test_what_is_stored_belongs_to_what_a_link_leads_to(following: Place) -> None:
    """Properties and locks are seen by either name, alone and in a listing."""
    make(following.folder, {"real": {"a": b"1"}, "tree": {"link": "../real/a", "plain": b""}})
    following.set("tree/link", color="red")
    token = following.lock("tree/link")
    for name in ("real/a", "tree/link"):
        assert following.dead(name) == {"color": "red"}
        listed = following.propfind(name.rpartition("/")[0], depth="1")[following.path(name)]
        assert listed.text("{urn:x}color") == "red"
        assert token in "".join(listed.properties["{DAV:}lockdiscovery"][1].itertext())
        assert following.ask("PUT", name, {}, b"x").status == 423


def test_staging_names_are_hidden(here: Place) -> None:
    """In listings, in the page, and in copies; DELETE takes them along."""
    names = [".davkeep-x", ".DAVKEEP", ".davkeep", "\uff0edavkeep-x", ".dav\u00adkeep"]
    make(here.folder, {"tree": {**dict.fromkeys(names, b"hidden"), "seen": b""}})
    assert set(here.propfind("tree", depth="1")) == {f"{here.url}tree/", f"{here.url}tree/seen"}
    assert b"davkeep-x" not in here.ask("GET", "tree/").body
    assert here.transfer("COPY", "tree", "copy").status == 201
    assert members(here.folder / "copy") == ["seen"]
    assert here.ask("DELETE", "tree").status == 204
    assert not (here.folder / "tree").exists()
