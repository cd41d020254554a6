"""A server that lacks threads, descriptors, memory, room or the right to write, for a while.

Each limit is a context manager around what is to be done meanwhile, and lifts itself.
`python -m harness.starving THREADS [GROUP] serve ...` is `davkeep serve ...` with so many threads.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from harness.server import RunningServer
from harness.waiting import until

#: Where version 1 of the kernel's groups for processes is mounted, and where version 2 is.
GROUPS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))

#: What the kernel calls the limits of prlimit(1).
NAMES = {
    "nproc": "Max processes",
    "nofile": "Max open files",
    "as": "Max address space",
    "fsize": "Max file size",
}

#: Bytes that are written at once where a file system is filled, the large first.
BLOCKS = (1 << 20, 4096, 1)


@contextmanager
def thread_group() -> Iterator[Path | None]:
    """A control group that limits the number of threads; None where none can be made."""
    made = next(filter(None, map(_new_group, GROUPS)), None)
    try:
        yield made
    finally:
        if made is not None:
            # Who was in it may still be on the way out.
            until(lambda: _is_removed(made), "the group is empty")


def _new_group(above: Path) -> Path | None:
    group = above / f"davkeep-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return None
    if os.access(group / "pids.max", os.W_OK):
        return group
    group.rmdir()
    return None


def _is_removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def join(group: Path, pid: int | None = None) -> None:
    """Put a process (None: the calling one) into the group."""
    (group / "cgroup.procs").write_text(str(pid or os.getpid()))


def allow(group: Path, threads: int | None) -> None:
    """Let the group have so many threads; None: any number."""
    (group / "pids.max").write_text("max" if threads is None else str(threads))


class Confined(RunningServer):
    """A server that has so many threads at most from the start."""

    def __init__(self, folder: Path, root: Path, most: int, group: Path | None, user: int) -> None:
        """``user``: who it runs as where there is no ``group``."""
        self._confinement = [str(most), *([] if group is None else [str(group)])]
        super().__init__(folder, root, {}, user=user if group is None else None)

    @property
    def command(self) -> list[str]:
        """What is run instead of ``davkeep``."""
        return ["-m", "harness.starving", *self._confinement]

    @property
    def environment(self) -> dict[str, str]:
        """Where this module is found."""
        return {"PYTHONPATH": str(Path(__file__).parent.parent)}


def confine(most: int, group: str | None) -> None:
    """Let the calling process have so many threads: in a group, or as an ordinary user."""
    if group is None:
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    else:
        allow(Path(group), most)
        join(Path(group))


@contextmanager
def threads(server: RunningServer, group: Path, more: int = 0) -> Iterator[None]:
    """Let the server have ``more`` threads than it has."""
    join(group, server.process.pid)
    allow(group, server.threads + more)
    try:
        yield
    finally:
        allow(group, None)


@contextmanager
def _limited(server: RunningServer, what: str, most: int) -> Iterator[None]:
    """Lower a soft limit of the server's process, called as prlimit(1) does."""
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    before = next(line for line in limits.splitlines() if line.startswith(NAMES[what]))
    soft = before.removeprefix(NAMES[what]).split()[0]
    _limit(server, what, str(most), check=True)
    try:
        yield
    finally:
        # It may have ended.
        _limit(server, what, soft, check=False)


def _limit(server: RunningServer, what: str, soft: str, *, check: bool) -> None:
    """Root in a container may change limits of its own processes, but not of other users'."""
    command = ["prlimit", f"--pid={server.process.pid}", f"--{what}={soft}:"]
    groups = None if server.user is None else [server.user]
    subprocess.run(
        command,
        check=check,
        capture_output=True,
        user=server.user,
        group=server.user,
        extra_groups=groups,
    )


@contextmanager
def user_threads(server: RunningServer) -> Iterator[None]:
    """Let the server's user, who is not root, have no more threads (RLIMIT_NPROC)."""
    with _limited(server, "nproc", 1):
        yield


@contextmanager
def descriptors(server: RunningServer, more: int = 0) -> Iterator[None]:
    """Let the server open ``more`` descriptors than it has open."""
    taken = {int(name) for name in os.listdir(f"/proc/{server.process.pid}/fd")}
    free = (number for number in range(len(taken) + more + 1) if number not in taken)
    most = [number for number, _ in zip(free, range(more + 1), strict=False)][-1]
    with _limited(server, "nofile", most):
        yield


@contextmanager
def memory(server: RunningServer, more: int = 0) -> Iterator[None]:
    """Let the server have ``more`` bytes of address space than it has."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    size = next(line.split()[1] for line in status.splitlines() if line.startswith("VmSize:"))
    with _limited(server, "as", int(size) * 1024 + more):
        yield


@contextmanager
def full(*disks: Path) -> Iterator[None]:
    """Fill file systems up to the last byte."""
    with ExitStack() as filled:
        for disk in disks:
            filler = disk / "filler"
            filled.callback(filler.unlink)
            _fill(filler)
        yield


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as stream:
        for size in BLOCKS:
            with suppress(OSError):
                while stream.write(bytes(size)):
                    pass


@contextmanager
def read_only(server: RunningServer, disk: Path) -> Iterator[None]:
    """Keep everybody from writing to ``disk``, and the server from writing to any file.

    A file system on which a file is open for writing, as the database is, cannot be mounted
    read-only; SQLite meets the same error either way (SQLITE_IOERR_WRITE).
    """
    with _limited(server, "fsize", 0):
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


if __name__ == "__main__":
    from davkeep.cli import main

    _command = sys.argv.index("serve")
    confine(int(sys.argv[1]), sys.argv[2] if _command > 2 else None)
    sys.exit(main(sys.argv[_command:]))
