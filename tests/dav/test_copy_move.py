"""COPY, MOVE, MKCOL and DELETE where all goes well (RFC 4918 9.3, 9.6, 9.8, 9.9)."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from harness.dav import Place, make, snapshot
from harness.trees import members


@pytest.fixture
def tree(here: Place) -> Place:
    """A collection with something in it."""
    make(
        here.folder, {"file": b"old", "tree": {"a": b"1", "sub": {"b": b"2"}}, "other": {"c": b"3"}}
    )
    return here


def test_mkcol(tree: Place) -> None:
    """201; 405 where something is, 409 without a collection above, 415 for a body."""
    assert tree.ask("MKCOL", "new").status == 201
    assert tree.ask("MKCOL", "slash/").status == 201
    assert tree.ask("MKCOL", "new").status == 405
    assert "Allow" in tree.ask("MKCOL", "file").fields
    assert tree.ask("MKCOL", "missing/new").status == 409
    assert tree.ask("MKCOL", "body", {}, b"<x/>").status == 415
    assert tree.ask("MKCOL", "body", {}, iter([b"<x/>"])).status == 415
    assert not (tree.folder / "body").exists()
    assert (tree.folder / "new").stat().st_mode & 0o777 == 0o755


def test_depth_0_copies_the_collection_alone(tree: Place) -> None:
    """The stock server copies the tree (defect 4); an existing destination is replaced."""
    assert tree.transfer("COPY", "tree", "bare", Depth="0").status == 201
    assert members(tree.folder / "bare") == []
    assert tree.transfer("COPY", "tree", "other", Depth="0").status == 204
    assert members(tree.folder / "other") == []
    assert tree.transfer("COPY", "file", "copy", Depth="0").status == 201


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_overwrite_f(tree: Place, method: str) -> None:
    """412 where something is, and nothing has changed."""
    before = snapshot(tree.folder)
    for source, to in (("file", "tree"), ("tree", "file"), ("tree", "other"), ("file", "tree/a")):
        assert tree.transfer(method, source, to, Overwrite="F").status == 412
    assert snapshot(tree.folder) == before
    assert tree.transfer(method, "tree", "new", Overwrite="F").status == 201


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize(("source", "to"), [("file", "tree"), ("tree", "file"), ("tree", "other")])
def test_overwriting_replaces_rather_than_merges(
    tree: Place, method: str, source: str, to: str
) -> None:
    """Files over collections and the other way round."""
    assert tree.transfer(method, source, to, Overwrite="T").status == 204
    if source == "file":
        assert (tree.folder / to).read_bytes() == b"old"
    else:
        assert sorted(members(tree.folder / to)) == ["a", "sub"]
    assert (tree.folder / source).exists() == (method == "COPY")
    assert not tree.server.staging(tree.folder)


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_what_is_encoded_in_the_destination_stays_in_the_name(tree: Place, method: str) -> None:
    """``/b%3Fv2`` is not ``/b`` (defect 3)."""
    names = {
        "file%3Fv2": "file?v2",
        "file%3Bx": "file;x",
        "file%23": "file#",
        "file%2541": "file%41",
    }
    for quoted, name in names.items():
        (tree.folder / "source").write_bytes(b"new")
        assert tree.transfer(method, "source", quoted).status == 201
        assert (tree.folder / name).read_bytes() == b"new"
    assert (tree.folder / "file").read_bytes() == b"old"


def test_destinations_that_are_this_server(tree: Place) -> None:
    """A path, the URL with its host in any case, and a trailing slash."""
    for number, form in enumerate(("{path}", "http://{host}{path}", "HTTP://{HOST}{path}/")):
        path = tree.path(f"new{number}")
        host = tree.wire.host.replace("127.0.0.1", "LocalHost")
        named = form.format(path=path, host=host, HOST=host.upper())
        answer = tree.ask("COPY", "file", {"Destination": named, "Host": host.lower()})
        assert answer.status == 201


def test_attributes_times_holes_links_and_special_files(tree: Place) -> None:
    """What is kept, and that nothing is dropped silently (defect 27)."""
    top = tree.folder / "tree"
    os.setxattr(top / "a", "user.color", b"red")
    (top / "a").chmod(0o6751)
    (top / "sub").chmod(0o2750)
    with open(top / "sparse", "wb") as file:
        file.truncate(50_000_000)
        file.seek(25_000_000)
        file.write(b"x")
    (top / "link").symlink_to("a")
    (top / "out").symlink_to("/etc/passwd")
    os.mkfifo(top / "fifo")
    for name in ("a", "sparse", "sub", "."):
        os.utime(top / name, ns=(10**18 + 1, 10**18 + 7))
    assert tree.transfer("COPY", "tree", "copy").status == 201
    copy = tree.folder / "copy"
    assert os.getxattr(copy / "a", "user.color") == b"red"
    assert (copy / "a").stat().st_mode & 0o7777 == 0o751
    for name in ("a", "sparse", "sub", "."):
        assert (copy / name).stat().st_mtime_ns == 10**18 + 7
    assert (copy / "sparse").stat().st_blocks < 1000
    assert os.readlink(copy / "link") == "a"
    assert os.readlink(copy / "out") == "/etc/passwd"
    assert (copy / "fifo").is_fifo()


def test_move_of_one_hard_link_onto_another(tree: Place) -> None:
    """rename(2) would do nothing and leave both."""
    (tree.folder / "again").hardlink_to(tree.folder / "file")
    assert tree.transfer("MOVE", "file", "again").status == 204
    assert not (tree.folder / "file").exists()
    assert (tree.folder / "again").read_bytes() == b"old"


def test_a_change_of_case_is_a_move(tree: Place) -> None:
    """On a file system that tells them apart it is a new name."""
    assert tree.transfer("MOVE", "tree", "TREE").status == 201
    assert sorted(members(tree.folder)) == ["TREE", "file", "other"]


def test_delete(tree: Place) -> None:
    """Files and collections, with and without a slash; the Depth that a client may send."""
    assert tree.ask("DELETE", "tree/", {"Depth": "infinity"}).status == 204
    assert tree.ask("DELETE", "file", {"Depth": "0"}).status == 204
    assert tree.ask("DELETE", "other").status == 204
    assert members(tree.folder) == []
    assert tree.ask("DELETE", "other").status == 404


def test_conditions_of_delete(tree: Place) -> None:
    """If-Match and If keep what is not the one that was meant."""
    etag = tree.etag("file")
    assert tree.ask("DELETE", "file", {"If-Match": '"x"'}).status == 412
    assert tree.ask("DELETE", "file", {"If": '(["x"])'}).status == 412
    assert tree.ask("DELETE", "file", {"If-None-Match": "*"}).status == 412
    assert tree.ask("DELETE", "file", {"If-Match": etag}).status == 204


@pytest.fixture
def mounted(tree: Place) -> Iterator[Place]:
    """Another file system below the share, at ``disk``."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    disk = tree.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", disk], check=True)
    yield tree
    subprocess.run(["umount", "-l", disk], check=True)


def test_move_across_a_mount_keeps_properties_and_ends_locks(mounted: Place) -> None:
    """There and back, to a new and over an existing destination."""
    mounted.set("tree/sub/b", color="red")
    mounted.set("tree", color="blue")
    os.utime(mounted.folder / "tree/a", ns=(10**18, 10**18 + 3))
    token = mounted.lock("tree/a")
    tagged = f"<{mounted.url}tree/a> (<{token}>)"
    assert mounted.transfer("MOVE", "tree", "disk/new", If=tagged).status == 201
    assert not (mounted.folder / "tree").exists()
    assert mounted.dead("disk/new/sub/b") == {"color": "red"}
    assert mounted.dead("disk/new") == {"color": "blue"}
    assert (mounted.folder / "disk/new/a").stat().st_mtime_ns == 10**18 + 3
    assert mounted.ask("PUT", "disk/new/a", {}, b"x").status == 204
    assert mounted.transfer("MOVE", "disk/new", "other").status == 204
    assert mounted.dead("other/sub/b") == {"color": "red"}
    assert sorted(members(mounted.folder / "other")) == ["a", "sub"]
    assert members(mounted.folder / "disk") == []
    make(mounted.folder / "disk", {"new": {"sub": {"b": b""}}})
    assert mounted.dead("disk/new/sub/b") == mounted.dead("disk/new") == {}


def test_copy_across_a_mount(mounted: Place) -> None:
    """Over an existing file as well."""
    mounted.set("file", color="red")
    assert mounted.transfer("COPY", "file", "disk/file").status == 201
    assert mounted.transfer("COPY", "tree", "disk/file").status == 204
    assert mounted.dead("disk/file") == {}
    assert mounted.transfer("COPY", "file", "disk/file").status == 204
    assert mounted.dead("disk/file") == {"color": "red"}


def test_the_mount_point_itself_stays(mounted: Place) -> None:
    """403 for what would remove, move or replace it."""
    assert mounted.ask("DELETE", "disk").status == 403
    assert mounted.transfer("MOVE", "disk", "new").status == 403
    assert mounted.transfer("COPY", "tree", "disk").status == 403
    assert mounted.transfer("COPY", "disk", "new").status == 201
