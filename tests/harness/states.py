"""State folders as a start meets them."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.commands import run

DATABASE = "davkeep.sqlite3"


def refused(state: Path, root: Path) -> str:
    """The one line that a start over a state says when it refuses, with status 2."""
    config = root.parent / "refused.yaml"
    config.write_text(f"davkeep: {{state: {state}}}\n")
    ended = run("serve", "-p", "0", "-c", str(config), "-r", str(root))
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("davkeep: davkeep.state: ")
    return ended.stderr


def ask_database(file: Path, question: str) -> list[tuple[object, ...]]:
    """What a database that nobody else has open answers."""
    with closing(sqlite3.connect(file)) as database:
        return database.execute(question).fetchall()


def fill(folder: Path) -> None:
    """Write until there is no room left, and bring that to the disk."""
    name = folder / "filler"
    for size in (1 << 20, 1 << 16, 4096, 512):
        with name.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(size))
                    os.fsync(file.fileno())
            except OSError:
                continue


@contextmanager
def image_mounted(folder: Path, kind: str, size: int) -> Iterator[Path]:
    """A new file system of `size` MiB on a file, mounted at ``folder / "disk"``; root only."""
    image, point = folder / f"{kind}.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(size << 20)
    subprocess.run([f"mkfs.{kind}", "-q", str(image)], check=True, capture_output=True)
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=True)
