"""Where it is measured: in memory, or on the disk."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.disks import MEMORY, mounted

#: What ``--where`` takes.
PLACES = ("tmpfs", "disk")


@contextmanager
def place(where: str) -> Iterator[Path]:
    """Make a folder in memory, on a file system of its own if one can be mounted, or on the disk.

    The disk is the one that TMPDIR, or else /tmp, is on.
    """
    with ExitStack() as opened:
        folder = _folder(opened, None)
        if where == "tmpfs":
            try:
                folder = opened.enter_context(mounted(folder / "memory", "80%"))
            except subprocess.CalledProcessError:
                folder = _folder(opened, MEMORY)
        yield folder


def _folder(opened: ExitStack, above: Path | None) -> Path:
    name = opened.enter_context(tempfile.TemporaryDirectory(prefix="davkeep-speed-", dir=above))
    # Apache serves as another user.
    os.chmod(name, 0o755)
    return Path(name)


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is on, by proc_pid_mountinfo(5)."""
    device = os.stat(folder).st_dev
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == f"{os.major(device)}:{os.minor(device)}":
            return source.split()[0]
    return "unknown"


def stolen() -> tuple[int, int]:
    """Ticks of the processors that the host took for others, and all, since the machine began."""
    ticks = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:9]
    return int(ticks[7]), sum(map(int, ticks))
