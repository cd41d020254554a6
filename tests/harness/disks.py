"""File systems other than the one that tests usually write to."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: A file system in memory that is mounted everywhere.
MEMORY = Path("/dev/shm")


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Make a folder on a file system that is not that of pytest's folders."""
    folder = Path(tempfile.mkdtemp(prefix="davkeep-", dir=MEMORY))
    try:
        assert folder.stat().st_dev != Path(tempfile.gettempdir()).stat().st_dev
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mounted(folder: Path, size: str = "50%") -> Iterator[Path]:
    """Mount a file system in memory, of at most ``size``, at ``folder``; only root can."""
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "davkeep-test"):
        yield folder


@contextmanager
def bound(source: Path, folder: Path) -> Iterator[Path]:
    """Mount a folder once more, at ``folder``; only root can."""
    with _mounted(folder, "--bind", str(source)):
        yield folder


@contextmanager
def _mounted(folder: Path, *what: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", *what, str(folder)], check=True)
    with unmounted(folder):
        yield folder


@contextmanager
def unmounted(folder: Path) -> Iterator[None]:
    """Unmount what is mounted at ``folder`` at the end."""
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
