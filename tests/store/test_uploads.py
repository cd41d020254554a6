"""The table of uploads in ranges."""

import pytest

from davkeep.store.database import Database
from davkeep.store.uploads import StoredUpload, Uploads


@pytest.fixture
def uploads(database: Database) -> Uploads:
    return Uploads(database)


def upload(
    name: str, path: bytes = b"/a/file", principal: str = "anna", address: str = ""
) -> StoredUpload:
    return StoredUpload(name, path, principal, address, 10, None, None, 1.0)


def test_one_for_each_owner_and_path(uploads: Uploads) -> None:
    """Another user, and an anonymous one elsewhere, have their own."""
    rows = [upload("1"), upload("2", principal="ben"), upload("3", b"/a/f2")]
    rows += [upload("4", principal="", address="::1"), upload("5", principal="", address="::2")]
    for row in rows:
        uploads.add(row)
    assert sorted(uploads.all(), key=lambda row: row.name) == rows
    for row in rows:
        assert uploads.find(row.path, row.principal, row.address) == row == uploads.get(row.name)
    assert uploads.find(b"/a/file", "carl", "") is None
    uploads.add(upload("6"))
    assert uploads.get("1") is None
    assert uploads.find(b"/a/file", "anna", "") == upload("6")


def test_what_changes(uploads: Uploads) -> None:
    """The file, the time, and the end."""
    uploads.add(upload("1"))
    uploads.made("1", str(2**64 - 1))
    uploads.touch("1", 5.5)
    found = uploads.get("1")
    assert found is not None
    assert (found.inode, found.touched) == (str(2**64 - 1), 5.5)
    uploads.remove("1")
    uploads.remove("1")
    assert uploads.all() == []


def test_they_go_along_with_their_collection(uploads: Uploads) -> None:
    """That of the moved entry itself stays, and those that lay at the destination are gone."""
    paths = [b"/a", b"/a/1", b"/a/b/2", b"/ab/3", b"/c/1", b"/c"]
    for number, path in enumerate(paths):
        uploads.add(upload(str(number), path))
    uploads.move(b"/a", b"/c")
    found = {row.name: row.path for row in uploads.all()}
    assert found == {"0": b"/a", "1": b"/c/1", "2": b"/c/b/2", "3": b"/ab/3", "5": b"/c"}


def test_paths_are_checked(uploads: Uploads) -> None:
    """A path that is none is a bug of the caller."""
    with pytest.raises(ValueError, match="absolute"):
        uploads.add(upload("1", b"a"))
