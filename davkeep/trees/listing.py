"""What collections show of their members."""

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, NamedTuple

from davkeep.trees.closing import Closing
from davkeep.trees.descent import DIRECTORY, OPEN_LEVELS
from davkeep.trees.failures import refuse_shortage
from davkeep.trees.identity import identity_of
from davkeep.trees.names import is_hidden_name
from davkeep.trees.steps import Segments

if TYPE_CHECKING:
    from davkeep.trees.share import Entry, Share

#: Members of a part, about 0.8 KiB each; up to two parts lie in memory. A collection of no more is
#: read whole before any of it is given.
WHOLE = 16 * 1024

#: Why a collection is left out: it may not be read, or is not there any more.
_LEFT_OUT = frozenset(
    (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)
)

#: Name and status of a member, and for a followed link the real names that it leads to.
Member = tuple[str, os.stat_result, Segments | None]


class Replaced(OSError):
    """A collection, of which a part was given, became another one: 503 where that can be said."""

    def __init__(self) -> None:
        """Its code is that of what may be tried again."""
        super().__init__(errno.EAGAIN, "The collection was replaced while it was listed")


class Part(NamedTuple):
    """Members of one collection; a large one comes in several parts."""

    #: The names that lead to the collection as it was asked for.
    segments: Segments
    #: Its names below the share's root, symbolic links resolved.
    real: Segments
    members: list[Member]


def members(share: "Share", collection: "Entry") -> Iterator[tuple[str, os.stat_result]]:
    """Yield name and status of each visible member, in no order.

    Reserved names are left out, and symbolic links unless the share follows them and they lead to
    something inside it. A member that vanished or cannot be examined is left out too, so that no
    member can break a listing. PermissionError (403) when the collection itself cannot be read.

    Up to ``WHOLE`` members are read before the first is given: a collection that was replaced
    meanwhile is being emptied out of sight, so what has its name now is read instead.
    FileNotFoundError (404) when nothing has it. Replaced (503) when it has more than that, and is
    replaced after some were given.
    """
    with _Level(share, collection.segments, collection.segments) as level:
        for part in level.parts():
            for name, status, _ in part.members:
                yield name, status


def walk(
    share: "Share",
    segments: Segments,
    real: Segments,
    *,
    infinity: bool,
    leave_out: Callable[[Segments], bool],
) -> Iterator[Part]:
    """Yield the members of a collection, and with ``infinity`` of every collection below it.

    ``segments`` lead to it as it was asked for, ``real`` are its real names. What holds for
    ``members`` holds for each collection; but one below it that cannot be read, or is gone, is left
    out. A
    collection comes after the one that it is in. It is not entered where ``leave_out`` says so of
    the names that lead to it, nor where it holds itself, by a link or a mount.

    Memory and descriptors do not grow with the tree. Beside a part there are, for each level of the
    way down, the names of at most ``WHOLE`` collections still to be entered, and no more than
    ``OPEN_LEVELS`` directories are open; one with more collections in it is read again for them,
    and stays open.
    """
    way = [_Level(share, segments, real)]
    try:
        yield from way[0].parts()
        while infinity and way:
            below = way[-1].next_below(leave_out)
            if below is None:
                way.pop().close()
            elif below.identity in {level.identity for level in way}:
                below.close()
            else:
                way.append(below)
                if len(way) > OPEN_LEVELS:
                    way[-1 - OPEN_LEVELS].rest()
                yield from _readable(below)
    finally:
        for level in way:
            level.close()


def _readable(level: "_Level") -> Iterator[Part]:
    """Yield the parts of a collection, and none where it cannot be read."""
    is_given = False
    try:
        for part in level.parts():
            yield part
            is_given = True
    except FileNotFoundError:
        return
    except OSError as error:
        if is_given:
            raise
        _pass_over(error)


def _pass_over(error: OSError) -> None:
    """Raise ``error`` again unless it says that a collection cannot be read or is gone."""
    if error.errno not in _LEFT_OUT:
        raise error


class _Level(Closing):
    """A collection on the way down, and what is left to enter of it."""

    def __init__(self, share: "Share", segments: Segments, real: Segments, fd: int = -1) -> None:
        """Take over ``fd``, the open collection; without one it is opened when it is needed."""
        self._share = share
        self._segments = segments
        self._real = real
        self._fd = fd
        #: Device and inode; None before it was opened.
        self.identity = identity_of(os.fstat(fd)) if fd >= 0 else None
        #: The collections in it, by name; None when there are more than ``WHOLE``.
        self._collections: list[str] | None = []
        #: Those of them that were not entered yet.
        self._left: Iterator[str] | None = None

    def close(self) -> None:
        """Close what is open; a second time does nothing."""
        self.rest()
        self._left = iter(())

    def rest(self) -> None:
        """Close the directory until it is needed again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def parts(self) -> Iterator[Part]:
        """Yield all members, at most ``WHOLE`` at a time; raises as ``members``."""
        self._wake()
        while (yield from self._until_replaced()):
            self._reopen()

    def next_below(self, leave_out: Callable[[Segments], bool]) -> "_Level | None":
        """Return the next collection in this one that can be opened; None after the last."""
        if self._left is None:
            again = self._collections is None
            self._left = self._read_again() if again else iter(self._collections or ())
        try:
            self._wake()
        except OSError as error:
            _pass_over(error)
            return None
        for name in self._left:
            if leave_out((*self._segments, name)):
                continue
            try:
                return self._enter(name)
            except OSError as error:
                _pass_over(error)
        return None

    def _wake(self) -> None:
        """See that it is open: the same as before, or else what has its name now."""
        if self._fd < 0 and self.identity is not None:
            self._fd = self._share.open_again(self._real, self.identity)
        if self._fd < 0:
            self._reopen()

    def _reopen(self) -> None:
        """Open what has its name now."""
        self.rest()
        self._fd = self._share.open_collection(self._real)
        self.identity = identity_of(os.fstat(self._fd))

    def _until_replaced(self) -> Generator[Part, None, bool]:
        """Yield its parts; return True if it turned out to be replaced before the first."""
        is_given = False
        for found in self._batches():
            if self._share.identity_at(self._real) != self.identity:
                if is_given:
                    raise Replaced
                return True
            yield Part(self._segments, self._real, found)
            is_given = True
        return False

    def _batches(self) -> Iterator[list[Member]]:
        """Yield all members, with one scan and one status of each."""
        found: list[Member] = []
        collections: list[str] = []
        self._collections = collections
        with os.scandir(self._fd) as entries:
            for entry in entries:
                name = entry.name
                if is_hidden_name(name):
                    continue
                try:
                    status, real = entry.stat(follow_symlinks=False), None
                    if stat.S_ISLNK(status.st_mode):
                        status, real = self._followed(name)
                except OSError as error:
                    refuse_shortage(error)
                    continue
                found.append((name, status, real))
                if stat.S_ISDIR(status.st_mode):
                    collections.append(name)
                if len(found) == WHOLE:
                    yield found
                    found = []
                    if len(collections) > WHOLE:
                        collections.clear()
                        self._collections = None
        yield found

    def _followed(self, name: str) -> tuple[os.stat_result, Segments]:
        """Return what a link leads to; raises ELOOP in a share that does not follow them."""
        with self._share.entry((*self._real, name)) as target:
            return target.stat(), target.segments

    def _read_again(self) -> Iterator[str]:
        """Yield the collections in it, and links, which may lead to one."""
        follows = self._share.follow_symlinks
        with os.scandir(self._fd) as entries:
            for entry in entries:
                if is_hidden_name(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False) or (follows and entry.is_symlink()):
                    yield entry.name

    def _enter(self, name: str) -> "_Level":
        """Open a collection in this one; raises as ``Share.open_collection``."""
        real: Segments = (*self._real, name)
        try:
            fd = os.open(name, DIRECTORY, dir_fd=self._fd)
        except FileNotFoundError:
            # What is open here may have been replaced, and be under purge.
            fd = self._share.open_collection(real)
        except NotADirectoryError:
            if not self._share.follow_symlinks:
                raise
            with self._share.entry(real) as target:
                real, fd = target.segments, target.open_collection()
        return _Level(self._share, (*self._segments, name), real, fd)
