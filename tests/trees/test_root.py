"""The folder of a share that goes away and comes back."""

import os
from pathlib import Path

import pytest

from davkeep.trees import root as module
from davkeep.trees.mounts import mount_point_of
from davkeep.trees.root import Root, ShareGoneError
from davkeep.words.status import status_of_errno


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with something in it."""
    (tmp_path / "share").mkdir()
    return tmp_path / "share"


def _opened(root: Root) -> int:
    """Open it and return its inode."""
    fd, (identities, _) = root.open()
    try:
        assert identities[-1] == (os.fstat(fd).st_dev, os.fstat(fd).st_ino)
        return identities[-1][1]
    finally:
        os.close(fd)


def test_it_is_found_anew(folder: Path) -> None:
    """Gone it raises; back, or replaced, it is what has the name now."""
    root = Root(folder)
    own = _opened(root)
    folder.rename(folder.with_name("away"))
    with pytest.raises(ShareGoneError) as gone:
        root.open()
    assert status_of_errno(gone.value.errno) == 503
    assert str(folder) not in str(gone.value)
    assert not root.is_there()
    folder.with_name("away").rename(folder)
    assert _opened(root) == own
    folder.rename(folder.with_name("away"))
    folder.mkdir()
    assert root.is_there()
    assert _opened(root) == folder.stat().st_ino != own


@pytest.mark.parametrize("instead", ["file", "link"])
def test_what_is_no_folder_is_not_the_share(folder: Path, instead: str) -> None:
    """Nor is a symbolic link to another one."""
    root = Root(folder)
    folder.rename(folder.with_name("away"))
    if instead == "file":
        folder.write_bytes(b"")
    else:
        folder.symlink_to("away")
    assert not root.is_there()


def test_the_directory_below_a_mount_point_is_not_the_share(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes to light when a disk goes is refused; what is mounted later on is taken."""
    points = [os.fsencode(folder)]
    monkeypatch.setattr(module, "mount_point_of", lambda _: points[-1])
    root = Root(folder)
    folder.rename(folder.with_name("disk"))
    folder.mkdir()
    points.append(b"/")
    assert not root.is_there()
    points.append(os.fsencode(folder))
    assert root.is_there()


def test_nothing_is_kept_open(folder: Path, fds: object) -> None:
    """Neither by a share that is there nor by one that is gone."""
    assert callable(fds)
    before = fds()
    root = Root(folder)
    root.is_there()
    folder.rmdir()
    root.is_there()
    assert fds() == before


def test_the_mount_point_of_a_folder() -> None:
    """The nearest one above, or the folder itself."""
    assert mount_point_of("/proc") == b"/proc"
    assert mount_point_of("/proc/self") == b"/proc"
    assert mount_point_of("/procedure") == mount_point_of("/") == b"/"
