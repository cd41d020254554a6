"""What is remembered of trials, and what is not when there is no thread or descriptor for one."""

import errno
import os
from pathlib import Path

import pytest

from davkeep.dav import sharing
from davkeep.dav.sharing import Sharing
from davkeep.trees.share import Kind, Share
from davkeep.words.threads import ThreadRefusedError


def _asked(known: Sharing, folder: Path) -> bool:
    with Share(folder).entry(()) as root:
        return known.holds_for(root, Kind.COLLECTION)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each trial finds that blocks are shared, and is noted here."""
    made: list[int] = []

    def tried(folder_fd: int) -> bool:
        made.append(folder_fd)
        return True

    monkeypatch.setattr(sharing, "can_share_blocks", tried)
    return made


def test_each_file_system_is_tried_once(tmp_path: Path, trials: list[int]) -> None:
    """Whatever collection is asked about."""
    known = Sharing()
    (tmp_path / "other").mkdir()
    assert all(_asked(known, folder) for folder in (tmp_path, tmp_path / "other", tmp_path))
    assert len(trials) == 1


def test_without_a_descriptor(
    tmp_path: Path, trials: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error for who asks then, and the next one is answered."""
    known = Sharing()

    def none_left(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as short:
        short.setattr(sharing.os, "dup", none_left)
        with pytest.raises(OSError, match="Too many open files"):
            _asked(known, tmp_path)
    assert _asked(known, tmp_path)


def test_without_a_thread(
    tmp_path: Path, trials: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no answer at once, and one for who asks when there are threads again."""
    known = Sharing()

    def none_left(*_: object) -> None:
        raise ThreadRefusedError(errno.EAGAIN, "no thread")

    with monkeypatch.context() as short:
        short.setattr(sharing, "start_brief", none_left)
        assert not _asked(known, tmp_path)
    assert _asked(known, tmp_path)
