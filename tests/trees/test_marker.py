"""The marker of a share: what it may say, and how it is written."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.fingerprint import Fingerprint
from davkeep.trees.marker import (
    MARKER,
    MOST_BYTES,
    Marker,
    MarkerBroken,
    alone_at,
    marker_if_any,
    read_marker,
    write_marker,
)
from davkeep.trees.place import PASS
from davkeep.trees.spelling import EXACT, PROBE
from davkeep.words.names import is_reserved

ONE = Marker("01234567-89ab-cdef-0123-456789abcdef", "c0ffee00", "/var/lib/davkeep")
TOLD = {"davkeep": 1, "share": ONE.share, "state": ONE.state, "folder": ONE.folder}


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    """A root, open as davkeep opens it."""
    fd = os.open(tmp_path, PASS)
    yield fd
    os.close(fd)


def test_what_is_written_is_read(fd: int, tmp_path: Path) -> None:
    """For everybody to read, whatever the umask, under a name that clients cannot reach."""
    before = os.umask(0o077)
    try:
        assert read_marker(fd) is None
        assert write_marker(fd, ONE, fsync=True) == EXACT
    finally:
        os.umask(before)
    assert read_marker(fd) == ONE
    assert os.listdir(tmp_path) == [MARKER]
    assert (tmp_path / MARKER).stat().st_mode & 0o777 == 0o644
    assert is_reserved(MARKER)
    assert is_reserved(PROBE)


def test_a_crash_leaves_nothing_in_the_way(fd: int, tmp_path: Path) -> None:
    """What was staged before is written anew."""
    (tmp_path / PROBE).write_bytes(b"half")
    write_marker(fd, ONE, fsync=False)
    assert os.listdir(tmp_path) == [MARKER]


@pytest.mark.parametrize(
    "change",
    [
        {"davkeep": 2},
        {"davkeep": None},
        {"share": "x"},
        {"share": None},
        {"share": ONE.share.upper()},
        {"state": "../x"},
        {"state": "\N{GREEK SMALL LETTER ALPHA}" * 8},
        {"state": ["c0ffee00"]},
        {"folder": "relative"},
        {"folder": "/a\0b"},
        {"folder": "/\ud800"},
        {"folder": 7},
        {"more": "x"},
    ],
    ids=str,
)
def test_what_it_may_not_say(fd: int, tmp_path: Path, change: dict[str, Any]) -> None:
    """Whatever somebody has written there, it is refused as a marker and breaks nothing."""
    (tmp_path / MARKER).write_text(json.dumps(TOLD | change))
    with pytest.raises(MarkerBroken):
        read_marker(fd)
    assert marker_if_any(fd) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b"\xff\xfe",
        b"[" * MOST_BYTES,
        b" " * 10 * MOST_BYTES + json.dumps(TOLD).encode(),
        b'{"davkeep": 1' + b"0" * 5000 + b"}",
    ],
    ids=["empty", "null", "list", "number", "bytes", "deep", "long", "big"],
)
def test_what_is_no_marker(fd: int, tmp_path: Path, text: bytes) -> None:
    """The same of what is no object."""
    (tmp_path / MARKER).write_bytes(text)
    with pytest.raises(MarkerBroken):
        read_marker(fd)


def test_one_at_a_time(fd: int) -> None:
    """Whoever is alone at a root keeps others waiting, and nobody waits for who has left."""
    entered = threading.Event()

    def enter() -> None:
        with alone_at(fd):
            entered.set()

    with alone_at(fd):
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not entered.wait(0.05)
    assert entered.wait(30)
    waiting.join()


def test_a_fingerprint(tmp_path: Path) -> None:
    """It tells a directory from another one in its place, and nothing where a part is missing."""
    folder = tmp_path / "folder"
    folder.mkdir()

    def taken() -> Fingerprint:
        fd = os.open(folder, PASS)
        try:
            return Fingerprint.of(fd)
        finally:
            os.close(fd)

    first = taken()
    assert first.is_whole
    folder.rename(tmp_path / "moved")
    (tmp_path / "moved").rename(folder)
    assert first.tells(taken())
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    assert not first.tells(taken())
    for part in ("filesystem", "born"):
        told = Fingerprint(
            **{"filesystem": "uuid", "inode": "2", "born": "1"} | {part: None}  # type: ignore[arg-type]
        )
        assert not told.tells(told)
