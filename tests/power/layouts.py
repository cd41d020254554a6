"""Which file systems lie on the disks, and where on them shares and state are."""

import errno
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.programs import lookup, missing
from power.system import mount_file

MIB = 1 << 20


@dataclass(frozen=True)
class Kind:
    """A file system: how it is made (the file comes last), with which options it is mounted."""

    name: str
    package: str
    size: int
    make: tuple[str, ...]
    options: str = ""


EXT4 = Kind(
    "ext4",
    "e2fsprogs",
    64 * MIB,
    ("mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-J", "size=4", "-E",
     "lazy_itable_init=0,lazy_journal_init=0,nodiscard"),
)  # fmt: skip
#: Its log is smaller than what its makers support, so that images are copied sooner.
XFS = Kind(
    "xfs",
    "xfsprogs",
    300 * MIB,
    ("mkfs.xfs", "--unsupported", "-q", "-f", "-K", "-l", "size=8m"),
    "nouuid",
)
BTRFS = Kind(
    "btrfs",
    "btrfs-progs",
    128 * MIB,
    ("mkfs.btrfs", "-q", "-f", "-K", "-m", "single", "-d", "single"),
    "nodiscard",
)


@dataclass(frozen=True)
class Layout:
    """Disks: the share ``/`` is on the first, ``/there`` on the second, the state on the last one
    that has a ``state``.
    """

    name: str
    words: str
    kinds: tuple[Kind, ...]

    @property
    def disks(self) -> tuple[str, ...]:
        """The names of the disks."""
        return ("a", "b", "c")[: len(self.kinds)]

    @property
    def state_disk(self) -> str:
        """On which the state is."""
        return self.disks[2] if len(self.kinds) == 3 else "a"


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("ext4", "ext4, two disks, the state on the first", (EXT4, EXT4)),
        Layout("ext4-three", "ext4, three disks, the state on the third", (EXT4, EXT4, EXT4)),
        Layout("xfs", "XFS, two disks, the state on the first", (XFS, XFS)),
        Layout("btrfs", "btrfs, two disks, the state on the first", (BTRFS, BTRFS)),
    )
}


class Ground:
    """Where everything is while disks of one layout are used: paths that are always the same."""

    def __init__(self, layout: Layout, folder: Path) -> None:
        """``folder`` is the caller's to remove, and on another file system than the disks."""
        self.layout = layout
        self.folder = folder

    @property
    def here(self) -> Path:
        """The folder of the share ``/``."""
        return self.folder / "a" / "share"

    @property
    def there(self) -> Path:
        """The folder of the share ``/there``."""
        return self.folder / "b" / "share"

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / self.layout.state_disk / "state"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "davkeep.yaml"

    def prepare(self) -> None:
        """Make the places to mount at, and the configuration."""
        for name in ("disks", *self.layout.disks):
            (self.folder / name).mkdir()
        mapping = {"/": str(self.here), "/there": str(self.there)}
        block = {"state": str(self.state), "fsync": True, "operations": {"grace": 10}}
        text = {"port": 0, "provider_mapping": mapping, "davkeep": block}
        self.config.write_text(yaml.safe_dump(text))

    def fresh_disks(self, folder: Path) -> list[Path]:
        """Files with new file systems, made once and copied."""
        folder.mkdir()
        files = []
        for number, kind in enumerate(self.layout.kinds):
            base = self.folder / f"base-{number}"
            if not base.exists():
                _make(kind, base)
            files.append(folder / f"disk-{self.layout.disks[number]}")
            copy_sparse(base, files[-1])
        return files

    def mount(self, files: list[Path]) -> list[str]:
        """Mount the disks, in this process's namespace; return the devices."""
        return [
            mount_file(file, self.folder / disk, kind.name, kind.options)
            for file, disk, kind in zip(files, self.layout.disks, self.layout.kinds, strict=True)
        ]


def _make(kind: Kind, file: Path) -> None:
    program = lookup(kind.make[0])
    if program is None:
        missing(f"{kind.make[0]} is missing; sudo apt-get install {kind.package}")
    with file.open("wb") as made:
        made.truncate(kind.size)
    subprocess.run([program, *kind.make[1:], str(file)], check=True, capture_output=True)


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file of which most is a hole."""
    with source.open("rb") as old, target.open("wb") as new:
        new.truncate(os.fstat(old.fileno()).st_size)
        position = _data_from(old.fileno(), 0)
        while position is not None:
            end = os.lseek(old.fileno(), position, os.SEEK_HOLE)
            block = os.pread(old.fileno(), min(end - position, MIB), position)
            os.pwrite(new.fileno(), block, position)
            position = _data_from(old.fileno(), position + len(block))


def _data_from(fd: int, position: int) -> int | None:
    """Where the next bytes are that are no hole; None behind the last ones."""
    try:
        return os.lseek(fd, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None
