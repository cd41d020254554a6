"""The file of names that were deleted while the database could not be written."""

import os
from pathlib import Path

import pytest

from davkeep.store import departed
from davkeep.store.departed import DepartedFile, DepartedFull
from davkeep.store.record import Side

ONE = Side(os.fsdecode(b"/share/\xff\n1"))
TWO = Side("/share/" + "2" * 340)


def _found(folder: Path) -> list[Side]:
    file = DepartedFile(folder)
    file.close()
    return file.found


def test_notes_outlive_the_process(folder: Path) -> None:
    """Whatever bytes the names hold, in the order in which they were made."""
    folder.mkdir()
    file = DepartedFile(folder)
    file.add(TWO)
    file.add(ONE)
    assert _found(folder) == [TWO, ONE]
    file.clear()
    assert _found(folder) == []
    file.add(ONE)
    assert _found(folder) == [ONE]
    file.close()


def test_a_torn_note_ends_the_notes(folder: Path) -> None:
    """What was being written when the power went is not taken for a name."""
    folder.mkdir()
    file = DepartedFile(folder)
    file.add(ONE)
    file.add(TWO)
    file.close()
    with open(folder / "departed", "r+b") as raw:
        raw.seek(200)
        raw.write(b"torn")
    assert _found(folder) == [ONE]


def test_its_room_is_taken_beforehand_and_is_not_exceeded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file never grows; one note too many is refused, and those before it stay."""
    monkeypatch.setattr(departed, "SIZE", 1024)
    folder.mkdir()
    file = DepartedFile(folder)
    blocks = (folder / "departed").stat().st_blocks
    for _ in range(2):
        file.add(TWO)
    with pytest.raises(DepartedFull):
        file.add(TWO)
    assert (folder / "departed").stat().st_size == 1024
    assert (folder / "departed").stat().st_blocks == blocks > 0
    assert set(_found(folder)) == {TWO}
    file.close()


def test_where_there_is_no_room_for_it_it_is_made_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Notes are in memory alone then, and a warning says so."""
    folder.mkdir()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(departed.os, "write", full)
        file = DepartedFile(folder)
        file.add(ONE)
        assert os.listdir(folder) == []
    assert "only the memory knows" in caplog.text
    file.add(TWO)
    assert _found(folder) == [TWO]
    file.close()
