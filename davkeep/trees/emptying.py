"""Removing a collection where it stands, member by member."""

import errno
import os
import stat
from collections.abc import Callable, Generator

from davkeep.trees.descent import DIRECTORY, Descent
from davkeep.trees.place import PASS
from davkeep.trees.steps import MemberError, MemberErrors
from davkeep.words.progress import Progress


class _Level:
    """One directory on the way down."""

    __slots__ = ("directories", "is_blocked", "name", "removed", "unread")

    def __init__(self, name: str) -> None:
        self.name = name
        self.unread = True
        self.directories: list[str] = []
        #: Members of its own that are gone.
        self.removed = 0
        #: Something below stays, so this stays too.
        self.is_blocked = False


class Emptying:
    """The removal of one collection with all below it; used once.

    ``errors`` name the members that stay, not the collections that stay because of them (RFC 4918
    9.6.1). ``restoring``: directories that lack u+rwx get it; otherwise modes are left alone.
    """

    def __init__(self, progress: Progress | None, *, restoring: bool) -> None:
        """Count members in ``progress``, if there is one: those that stay are treated as well."""
        self.errors = MemberErrors()
        #: Members removed so far.
        self.removed = 0
        #: Whether a member was met that no mode and no later time lets go: it is immutable or
        #: append-only, or a collection that cannot be read at all.
        self.has_met_fixed = False
        self._progress = progress
        self._restoring = restoring
        self._levels: list[_Level] = []

    def steps(self, parent_fd: int, name: str) -> Generator[None, None, None]:
        """Remove, yielding after each member. Raises ESTALE if the tree is moved meanwhile.

        A directory that is not empty afterwards is read again as long as that removes something:
        on some file systems reading misses members while others are removed.
        """
        levels = self._levels = [_Level(name)]
        fd = self._open(parent_fd, name)
        if fd < 0:
            return
        down = Descent(fd)
        try:
            while levels:
                level = levels[-1]
                if level.unread:
                    level.unread = False
                    try:
                        yield from self._read(level, down.fd)
                    except OSError as error:
                        self._note_unread(error)
                        self._block(error)
                if level.directories:
                    self._enter(down, level.directories.pop())
                    continue
                if len(levels) == 1:
                    if self._remove_root(level, parent_fd):
                        return
                    continue
                down.pop()
                self._leave(levels.pop(), down.fd)
                yield None
        finally:
            down.close()

    def _read(self, level: _Level, fd: int) -> Generator[None, None, None]:
        """Remove the members of a directory that are none themselves."""
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    level.directories.append(name)
                    continue
                try:
                    os.unlink(name, dir_fd=fd)
                except OSError as error:
                    if not self._insist(os.unlink, fd, name, error):
                        self.has_met_fixed |= error.errno == errno.EPERM
                        self._block(error, name)
                        continue
                level.removed += 1
                self._count()
                yield None

    def _enter(self, down: Descent, name: str) -> None:
        self._levels.append(_Level(name))
        fd = self._open(down.fd, name)
        if fd >= 0:
            down.push(fd)
        else:
            self._levels.pop()

    def _leave(self, level: _Level, parent_fd: int) -> None:
        """Remove a directory that has been emptied, ``level`` being off the stack."""
        above = self._levels[-1]
        if level.is_blocked:
            above.is_blocked = True
            self._treated()
            return
        try:
            os.rmdir(level.name, dir_fd=parent_fd)
        except OSError as error:
            if not self._insist(os.rmdir, parent_fd, level.name, error):
                if level.removed:
                    above.directories.append(level.name)
                else:
                    self._block(error, level.name)
                return
        above.removed += 1
        self._count()

    def _remove_root(self, level: _Level, parent_fd: int) -> bool:
        """Remove the root; return False if it is worth while to read it again."""
        if level.is_blocked:
            self._treated()
            return True
        try:
            os.rmdir(level.name, dir_fd=parent_fd)
        except FileNotFoundError:
            pass
        except OSError as error:
            if level.removed:
                level.removed, level.unread = 0, True
                return False
            self._block(error)
            return True
        self._count()
        return True

    def _open(self, parent_fd: int, name: str) -> int:
        """Open the deepest level's directory; -1 when it is gone or stays, which is noted then."""
        try:
            return os.open(name, DIRECTORY, dir_fd=parent_fd)
        except FileNotFoundError:
            self._treated()
            return -1
        except OSError as error:
            fd = _open_restored(parent_fd, name) if self._restoring else -1
            if fd < 0:
                self._remove_unread(parent_fd, name, error)
            return fd

    def _remove_unread(self, parent_fd: int, name: str, reason: OSError) -> None:
        """Remove a directory that cannot be read, which works if it is empty."""
        try:
            os.rmdir(name, dir_fd=parent_fd)
        except OSError:
            self._note_unread(reason)
            self._block(reason)
            if len(self._levels) > 1:
                self._levels[-2].is_blocked = True
            return
        self._count()

    def _note_unread(self, error: OSError) -> None:
        self.has_met_fixed |= error.errno != errno.EACCES

    def _count(self) -> None:
        self.removed += 1
        self._treated()

    def _treated(self) -> None:
        """Nothing more is tried with one member, be it gone or not."""
        if self._progress is not None:
            self._progress.members_done += 1

    def _block(self, error: OSError, *below: str) -> None:
        self._treated()
        self._levels[-1].is_blocked = True
        path = (*(level.name for level in self._levels[1:]), *below)
        self.errors.append(MemberError("source", path, error))

    def _insist(self, call: Callable[..., None], parent_fd: int, name: str, error: OSError) -> bool:
        """Return whether a member that could not be removed is gone now, after restoring u+rwx."""
        if isinstance(error, FileNotFoundError):
            return True
        return self._restoring and _removed_after_restoring(call, parent_fd, name)


def _removed_after_restoring(call: Callable[..., None], parent_fd: int, name: str) -> bool:
    try:
        if not _restored(parent_fd):
            return False
        call(name, dir_fd=parent_fd)
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return True


def _restored(fd: int) -> bool:
    """Give a directory u+rwx; return whether that changed anything."""
    mode = os.fstat(fd).st_mode
    if mode & stat.S_IRWXU == stat.S_IRWXU:
        return False
    # chmod by name would follow a link put there meanwhile; fchmod does not take O_PATH.
    os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(mode) | stat.S_IRWXU)
    return True


def _open_restored(parent_fd: int, name: str) -> int:
    """Open a directory after giving it u+rwx; -1 if that is impossible."""
    try:
        fd = os.open(name, PASS, dir_fd=parent_fd)
    except OSError:
        return -1
    try:
        _restored(fd)
        return os.open(".", DIRECTORY, dir_fd=fd)
    except OSError:
        return -1
    finally:
        os.close(fd)
