"""The folder of a share, which may go away and come back while the server runs."""

import errno
import os

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
    has come to light: what it holds is not the share, and would be taken for an emptied one.
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
                identities = self.identities = self._found_anew(own)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            refuse_shortage(error)
            raise _gone() from error
        return fd, identities

    def is_there(self) -> bool:
        """Tell whether the folder is there at this moment."""
        try:
            fd, _ = self.open()
        except OSError:
            return False
        os.close(fd)
        return True

    def _found_anew(self, own: Identity) -> tuple[Identity, ...]:
        """The way to a folder that is not the one it was: replaced, or mounted again."""
        mount_point = mount_point_of(self.folder)
        if len(mount_point) < len(self._mount_point):
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
