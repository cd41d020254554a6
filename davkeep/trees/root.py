"""The folder of a share, which may go away and come back while the server runs."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, TypeAlias

from davkeep.trees.failures import refuse_shortage
from davkeep.trees.identity import identity_of
from davkeep.trees.mounts import mount_point_of
from davkeep.trees.place import PASS, Identity, passed


class ShareGoneError(OSError):
    """The folder of a share is not there at present: 503."""


def _gone() -> ShareGoneError:
    return ShareGoneError(errno.ENOMEDIUM, "This share is not there at present.")


class Standing(NamedTuple):
    """What is in the place of a root.

    `identities`: every directory from ``/`` to the folder, the folder included. `prefix`: the key
    of the folder, see `Share.key_of`. Both change at once, so nobody takes one directory for
    another one.
    """

    identities: tuple[Identity, ...]
    prefix: bytes


#: What an open directory is known as, if it is the share: the key of it.
Recognise: TypeAlias = Callable[[int], bytes | None]


class Root:
    """The folder of one share, found anew by each request, so that nothing keeps it from leaving.

    Gone is a folder that cannot be opened, and one in whose place the directory below a mount point
    has come to light: what it holds is not the share, and would be taken for an emptied one. Gone
    is a share, too, in whose place there is another folder that ``recognise`` does not know.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Look at ``folder``; raises OSError when it is no directory that can be opened."""
        #: The path that was given, and where it led.
        self.given = os.path.abspath(folder)
        self.folder = os.path.realpath(folder)
        with passed(self.folder) as fd:
            own = identity_of(os.fstat(fd))
        self._mount_point = mount_point_of(self.folder)
        #: Until somebody knows which share it is, the real path is its key.
        self.standing = Standing(_way(self.folder, own), os.fsencode(self.folder))
        #: Asked about another directory than before; changes nothing.
        self.recognise: Recognise = lambda _: self.standing.prefix
        #: Whether it has to be asked again what is there, though it looks the same.
        self._is_doubted = False
        #: Told that nobody knows such a directory; may `know` it afterwards.
        self.find_out: Callable[[], None] = lambda: None

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Every directory from ``/`` to the folder when it was last opened."""
        return self.standing.identities

    def know(self, own: Identity, prefix: bytes) -> None:
        """The directory that is there now is the share, and has this key. Raises OSError."""
        self._mount_point = mount_point_of(self.folder)
        self.standing = Standing(_way(self.folder, own), prefix)
        self._is_doubted = False

    def doubt(self) -> None:
        """What is there may be another directory, with the numbers of the one that was there.

        Every ext4 root is inode 2, and numbers of devices and inodes are used again.
        """
        self._is_doubted = True

    def is_known(self, own: Identity) -> bool:
        """Whether it is certain that a directory is what was there."""
        return not self._is_doubted and own == self.identities[-1]

    def open(self) -> tuple[int, Standing]:
        """Return a descriptor of the folder, the caller's to close, and what it is.

        Raises ShareGoneError (503).
        """
        return self._opened(self.find_out)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of the folder, for a moment, if it is known. Raises as ``open``."""
        fd, _ = self._opened(lambda: None)
        try:
            yield fd
        finally:
            os.close(fd)

    def looked_at(self) -> AbstractContextManager[int]:
        """A descriptor of what is there, whatever it is, for a moment. Raises OSError."""
        return passed(self.folder)

    def is_there(self) -> bool:
        """Tell whether the folder is there at this moment."""
        try:
            with self.opened():
                return True
        except OSError:
            return False

    def _opened(self, find_out: Callable[[], None]) -> tuple[int, Standing]:
        fd = -1
        try:
            fd = os.open(self.folder, PASS)
            own = identity_of(os.fstat(fd))
            standing = self.standing
            if self._is_doubted or own != standing.identities[-1]:
                standing = self._found_anew(fd, own, find_out)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            refuse_shortage(error)
            # What comes back may be something else.
            self.doubt()
            raise _gone() from error
        return fd, standing

    def _found_anew(self, fd: int, own: Identity, find_out: Callable[[], None]) -> Standing:
        """What a folder is that is not the one it was: replaced, or mounted again."""
        if len(mount_point_of(self.folder)) < len(self._mount_point):
            raise _gone()
        prefix = self.recognise(fd)
        if prefix is not None:
            self.know(own, prefix)
        else:
            find_out()
        if not self.is_known(own):
            raise _gone()
        return self.standing


def _way(folder: str, own: Identity) -> tuple[Identity, ...]:
    """The identities of ``/`` and of every directory down to ``folder``, which is ``own``."""
    above = []
    while folder != "/":
        folder = os.path.dirname(folder)
        above.append(identity_of(os.stat(folder)))
    return (*reversed(above), own)
