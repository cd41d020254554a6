"""The marker in the root of a share: a hidden file that says which share it is, and whose."""

import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from davkeep.trees.durability import flush_directory
from davkeep.trees.spelling import PROBE, Spelling, is_found_otherwise, tried

#: Its name, which no client can reach, and no walk sees: see ``words.names.is_reserved``.
MARKER = ".davkeep.share"

#: What is read of one at most.
MOST_BYTES = 16 * 1024

#: What a file system says that has no such letters.
_NO_SUCH_NAME = frozenset((errno.EILSEQ, errno.EINVAL, errno.ENOENT, errno.EIO))

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: What an instance may be called; see `store.instance`.
_STATE = re.compile(r"[0-9a-f]{4,32}")

#: The newest form of a marker that is known here.
_FORM = 1


class MarkerBroken(ValueError):
    """A marker that says nothing: somebody wrote into it, or a newer davkeep did."""


class MarkerIsNoFile(MarkerBroken):
    """What has the name of a marker is a folder, a link or something else."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What it says.

    `share` is a UUID, `state` the name of the instance to which the share belongs, and `folder`
    where that keeps its state, on the machine that wrote this.
    """

    share: str
    state: str
    folder: str

    def as_text(self) -> bytes:
        """One line of JSON."""
        told = {"davkeep": _FORM, "share": self.share, "state": self.state, "folder": self.folder}
        return json.dumps(told).encode("ascii") + b"\n"

    @classmethod
    def from_text(cls, text: bytes) -> "Marker":
        """What a text says. Raises MarkerBroken."""
        try:
            told = json.loads(text)
            form = told.pop("davkeep")
            marker = cls(**told)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise MarkerBroken("it is not what davkeep writes") from None
        if form != _FORM:
            raise MarkerBroken("it is of another version of davkeep")
        if not all(isinstance(each, str) for each in told.values()):
            raise MarkerBroken("it is not what davkeep writes")
        if not _UUID.fullmatch(marker.share):
            raise MarkerBroken("it names no share")
        if not (_STATE.fullmatch(marker.state) and _is_path(marker.folder)):
            raise MarkerBroken("it names no state")
        return marker


def read_marker(root_fd: int) -> Marker | None:
    """The marker in an open directory; None where there is none.

    Raises MarkerBroken, also for what is no regular file, and OSError for one that cannot be read.
    """
    try:
        kind = os.lstat(MARKER, dir_fd=root_fd).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(kind):
        raise MarkerIsNoFile("it is no file")
    # Whatever it has become since then, this neither follows it nor waits for it.
    how = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(MARKER, how, dir_fd=root_fd), "rb") as file:
        return Marker.from_text(file.read(MOST_BYTES))


def is_marker_respelled(root_fd: int) -> bool:
    """Whether a marker that is there is found in another case."""
    return is_found_otherwise(root_fd, [MARKER.upper()])


def marker_if_any(root_fd: int) -> Marker | None:
    """The same; None also where it says nothing."""
    with suppress(MarkerBroken):
        return read_marker(root_fd)
    return None


def _is_path(text: str) -> bool:
    try:
        return text.startswith("/") and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


@contextmanager
def alone_at(root_fd: int) -> Iterator[None]:
    """Nobody else who does the same writes a marker into the open directory meanwhile.

    Of two servers that begin with a share at the same moment one is the first. Where a directory
    cannot be locked (NFS, or one that may not be read) that is left to luck.
    """
    fd = _locked(root_fd)
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def _locked(root_fd: int) -> int | None:
    with ExitStack() as undo, suppress(OSError):
        fd = os.open(f"/proc/self/fd/{root_fd}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        undo.callback(os.close, fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        undo.pop_all()
        return fd
    return None


def write_marker(root_fd: int, marker: Marker, *, fsync: bool) -> Spelling:
    """Put a marker into an open directory, in the place of any other; lastingly if `fsync` is set.

    To be done by who is alone there. Return what the directory makes of the spelling of names, for
    which the marker has another name at first. Raises OSError, and nothing is changed then.
    """
    try:
        return _written(root_fd, PROBE, marker, fsync=fsync)
    except OSError as error:
        if error.errno not in _NO_SUCH_NAME:
            raise
    return _written(root_fd, f"{MARKER}.new", marker, fsync=fsync)


def _written(root_fd: int, staged: str, marker: Marker, *, fsync: bool) -> Spelling:
    with suppress(FileNotFoundError):
        os.unlink(staged, dir_fd=root_fd)
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(staged, how, 0o644, dir_fd=root_fd)
    try:
        # Whoever else serves it has to see that it is marked.
        os.fchmod(fd, 0o644)
        spelling = tried(root_fd, staged)
        _fill(fd, marker.as_text(), fsync=fsync)
        os.rename(staged, MARKER, src_dir_fd=root_fd, dst_dir_fd=root_fd)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(staged, dir_fd=root_fd)
        raise
    if fsync:
        flush_directory(root_fd)
    return spelling


def _fill(fd: int, text: bytes, *, fsync: bool) -> None:
    try:
        if os.write(fd, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if fsync:
            os.fsync(fd)
    finally:
        os.close(fd)
