"""File systems that take spellings of a name for one; only root can mount them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from harness.disks import unmounted
from harness.programs import find
from harness.server import DEADLINE
from harness.waiting import until

#: Of an image, in bytes.
SIZE = 64 << 20


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _image(folder: Path) -> Path:
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(SIZE)
    return image


@contextmanager
def ntfs(folder: Path) -> Iterator[Path]:
    """NTFS by lowntfs-3g, which lists names in lower case."""
    image, point = _image(folder), folder / "disk"
    point.mkdir()
    _run(find("mkfs.ntfs"), "-F", "-q", image)
    _run(find("lowntfs-3g"), "-o", "ignore_case", image, point)
    with unmounted(point):
        yield point


@contextmanager
def exfat(folder: Path) -> Iterator[Path]:
    """exFAT by exfat-fuse, which keeps names as they were spelled first."""
    image, point = _image(folder), folder / "disk"
    point.mkdir()
    _run(find("mkfs.exfat"), image)
    device = _run(find("losetup"), "--find", "--show", image)
    try:
        _run(find("mount.exfat-fuse"), device, point)
        with unmounted(point):
            yield point
    finally:
        _run(find("losetup"), "--detach", device)


def _folding(form: str) -> Callable[[Path], AbstractContextManager[Path]]:
    @contextmanager
    def mounted(folder: Path) -> Iterator[Path]:
        below, point = folder / "below", folder / "disk"
        below.mkdir()
        point.mkdir()
        command = [sys.executable, "-m", "harness.folding", str(below), str(point), form]
        serving = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
        until(lambda: point.stat().st_dev != folder.stat().st_dev, "it is mounted")
        with unmounted(point):
            yield point
        serving.wait(DEADLINE)

    return mounted


#: By what they make of a name.
FOLDING: dict[str, Callable[[Path], AbstractContextManager[Path]]] = {
    "ntfs": ntfs,
    "exfat": exfat,
    "forms": _folding("-"),
    "nfd": _folding("NFD"),
    "nfc": _folding("NFC"),
}
