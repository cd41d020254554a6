"""Finding out whether a tree can be removed by us, before anything of it is touched."""

import errno
import os
import re
import stat
from collections.abc import Generator
from enum import Enum, auto
from itertools import islice

from davkeep.trees.descent import DIRECTORY, Descent
from davkeep.trees.failures import refuse_shortage
from davkeep.trees.mounts import busy
from davkeep.trees.statx import Examiner, counts_subdirectories
from davkeep.trees.steps import MemberError, MemberErrors

#: Members of one directory examined between two checkpoints; about 4 ms.
_STRETCH = 1024
#: CAP_FOWNER (linux/capability.h): whoever has it removes from sticky directories.
_CAP_FOWNER = 1 << 3


class Look(Enum):
    """How much a scan looks at; the times are those of 10,000 files in 100 directories in memory.

    Files are always examined in a sticky directory where we may not remove everybody's.
    """

    FILES = auto()
    """At everything: 26 ms."""
    NAMES = auto()
    """At collections; other members are counted, and one that is immutable is not seen: 5 ms."""
    COLLECTIONS = auto()
    """The same, and those are not read of which it is known that no collection is in them: 1 ms."""


class Scan:
    """One look at every member of a collection; used once.

    ``blocked``: those that we could not remove, each with its reason. ``members`` counts all, the
    root included, unless ``is_counted`` is false. ``restoring``: directories of our own whose mode
    alone is in the way do not count, since purging restores it.
    """

    def __init__(self, look: Look = Look.FILES, *, restoring: bool = False) -> None:
        """Prepare a scan."""
        self.blocked = MemberErrors()
        self.members = 1
        self.is_counted = True
        self._restoring = restoring
        self._look = look
        self._examiner = Examiner()
        self._names: list[str] = []
        self._is_at_root = False
        self._user = os.geteuid()
        self._passes_sticky = _has_capability(_CAP_FOWNER)

    def steps(self, parent_fd: int, name: str) -> Generator[None, None, None]:
        """Scan, yielding after each directory and within large ones.

        A mount point raises EBUSY (403), as nothing may change then.
        """
        self._is_at_root = True
        self._judge(parent_fd, name, None)
        fd = self._open(parent_fd, name)
        self._is_at_root = False
        if fd < 0:
            return
        if self._look is Look.COLLECTIONS and not counts_subdirectories(fd):
            self._look = Look.NAMES
        down = Descent(fd)
        pending: list[list[str]] = [[]]
        try:
            yield from self._members(fd, pending[-1])
            while pending:
                if pending[-1]:
                    below = pending[-1].pop()
                    fd = self._open(down.fd, below)
                    if fd >= 0:
                        down.push(fd)
                        self._names.append(below)
                        pending.append([])
                        yield from self._members(fd, pending[-1])
                    continue
                pending.pop()
                if pending:
                    down.pop()
                    self._names.pop()
        finally:
            down.close()

    def _members(self, fd: int, directories: list[str]) -> Generator[None, None, None]:
        """Judge the members of one directory and collect those to go down into."""
        reason, owners = self._of_directory(fd)
        is_free = reason is None and owners is None
        try:
            with os.scandir(fd) as entries:
                while stretch := list(islice(entries, _STRETCH)):
                    self.members += len(stretch)
                    below = [entry.name for entry in stretch if entry.is_dir(follow_symlinks=False)]
                    if is_free and self._look is not Look.FILES:
                        directories += [name for name in below if not self._is_leaf(fd, name)]
                    else:
                        directories += below
                        for entry in stretch:
                            self._examine(fd, entry.name, reason, owners)
                    if len(stretch) == _STRETCH:
                        yield None
        except OSError as error:
            self._unreadable(error)
        yield None

    def _is_leaf(self, fd: int, name: str) -> bool:
        """Judge a directory; return whether nothing in it has to be looked at."""
        if self._look is Look.COLLECTIONS and self._examiner.is_plain_leaf(fd, name):
            is_leaf = os.access(name, os.R_OK | os.W_OK | os.X_OK, dir_fd=fd, effective_ids=True)
            self.is_counted &= not is_leaf
            return is_leaf
        self._examine(fd, name, None, None)
        return False

    def _examine(
        self, fd: int, name: str, reason: OSError | None, owners: frozenset[int] | None
    ) -> None:
        """Judge a member; quick for what is nothing special."""
        if reason or owners is not None or not self._examiner.is_plain(fd, name):
            self._judge(fd, name, reason, owners)

    def _unreadable(self, error: OSError) -> None:
        """The directory that is being read fails, so it stays. EBUSY is that of a mount point."""
        refuse_shortage(error)
        if error.errno == errno.EBUSY:
            raise error
        path = tuple(self._names)
        self.blocked.append(MemberError("source", path, error))

    def _of_directory(self, fd: int) -> tuple[OSError | None, frozenset[int] | None]:
        """Return why no member can be removed, and whose members alone can be (None: all)."""
        status = os.fstat(fd)
        self._examiner.look(fd, ".")
        if self._examiner.is_pinned:
            return _error(errno.EPERM), None
        is_own = status.st_uid == self._user
        if not (is_own and self._restoring) and not _may_change(fd):
            return _error(errno.EACCES), None
        if not status.st_mode & stat.S_ISVTX or is_own or self._passes_sticky:
            return None, None
        return None, frozenset((self._user,))

    def _judge(
        self,
        parent_fd: int,
        name: str,
        reason: OSError | None,
        owners: frozenset[int] | None = None,
    ) -> None:
        examiner = self._examiner
        try:
            examiner.look(parent_fd, name)
        except FileNotFoundError:
            return
        except OSError as error:
            refuse_shortage(error)
            reason = reason or error
        else:
            if examiner.is_mount:
                raise busy()
            if examiner.is_pinned or (owners is not None and examiner.owner not in owners):
                reason = reason or _error(errno.EPERM)
        if reason is not None:
            self._block(reason, name)

    def _open(self, parent_fd: int, name: str) -> int:
        """Open a directory; -1 for one that vanished or cannot be read, the latter noted."""
        try:
            return os.open(name, DIRECTORY, dir_fd=parent_fd)
        except (FileNotFoundError, NotADirectoryError):
            return -1
        except OSError as error:
            refuse_shortage(error)
            if not (self._restoring and self._is_own(parent_fd, name)):
                self._block(error, name)
            return -1

    def _is_own(self, parent_fd: int, name: str) -> bool:
        return os.lstat(name, dir_fd=parent_fd).st_uid == self._user

    def _block(self, reason: OSError, name: str) -> None:
        path = () if self._is_at_root else (*self._names, name)
        self.blocked.append(MemberError("source", path, reason))


def _may_change(fd: int) -> bool:
    return os.access(".", os.W_OK | os.X_OK, dir_fd=fd, effective_ids=True)


def _error(number: int) -> PermissionError:
    return PermissionError(number, os.strerror(number))


def _has_capability(bit: int) -> bool:
    with open("/proc/thread-self/status", encoding="ascii", errors="replace") as lines:
        found = re.search(r"^CapEff:\s*([0-9a-f]+)$", lines.read(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) & bit)
