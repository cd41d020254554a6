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
    assert all(uploads.add(row) for row in rows)
    assert sorted(uploads.all(), key=lambda row: row.name) == rows
    for row in rows:
        assert uploads.find(row.path, row.principal, row.address) == row == uploads.get(row.name)
    assert uploads.find(b"/a/file", "carl", "") is None
    assert not uploads.add(upload("6"))
    assert uploads.get("6") is None
    assert uploads.find(b"/a/file", "anna", "") == upload("1")


def test_what_changes(uploads: Uploads) -> None:
    """The file, the time, and the end."""
    uploads.add(upload("1"))
    uploads.made("1", str(2**64 - 1))
    uploads.touch("1", 5.5)
    found = uploads.get("1")
    assert found is not None
    assert (found.inode, found.touched) == (str(2**64 - 1), 5.5)
    uploads.copied("1", "7")
    uploads.keep("1", 8, 6.5, durable=True)
    found = uploads.get("1")
    assert found is not None
    assert (found.arrived, found.touched) == (8, 6.5)
    assert found.is_of("7")
    assert found.is_of(str(2**64 - 1))
    uploads.made("1", "7")
    uploads.found("1", 9)
    found = uploads.get("1")
    assert found is not None
    assert (found.arrived, found.touched, found.copy) == (9, 6.5, None)
    assert not found.is_of(str(2**64 - 1))
    assert not found.is_of(None)
    uploads.remove("1")
    uploads.remove("1")
    assert uploads.all() == []


def test_they_go_along_with_their_collection(uploads: Uploads) -> None:
    """That of the moved entry itself stays, and those that lay at the destination are over."""
    paths = [b"/a", b"/a/1", b"/a/b/2", b"/ab/3", b"/c/1", b"/c"]
    for number, path in enumerate(paths):
        uploads.add(upload(str(number), path))
    uploads.move(b"/a", b"/c")
    found = {row.name: row.path for row in uploads.all()}
    assert found == {
        "0": b"/a",
        "1": b"/c/1",
        "2": b"/c/b/2",
        "3": b"/ab/3",
        "4": b"/4",
        "5": b"/c",
    }
    replaced = uploads.get("4")
    assert replaced is not None
    assert replaced.is_over


def test_no_row_goes_with_its_collection(uploads: Uploads) -> None:
    """It says that its upload is over, so that its file is found and removed."""
    for number, path in enumerate([b"/a/1", b"/a/b/2", b"/a", b"/ab"]):
        uploads.add(upload(f".davkeep-{number}", path))
    uploads.end_below(b"/a")
    uploads.end(".davkeep-3", b"/x/ab")
    found = {row.name[-1]: (row.path, row.is_over) for row in uploads.all()}
    assert found["0"] == (b"/.davkeep-0", True)
    assert found["1"] == (b"/.davkeep-1", True)
    assert found["2"] == (b"/a", False)
    assert found["3"] == (b"/x/.davkeep-3", True)
    assert sorted(row.name[-1] for row in uploads.hidden()) == ["0", "1", "3"]


def test_those_whose_collections_are_gone(uploads: Uploads) -> None:
    """As after work that was done in part."""
    for number, path in enumerate([b"/a/1", b"/a/b/2", b"/a/c/3", b"/c/4"]):
        uploads.add(upload(str(number), path))
    uploads.end_vanished(b"/a", lambda path: path in (b"/a/b", b"/c"))
    assert [row.name for row in uploads.all() if row.is_over] == ["1"]


def test_out_of_sight_and_back(uploads: Uploads) -> None:
    """It goes along with its collection, and nobody can ask for it meanwhile."""
    uploads.add(upload("1", b"/a/b/file"))
    uploads.move(b"/a", b"/.davkeep-x")
    assert [row.path for row in uploads.hidden()] == [b"/.davkeep-x/b/file"]
    assert not uploads.hidden()[0].is_over
    uploads.move(b"/.davkeep-x", b"/a")
    assert uploads.find(b"/a/b/file", "anna", "") == upload("1", b"/a/b/file")
    assert uploads.hidden() == []


def test_where_there_are_none_nothing_is_asked(uploads: Uploads, database: Database) -> None:
    """A change of a tree costs no statement then; with the first upload it does."""
    asked: list[str] = []
    assert not uploads.exist()
    database._connection.set_trace_callback(asked.append)
    uploads.move(b"/a", b"/b")
    uploads.end_below(b"/a")
    uploads.end_vanished(b"/a", bool)
    assert uploads.hidden() == []
    assert asked == []
    uploads.add(upload("1"))
    assert uploads.exist()
    uploads.remove("1")
    assert not uploads.exist()


def test_paths_are_checked(uploads: Uploads) -> None:
    """A path that is none is a bug of the caller."""
    with pytest.raises(ValueError, match="absolute"):
        uploads.add(upload("1", b"a"))
