"""Trees of files to work on, and what is in them afterwards."""

import os
from pathlib import Path

from davkeep.trees.marker import MARKER

#: What a tree holds: relative paths, and the bytes of files; None for a collection.
Contents = dict[str, bytes | None]


def plant(folder: Path, files: int, mark: str = "") -> Contents:
    """Make a collection with ``files`` files, each different and with ``mark``; return it."""
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"{number:05}").write_bytes(f"{mark}{number}\n".encode())
    return contents(folder)


def members(folder: Path) -> list[str]:
    """The names in a folder, hidden ones included, but for the marker that a share has."""
    return [name for name in os.listdir(folder) if name != MARKER]


def contents(folder: Path) -> Contents:
    """Read a whole tree, hidden entries included, but for the markers that shares have."""
    found: Contents = {}
    for path, folders, files in os.walk(folder):
        below = Path(path)
        found |= {str((below / name).relative_to(folder)): None for name in folders}
        for name in (name for name in files if name != MARKER):
            found[str((below / name).relative_to(folder))] = (below / name).read_bytes()
    return found


def count(folder: Path) -> int:
    """Count the members of one collection; 0 if it is not there."""
    try:
        return len(members(folder))
    except FileNotFoundError:
        return 0
