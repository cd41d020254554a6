"""Which file systems share blocks: found by trying, without a trace."""

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.sharing import can_share_blocks
from harness.images import SHARING, disk_of
from harness.states import fill


def _tried(folder: Path) -> bool:
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        return can_share_blocks(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("kind", ["btrfs", "xfs", "ext4"])
def test_a_trial(kind: str, tmp_path: Path, fds: Callable[[], list[str]]) -> None:
    """btrfs and XFS share blocks, ext4 does not; the directory is as it was."""
    with disk_of(kind, tmp_path / kind) as disk:
        folder = disk / "folder"
        folder.mkdir()
        before, opened = folder.stat(), fds()
        assert _tried(folder) is (kind in SHARING)
        assert (os.listdir(folder), fds()) == ([], opened)
        after = folder.stat()
        assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)


def test_a_disk_in_memory(small_tmpfs: Path) -> None:
    """Its files share nothing."""
    assert _tried(small_tmpfs) is False


def test_what_tells_nothing(tmp_path: Path, as_nobody: Callable[[Callable[[], Any]], Any]) -> None:
    """A full disk, a read-only one and a directory of somebody else's are no answer."""
    with disk_of("btrfs", tmp_path / "btrfs") as disk:
        with pytest.raises(PermissionError):
            as_nobody(lambda: _tried(disk))
        fill(disk)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            _tried(disk)
        (disk / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            _tried(disk)
