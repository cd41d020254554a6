"""davfs2: a mount, and what is done in it."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.clients.words import HELLO, Errand, Told
from harness.programs import find
from harness.server import DEADLINE

#: Seconds that davfs2 waits for a sign of life by itself.
DEFAULT_PATIENCE = 30.0


def davfs2(errand: Errand) -> Told:
    """Rename a tree from one file system to another, then read a file."""
    with mounted(f"http://{errand.authority}/", errand.patience or DEFAULT_PATIENCE) as mount:
        own = mount / errand.place
        try:
            os.rename(own / "tree", mount / "far" / errand.place / "moved")
            said = "renamed"
        except OSError as error:
            said = str(error.strerror)
        return Told(said == "renamed", said, (own / "hello").read_bytes() == HELLO)


@contextmanager
def mounted(url: str, patience: float) -> Iterator[Path]:
    """Mount a collection; unmounted at the end, and the process that serves it is ended."""
    # Not below pytest's folder: mount.davfs serves as the user davfs2, who cannot enter it.
    folder = Path(tempfile.mkdtemp(prefix="davkeep-davfs2-"))
    folder.chmod(0o755)
    point = folder / "mount"
    try:
        done = subprocess.run(
            [find("mount.davfs"), url, point, "-o", f"conf={_settings(folder, patience)}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield point
    finally:
        _unmount(point)
        shutil.rmtree(folder, ignore_errors=True)


def _settings(folder: Path, patience: float) -> Path:
    """Make a folder for a mount: where it is mounted, its cache and its settings."""
    for name in ("cache", "mount"):
        (folder / name).mkdir()
    shutil.chown(folder / "cache", group="davfs2")
    (folder / "cache").chmod(0o770)
    settings = folder / "davfs2.conf"
    settings.write_text(
        f"read_timeout {patience:g}\nuse_locks 1\nask_auth 0\ncache_dir {folder}/cache\n"
        "delay_upload 0\n"
    )
    return settings


def _unmount(point: Path) -> None:
    """Without davfs2's own helper (-i), which would wait for a process that hangs."""
    pid = _process_of(point)
    subprocess.run(["umount", "-i", "-l", point], check=False, capture_output=True)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                signal.pidfd_send_signal(process, number)
                if select.select([process], [], [], 10)[0]:
                    break
        finally:
            os.close(process)


def _process_of(point: Path) -> int | None:
    """The mount.davfs that serves a mount point: the one whose command line names it."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"mount.davfs") and os.fsencode(point) in words:
                return int(folder.name)
    return None
