"""Where files are known to share blocks, so that a PATCH costs what its part costs."""

import logging
import os
import threading
from collections.abc import Iterable
from typing import NamedTuple

from davkeep.dav.shares import Provider
from davkeep.trees.place import PASS
from davkeep.trees.share import Entry, Kind
from davkeep.trees.sharing import can_share_blocks
from davkeep.words.threads import ThreadRefusedError, start_brief

_log = logging.getLogger("davkeep.dav")

#: Seconds that a request waits for a trial, which takes some milliseconds on a disk that is well.
PATIENCE = 1.0


class _FileSystem(NamedTuple):
    """Which one it is. The number of a device is soon given to another one."""

    device: int
    id: int


class Sharing:
    """Tries each file system once, and remembers what came of it.

    A trial has a thread of its own, for a disk may hang; nobody waits for long, and until it has
    ended nothing is claimed. One that told nothing, as in a directory that may not be written to,
    is made again when somebody asks the next time. Each subvolume of btrfs is tried by itself.

    ``_lock`` guards both dictionaries; no file is touched under it.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._known: dict[_FileSystem, bool] = {}
        self._under_way: dict[_FileSystem, threading.Event] = {}

    def begin(self, providers: Iterable[Provider], patience: float = PATIENCE) -> None:
        """Try the roots of shares that can be written to, before anything is served."""
        for provider in providers:
            if provider.is_readonly():
                continue
            try:
                with provider.share.entry(()) as root:
                    self.holds_for(root, Kind.COLLECTION, patience)
            except OSError as error:
                _log.info("a share cannot be tried now: %s", error.strerror)

    def holds_for(self, entry: Entry, kind: Kind | None, patience: float = PATIENCE) -> bool:
        """Whether files share blocks in a collection, or in that of a file or of a free name.

        ``kind``: what ``entry`` is. Raises OSError if it has become something else.
        """
        if kind is not Kind.COLLECTION:
            return self._holds_in(entry.parent_fd, patience)
        folder_fd = os.open(entry.name, PASS, dir_fd=entry.parent_fd)
        try:
            return self._holds_in(folder_fd, patience)
        finally:
            os.close(folder_fd)

    def _holds_in(self, folder_fd: int, patience: float) -> bool:
        where = _FileSystem(os.fstat(folder_fd).st_dev, os.statvfs(folder_fd).f_fsid)
        with self._lock:
            if where in self._known:
                return self._known[where]
            ended = self._under_way.get(where) or self._begun(where, folder_fd)
        ended.wait(patience)
        with self._lock:
            return self._known.get(where, False)

    def _begun(self, where: _FileSystem, folder_fd: int) -> threading.Event:
        """Begin a trial, under the lock; what is returned is set when it has ended. OSError."""
        own_fd = os.dup(folder_fd)
        ended = self._under_way[where] = threading.Event()
        try:
            start_brief(lambda: self._try(where, own_fd, ended), "davkeep-sharing")
        except ThreadRefusedError:
            os.close(own_fd)
            self._end(where, ended, None)
        return ended

    def _try(self, where: _FileSystem, folder_fd: int, ended: threading.Event) -> None:
        found = None
        try:
            found = can_share_blocks(folder_fd)
        except OSError as error:
            _log.info("whether files share blocks cannot be tried: %s", error.strerror)
        finally:
            os.close(folder_fd)
            with self._lock:
                self._end(where, ended, found)

    def _end(self, where: _FileSystem, ended: threading.Event, found: bool | None) -> None:
        """Note what a trial has found, under the lock; None: nothing."""
        if found is not None:
            self._known[where] = found
        del self._under_way[where]
        ended.set()
