"""The folder of a share, which may go away and come back while the server runs."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from davkeep.trees.failures import refuse_shortage
from davkeep.trees.identity import identity_of
from davkeep.trees.mounts import mount_point_of
from davkeep.trees.place import PASS, Identity


class ShareGoneError(OSError):
    """The folder of a share is not there at present: 503."""


def _gone() -> ShareGoneError:
    return ShareGoneError(errno.ENOMEDIUM, "This share is not there at present.")


class Root:
    """The folder of one share, found anew by each request, so that nothing keeps it from leaving.

    Gone is a folder that cannot be opened, and one in whose place the directory below a mount point
    has come to light: what it holds is not the share, and would be taken for an emptied one. Gone
    is a share, too, in whose place there is another folder that ``recognise`` does not take for it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Look at ``folder``; raises OSError when it is no directory that can be opened."""
        self.folder = os.path.realpath(folder)
        fd = os.open(self.folder, PASS)
        try:
            own = identity_of(os.fstat(fd))
        finally:
            os.close(fd)
        self._mount_point = mount_point_of(self.folder)
        #: Asked with a descriptor whether another directory is the same share.
        self.recognise: Callable[[int], bool] = lambda _: True
        #: Every directory from ``/`` to the folder, the folder included, when it was last opened.
        self.identities = _way(self.folder, own)

    def open(self) -> tuple[int, tuple[Identity, ...]]:
        """Return a descriptor of the folder, the caller's to close, and the directories down to it.

        Raises ShareGoneError (503).
        """
        fd = -1
        try:
            fd = os.open(self.folder, PASS)
            own = identity_of(os.fstat(fd))
            identities = self.identities
            if own != identities[-1]:
                identities = self.identities = self._found_anew(fd, own)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            refuse_shortage(error)
            raise _gone() from error
        return fd, identities

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of the folder, for a moment. Raises as ``open``."""
        fd, _ = self.open()
        try:
            yield fd
        finally:
            os.close(fd)

    def is_there(self) -> bool:
        """Tell whether the folder is there at this moment."""
        try:
            with self.opened():
                return True
        except OSError:
            return False

    def _found_anew(self, fd: int, own: Identity) -> tuple[Identity, ...]:
        """The way to a folder that is not the one it was: replaced, or mounted again."""
        mount_point = mount_point_of(self.folder)
        if len(mount_point) < len(self._mount_point) or not self.recognise(fd):
            raise _gone()
        self._mount_point = mount_point
        return _way(self.folder, own)


def _way(folder: str, own: Identity) -> tuple[Identity, ...]:
    """The identities of ``/`` and of every directory down to ``folder``, which is ``own``."""
    above = []
    while folder != "/":
        folder = os.path.dirname(folder)
        above.append(identity_of(os.stat(folder)))
    return (*reversed(above), own)
