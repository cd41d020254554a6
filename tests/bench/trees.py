"""The trees that are copied and removed, and the comparison of what came of it."""

import os
import shutil
from pathlib import Path

#: Members of one directory of a tree.
FAN = 100


def make_tree(folder: Path, files: int, size: int) -> Path:
    """Make ``files`` files of ``size`` bytes, a hundred in each directory."""
    for start in range(0, files, FAN):
        below = folder / f"{start // FAN:04}"
        below.mkdir(parents=True)
        for number in range(start, min(start + FAN, files)):
            (below / f"{number:06}.bin").write_bytes(b"%08d" % number * (size // 8))
    return folder


def make_file(file: Path, size: int) -> Path:
    """Make one file that has no holes."""
    block = os.urandom(min(size, 1024 * 1024))
    with file.open("wb") as stream:
        for _ in range(0, size, len(block)):
            stream.write(block)
    return file


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` with what is in it."""
    return {
        os.path.relpath(os.path.join(above, name), folder): Path(above, name).read_bytes()
        for above, _, names in os.walk(folder)
        for name in names
    }


def throw_away(folder: Path) -> None:
    """Remove what a measurement has left."""
    shutil.rmtree(folder, ignore_errors=True)
