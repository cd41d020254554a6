"""The way from the root of a walk down to where it is, as open directories."""

import errno
import os

from davkeep.trees.identity import identity_of
from davkeep.trees.place import Identity

#: Directories that one descent keeps open. A deeper one closes those near its root and comes back
#: to them by ``..``, so a tree of thousands of levels needs no more descriptors than this.
OPEN_LEVELS = 24

#: A directory to walk through.
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: A file to read: a FIFO does not block, a link is not followed.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: A file to make and fill; fails on a taken name.
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Descent:
    """A stack of directories, deepest last. Owns their descriptors."""

    def __init__(self, root_fd: int) -> None:
        """Start in ``root_fd``, which is taken over."""
        #: Descriptor of the deepest directory.
        self.fd = root_fd
        self._fds = [root_fd]
        self._closed: dict[int, Identity] = {}
        self._pinned: set[int] = set()

    def push(self, fd: int, *, through_link: bool = False) -> None:
        """Go down into ``fd``, which is taken over.

        ``through_link``: its ``..`` does not lead back, so the directory above stays open.
        """
        if through_link:
            self._pinned.add(len(self._fds) - 1)
        self._fds.append(fd)
        self.fd = fd
        if len(self._fds) > OPEN_LEVELS:
            self._close_level(len(self._fds) - 1 - OPEN_LEVELS)

    def pop(self) -> None:
        """Go back up. Raises ESTALE if the way was changed underneath, and leaves all as it was."""
        self.reopen_above()
        os.close(self._fds.pop())
        self.fd = self._fds[-1] if self._fds else -1

    def reopen_above(self) -> None:
        """Make sure that ``pop`` needs no search permission in the deepest directory any more."""
        level = len(self._fds) - 2
        if level >= 0:
            self._reopen(level)

    def close(self) -> None:
        """Close everything."""
        while self._fds:
            fd = self._fds.pop()
            if fd >= 0:
                os.close(fd)
        self.fd = -1

    def _close_level(self, level: int) -> None:
        if level in self._pinned or level in self._closed:
            return
        self._closed[level] = identity_of(os.fstat(self._fds[level]))
        os.close(self._fds[level])
        self._fds[level] = -1

    def _reopen(self, level: int) -> None:
        self._pinned.discard(level)
        wanted = self._closed.get(level)
        if wanted is None:
            return
        fd = os.open("..", DIRECTORY, dir_fd=self.fd)
        if identity_of(os.fstat(fd)) != wanted:
            os.close(fd)
            raise OSError(errno.ESTALE, "The tree was moved while it was walked")
        self._fds[level] = fd
        del self._closed[level]
