"""How names are spelled in a file system, as far as a directory alone can show it."""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from davkeep.trees.place import PASS
from davkeep.trees.share import Share
from davkeep.trees.spelling import EXACT, FOLDING, PROBE, Spelling, Spellings, listed_as, respelled


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    """A directory."""
    fd = os.open(tmp_path, PASS)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    "spelling",
    [
        EXACT,
        FOLDING,
        Spelling(folds=True, lowers=True),
        Spelling(folds=True, form="NFD"),
        Spelling(folds=True, form="NFC", differs=True),
    ],
    ids=str,
)
def test_as_text_and_back(spelling: Spelling) -> None:
    """What the store keeps says the same."""
    assert Spelling.from_text(spelling.as_text()) == spelling


def test_how_a_new_name_is_kept() -> None:
    """As it is given, or as the file system has it."""
    assert EXACT.new("\xc4") == "\xc4"
    assert Spelling(lowers=True).new("\xc4B") == "\xe4b"
    assert Spelling(form="NFD").new("\xc4") == "A\u0308"
    assert Spelling(form="NFC").new("A\u0308") == "\xc4"


def test_the_probe_shows_everything() -> None:
    """It has letters of both cases, and its two forms are others."""
    assert PROBE not in (PROBE.lower(), PROBE.upper())
    assert not any(unicodedata.is_normalized(form, PROBE) for form in ("NFC", "NFD"))
    assert len(respelled(PROBE)) == 3


def test_a_name_that_is_listed_is_itself(fd: int, tmp_path: Path) -> None:
    """Also where others are spelled almost like it."""
    for name in ("a", "A"):
        (tmp_path / name).touch()
        assert listed_as(fd, name, FOLDING) == name
    assert listed_as(fd, "b", FOLDING) == "b"


def test_what_is_learned_by_looking(fd: int, tmp_path: Path) -> None:
    """Where nothing may be tried, what is there tells; after that nothing more is asked."""
    spellings = Spellings(may_write=False)
    status = os.stat(tmp_path)
    own = (status.st_dev, status.st_ino)
    assert spellings.stored(fd, own, "Name") == "Name"
    assert spellings.of(own[0]) == EXACT
    (tmp_path / "Name").touch()
    assert spellings.stored(fd, own, "Name") == "Name"
    assert spellings.stored(fd, own, "nAME") == "nAME"
    assert spellings.stored(-1, own, "Name") == "Name"


def test_what_is_learned_by_trying(fd: int, tmp_path: Path) -> None:
    """A file system that nobody knows is tried once, and nothing is left of that."""
    spellings = Spellings(may_write=True)
    status = os.stat(tmp_path)
    assert spellings.stored(fd, (status.st_dev, status.st_ino), "Name") == "Name"
    assert spellings.of(status.st_dev) == EXACT
    assert os.listdir(tmp_path) == []
    assert spellings.stored(-1, (status.st_dev, status.st_ino), "Other") == "Other"


def test_where_directories_differ(fd: int, tmp_path: Path) -> None:
    """What one shows says nothing about the others."""
    spellings = Spellings(may_write=True)
    status = os.stat(tmp_path)
    spellings.settle(status.st_dev, Spelling(differs=True))
    (tmp_path / "Name").touch()
    assert spellings.stored(fd, (status.st_dev, status.st_ino), "Name") == "Name"
    assert spellings.stored(-1, (status.st_dev, status.st_ino), "Name") == "Name"
    assert spellings.of(status.st_dev).differs


def test_an_exact_share_asks_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call more for a request where names are kept as they are: as most are."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    share = Share(tmp_path)
    monkeypatch.setattr("davkeep.trees.spelling.os", None)
    with share.entry(["a", "b", "C"]) as entry:
        assert entry.segments == ("a", "b", "C")
