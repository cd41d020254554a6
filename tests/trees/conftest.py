"""A world for the engine's tests: real folders, real mounts, another user."""

import contextlib
import ctypes
import fcntl
import os
import pickle
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from davkeep.trees.share import Share
from davkeep.trees.steps import Control, Lane, Result, Steps

#: The staging name of every operation in these tests.
STAGING = ".davkeep-test-1"
#: User and group id of nobody.
NOBODY = 65534
#: prctl(2): lets a process that changed its user read its own /proc again, as a real server can.
_PR_SET_DUMPABLE = 4
#: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_IMMUTABLE_FL (linux/fs.h).
_GET_FLAGS, _SET_FLAGS, _IMMUTABLE = 0x80086601, 0x40086602, 0x10


def snapshot_of(folder: Path) -> dict[bytes, tuple[Any, ...]]:
    """Return what a reader sees below a folder: kind, mode, and content or times of each member."""
    seen: dict[bytes, tuple[Any, ...]] = {}
    pending = [os.fsencode(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                what: tuple[Any, ...] = (oct(status.st_mode),)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_symlink():
                    what += (os.readlink(entry.path), status.st_mtime_ns)
                elif entry.is_file():
                    what += (Path(os.fsdecode(entry.path)).read_bytes(), status.st_mtime_ns)
                seen[os.path.relpath(entry.path, os.fsencode(folder))] = what
    return seen


class World:
    """One folder served as a share, and operations on paths in it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.share = Share(folder, **options)
        self.control = Control(STAGING)
        self.lanes: list[Lane] = []

    def steps(
        self, operation: Callable[..., Steps], *paths: str, follow_last: bool = True, **options: Any
    ) -> Steps:
        """Return the steps of an operation; ``a/b`` names a member of this share."""
        with ExitStack() as opened:
            entries = [
                opened.enter_context(
                    self.share.entry([s for s in path.split("/") if s], follow_last=follow_last)
                )
                for path in paths
            ]
            return (yield from operation(*entries, self.control, **options))

    def run(self, operation: Callable[..., Steps], *paths: str, **options: Any) -> Result:
        """Drive an operation to its end."""
        return self.drive(self.steps(operation, *paths, **options))

    def drive(self, steps: Generator[Lane | None, None, Result]) -> Result:
        """Drive steps to their end and note the lanes they ask for."""
        while True:
            try:
                lane = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            if lane is not None:
                self.lanes.append(lane)

    def make(self, tree: dict[str, Any], below: str = "") -> None:
        """Make files (bytes), collections (dict) and links (str) from a description."""
        (self.folder / below).mkdir(parents=True, exist_ok=True)
        for name, what in tree.items():
            path = self.folder / below / name
            if isinstance(what, dict):
                self.make(what, f"{below}/{name}" if below else name)
            elif isinstance(what, str):
                path.symlink_to(what)
            else:
                path.write_bytes(what)

    def snapshot(self, below: str = "") -> dict[bytes, tuple[Any, ...]]:
        """Return what a reader sees in the share."""
        return snapshot_of(self.folder / below)

    def hidden(self) -> list[str]:
        """Return the hidden names left anywhere in the share."""
        return [os.fsdecode(name) for name in self.snapshot() if b".davkeep" in name]

    def entry(self, path: str, **options: Any) -> Any:
        """Return an entry of the share, to be used in ``with``."""
        return self.share.entry([segment for segment in path.split("/") if segment], **options)


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Return a maker of worlds, by default each in a new folder; all are closed at the end."""
    made: list[World] = []

    def make(folder: Path | None = None, **options: Any) -> World:
        if folder is None:
            folder = tmp_path / f"world{len(made)}"
            folder.mkdir()
        made.append(World(folder, **options))
        return made[-1]

    yield make
    for world in made:
        world.share.close()


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """Return a world in a new folder."""
    return new_world()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="davkeep-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fds() -> Callable[[], list[str]]:
    """Return a function that lists what this process has open."""

    def listed() -> list[str]:
        targets = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                targets.append(os.readlink(f"/proc/self/fd/{fd}"))
            except FileNotFoundError:
                continue
        return sorted(targets)

    return listed


@pytest.fixture
def as_nobody() -> Callable[[Callable[[], Any]], Any]:
    """Return a runner of functions as the user nobody, in a child process."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    return _as_nobody


def _as_nobody(function: Callable[[], Any]) -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            with os.fdopen(writing, "wb") as answer:
                pickle.dump(_outcome(function), answer)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        data = answer.read()
    os.waitpid(child, 0)
    worked, value = pickle.loads(data)
    if worked:
        return value
    raise value


def _outcome(function: Callable[[], Any]) -> tuple[bool, Any]:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        return True, function()
    except Exception as error:
        return False, error


@pytest.fixture
def mount() -> Iterator[Callable[..., Path]]:
    """Return a mounter: arguments of mount(8), the mount point last; all are unmounted."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    points: list[Path] = []

    def mounted(*arguments: str | Path) -> Path:
        point = Path(arguments[-1])
        point.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", *map(str, arguments)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"this system does not mount that: {done.stderr.strip()}")
        points.append(point)
        return point

    yield mounted
    for point in reversed(points):
        subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.fixture
def small_tmpfs(mount: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a file system of its own with room for 1 MiB."""
    return mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path / "small")


@pytest.fixture
def other_folder() -> Iterator[Path]:
    """Return another folder that every user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="davkeep-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def other_tmpfs(other_folder: Path, mount: Callable[..., Path]) -> Path:
    """Return a file system of its own with room for 64 MiB, that every user can reach."""
    return mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", other_folder / "other")


@pytest.fixture
def immutable() -> Iterator[Callable[[Path], None]]:
    """Return a function that makes a file or directory immutable until the test's end."""
    if os.geteuid() != 0:
        pytest.skip("only root sets the immutable flag")
    marked: list[int] = []

    def mark(path: Path) -> None:
        fd = os.open(path, os.O_RDONLY)
        marked.append(fd)
        try:
            _set_flags(fd, _IMMUTABLE)
        except OSError as error:
            pytest.skip(f"no immutable flag here: {error}")

    yield mark
    for fd in marked:
        with contextlib.suppress(OSError):
            _set_flags(fd, 0)
        os.close(fd)


def _set_flags(fd: int, flags: int) -> None:
    """Set the flag on an open file, which may have another name by the time it is cleared."""
    kept = struct.unpack("l", fcntl.ioctl(fd, _GET_FLAGS, struct.pack("l", 0)))[0] & ~_IMMUTABLE
    fcntl.ioctl(fd, _SET_FLAGS, struct.pack("l", kept | flags))


@pytest.fixture
def without_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let renameat2 answer as bindfs does: EINVAL for every flag."""

    def refused(*_: Any) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("davkeep.trees.renames._rename", refused)
