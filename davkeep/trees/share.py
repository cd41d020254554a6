"""A share: one folder that is served, and the entries in it.

Every path is resolved once, directory by directory, on file descriptors; what is done afterwards is
done to a name in an open directory, so no symbolic link can be swapped in underneath.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from functools import cached_property
from typing import TypeVar

from davkeep.trees import listing
from davkeep.trees.closing import Closing
from davkeep.trees.descent import DIRECTORY
from davkeep.trees.identity import etag_of, identity_of
from davkeep.trees.links import MAX_LINKS, expanded, link_target, outside
from davkeep.trees.names import folded, is_hidden_name, is_segment
from davkeep.trees.place import PASS, Identity, Place, place_of
from davkeep.trees.root import Root
from davkeep.trees.spelling import EXACT, Spellings
from davkeep.trees.steps import Segments

__all__ = ["Entry", "Kind", "Place", "Share", "etag_of", "is_hidden_name"]

T = TypeVar("T")

#: A member to read: a FIFO does not block, a link is not followed.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Kind(Enum):
    """What an entry is."""

    FILE = auto()
    COLLECTION = auto()
    LINK = auto()
    SPECIAL = auto()


_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.COLLECTION, stat.S_IFLNK: Kind.LINK}


def kind_of(status: os.stat_result) -> Kind:
    """Return what ``status`` describes; FIFOs, sockets and devices are special."""
    return _KINDS.get(stat.S_IFMT(status.st_mode), Kind.SPECIAL)


class Entry(Closing):
    """A name in an open directory of a share, whether or not something is there.

    Owns ``parent_fd`` (an O_PATH descriptor); close it, or use it as a context manager. The share's
    root is the name ``.`` in itself.
    """

    def __init__(
        self,
        share: "Share",
        segments: Segments,
        parent_fd: int,
        above: tuple[Identity, ...],
        asked: str | None = None,
        prefix: bytes | None = None,
    ) -> None:
        """Take over ``parent_fd``; ``above`` are the directories from ``/`` to the parent.

        ``asked``: how the name was spelled by who asked for it. ``prefix``: the key of the root
        in which it was found, if that may be another one by now.
        """
        self.share = share
        #: Real names below the share's root, as they are stored, symbolic links resolved.
        self.segments = segments
        self.parent_fd = parent_fd
        self.is_root = not segments
        self.name = segments[-1] if segments else "."
        self.asked = self.name if asked is None else asked
        #: Whether it is another spelling of a name that is there.
        self.is_respelling = False
        self._prefix = share.prefix if prefix is None else prefix
        self._above = above

    def close(self) -> None:
        """Close the parent's descriptor; a second time does nothing."""
        if self.parent_fd >= 0:
            os.close(self.parent_fd)
            self.parent_fd = -1

    @cached_property
    def key(self) -> bytes:
        """By what everything is known that is stored about the entry: see ``Share.key_of``."""
        return key_below(self._prefix, self.segments)

    @property
    def place(self) -> Place:
        """Where the entry is now; see ``Place``."""
        return self.place_as(None if self.is_root else self.find())

    def place_as(self, status: os.stat_result | None) -> Place:
        """The same, where ``status`` is what was found there at this moment."""
        names = [name for name in self.share.folder.split("/") if name]
        identities = self._above
        if not self.is_root and status is not None and stat.S_ISDIR(status.st_mode):
            identities = (*identities, identity_of(status))
        return place_of((*names, *self.segments), identities)

    @property
    def root(self) -> Identity:
        """The root of the share in which the entry was found."""
        return self._above[-max(len(self.segments), 1)]

    def respelled(self) -> "Entry":
        """The name by which the entry was asked for, as that of another one; the caller closes it.

        It is known by how that name would be kept.
        """
        kept = self.share.spellings.of(self._above[-1][0]).new(self.asked)
        fd = os.open(".", PASS, dir_fd=self.parent_fd)
        entry = Entry(self.share, (*self.segments[:-1], kept), fd, self._above, self.asked)
        entry._prefix = self._prefix
        entry.name, entry.is_respelling = self.asked, True
        return entry

    def is_same_as(self, other: "Entry") -> bool:
        """Whether both are the same name in the same directory, in spellings that are one there."""
        is_alike = self.share.folds and folded(self.name) == folded(other.name)
        is_name = is_alike or self.name == other.name
        return is_name and os.path.samestat(self._parent(), other._parent())

    def respell(self, other: "Entry") -> None:
        """Have the spelling of one that is the same as this, which was made in the meantime."""
        if self.name != other.name:
            self.segments, self.name = other.segments, other.name
            self.__dict__.pop("key", None)

    @property
    def kind(self) -> Kind | None:
        """What is there; None for nothing. Raises as ``find`` does."""
        status = self.find()
        return None if status is None else kind_of(status)

    def stat(self) -> os.stat_result:
        """Return the status of what is there.

        FileNotFoundError (404) for nothing; ELOOP (403) for a symbolic link in a share that does
        not follow them.
        """
        status = os.lstat(self.name, dir_fd=self.parent_fd) if not self.is_root else self._parent()
        if stat.S_ISLNK(status.st_mode) and not self.share.follow_symlinks:
            raise OSError(errno.ELOOP, "Symbolic links are not followed here")
        return status

    def find(self) -> os.stat_result | None:
        """Return the status of what is there, None for nothing; otherwise as ``stat``."""
        try:
            return self.stat()
        except FileNotFoundError:
            return None

    def open(self) -> int:
        """Open a file for reading and return the descriptor, which is the caller's to close.

        IsADirectoryError for a collection; EACCES (403) for a FIFO, socket or device.
        """
        kind = self.kind
        if kind is Kind.COLLECTION:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if kind is Kind.SPECIAL:
            raise _not_a_file()
        fd = os.open(self.name, _READ, dir_fd=self.parent_fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise _not_a_file()
        return fd

    def open_collection(self) -> int:
        """Open a collection for reading and return the descriptor, which is the caller's to close.

        NotADirectoryError for anything else, a link included.
        """
        return os.open(self.name, DIRECTORY, dir_fd=self.parent_fd)

    def require_writable(self) -> None:
        """Raise EROFS (403) in a share that is served read-only."""
        if self.share.readonly:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def refuse_root(self) -> None:
        """Raise EPERM (403) for the share's root, which no operation moves, replaces or removes."""
        if self.is_root:
            raise PermissionError(errno.EPERM, "The root of a share stays where it is")

    def _parent(self) -> os.stat_result:
        """The status of the directory that the name is in."""
        return os.fstat(self.parent_fd)


class Share(Closing):
    """A served folder.

    ``follow_symlinks`` false: links are hidden and refused; true: followed, never out of the share.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        follow_symlinks: bool = False,
        readonly: bool = False,
    ) -> None:
        """Look at ``folder``; raises OSError when it is no directory that can be opened."""
        self.root = Root(folder)
        self.folder = self.root.folder
        self.follow_symlinks = follow_symlinks
        self.readonly = readonly
        #: Which spellings of a name are one.
        self.spellings = Spellings(may_write=not readonly)
        self.spellings.settle(self.root.identities[-1][0], EXACT)

    def close(self) -> None:
        """Nothing is kept open between two requests, so a disk can be unmounted."""

    @property
    def prefix(self) -> bytes:
        """The key of the root. Until somebody knows which share this is, that is its real path."""
        return self.root.standing.prefix

    @property
    def folds(self) -> bool:
        """Whether other spellings lead to the same entry, in the root at least."""
        return self.spellings.of(self.root.identities[-1][0]).folds

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Every directory from ``/`` to the root, the root included; while that is gone, the last.

        Looked at anew, for somebody may have put another folder there.
        """
        self.root.is_there()
        return self.root.identities

    def entry(self, segments: Iterable[str], *, follow_last: bool = True) -> Entry:
        """Return the entry at ``segments``; the caller closes it.

        ``follow_last`` false leaves a link that is the last segment as it is, for what concerns the
        name rather than the content: DELETE, MOVE, and the destination of a COPY. Raises
        FileNotFoundError (409, or 404 for reading) when a parent is missing, NotADirectoryError
        when it is none, ELOOP or EACCES (403) for links that may not be followed and for reserved
        names, ShareGoneError (503), ValueError for a segment that cannot be a name.
        """
        path = tuple(segments)
        for segment in path:
            _check(segment)
        return _tried_twice(lambda: self._resolved(path, follow_last))

    def read(self, segments: Iterable[str], look: Callable[[Entry], T]) -> T:
        """Return what ``look`` finds at the entry at ``segments``; raises as ``entry`` and it do.

        Old or new, never neither: see ``_tried_twice``.
        """
        path = tuple(segments)

        def attempt() -> T:
            with self.entry(path) as entry:
                return look(entry)

        return _tried_twice(attempt)

    def _resolved(self, path: Segments, follow_last: bool) -> Entry:
        for _ in range(MAX_LINKS + 1):
            found = self._walk(path, follow_last)
            if isinstance(found, Entry):
                return found
            path = found
            if any(is_hidden_name(segment) for segment in path):
                raise outside()
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def members(self, collection: Entry | Segments) -> Iterator[tuple[str, os.stat_result]]:
        """Yield name and status of each visible member, in no order; see ``listing``."""
        if isinstance(collection, Entry):
            yield from listing.members(self, collection)
            return
        with self.entry(collection) as entry:
            yield from listing.members(self, entry)

    def path_of(self, real: Segments) -> bytes:
        """The real path, at present, of what has the real names ``real``."""
        return os.fsencode("/".join((self.folder.rstrip("/"), *real))) or b"/"

    def key_of(self, real: Segments) -> bytes:
        """The key of what has the real names ``real``: the share, and the names in it, as a path.

        It stays the same wherever the root of the share is. Where roots overlap it begins at the
        outermost one, so that one file has one key, whichever share it was reached by.
        """
        return key_below(self.prefix, real)

    def holds(self, key: bytes) -> bool:
        """Whether a key is that of something in this share."""
        return key == self.prefix or key.startswith(self.prefix.rstrip(b"/") + b"/")

    def path_at(self, key: bytes) -> bytes:
        """The real path, at present, of what has a key that the share holds."""
        below = key[len(self.prefix.rstrip(b"/")) :]
        return os.fsencode(self.folder.rstrip("/")) + below or b"/"

    def open_collection(self, real: Segments) -> int:
        """Open the collection that has the real names ``real``; the descriptor is the caller's.

        Raises as ``entry``; FileNotFoundError also where a symbolic link is on the way now.
        """
        with self.entry(real) as entry:
            if entry.segments != real:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return entry.open_collection()

    def open_again(self, real: Segments, known: Identity) -> int:
        """Open a collection that was open before, by its ``known`` identity; -1 if that fails.

        The kernel takes the whole path at once, following any link. No harm comes of that: nothing
        is read but the very directory to which this share has led before.
        """
        try:
            fd = os.open(self.path_of(real), DIRECTORY)
        except OSError:
            return -1
        if identity_of(os.fstat(fd)) == known:
            return fd
        os.close(fd)
        return -1

    def identity_at(self, real: Segments) -> Identity:
        """Who has the real names ``real`` at this moment. Raises OSError as ``entry`` does."""
        try:
            return identity_of(os.stat(self.path_of(real)))
        except OSError:
            # Too long for one call, or replaced in this moment.
            return self.read(real, lambda entry: identity_of(entry.stat()))

    def _walk(self, path: Segments, follow_last: bool) -> Entry | Segments:
        """Return the entry, or the path to try next because a link was on the way."""
        fd, (identities, prefix) = self.root.open()
        above = list(identities)
        keep = False
        asked = path[-1] if path else None
        try:
            for index, spelled in enumerate(path):
                last = index == len(path) - 1
                if spelled == "..":
                    return _parent(path, index)
                segment = self.spellings.stored(fd, above[-1], spelled)
                if segment != spelled:
                    _check(segment)
                    path = (*path[:index], segment, *path[index + 1 :])
                if self.follow_symlinks and (follow_last or not last):
                    target = link_target(fd, segment)
                    if target is not None:
                        return expanded(self.folder, path[:index], target, path[index + 1 :])
                if not last:
                    fd = _step(fd, segment)
                    above.append(identity_of(os.fstat(fd)))
            keep = True
            return Entry(self, path, fd, tuple(above), asked, prefix)
        finally:
            if not keep:
                os.close(fd)


def key_below(prefix: bytes, real: Segments) -> bytes:
    """The key of what has the real names ``real`` below what has the key ``prefix``."""
    return b"/".join((prefix.rstrip(b"/"), *map(os.fsencode, real))) or b"/"


def _tried_twice(attempt: Callable[[], T]) -> T:
    """Return what ``attempt`` does, with a second one where it finds nothing.

    It may have looked in a tree that was replaced in this moment and is being emptied out of sight.
    """
    try:
        return attempt()
    except FileNotFoundError:
        return attempt()


def _step(fd: int, name: str) -> int:
    """Go one directory down, closing the one above only when that worked."""
    try:
        below = os.open(name, PASS, dir_fd=fd)
    except NotADirectoryError:
        if link_target(fd, name) is not None:
            raise OSError(errno.ELOOP, "Symbolic links are not followed here") from None
        raise
    os.close(fd)
    return below


def _parent(path: Segments, index: int) -> Segments:
    if index == 0:
        raise outside()
    return (*path[: index - 1], *path[index + 1 :])


def _check(segment: str) -> None:
    if not is_segment(segment):
        raise ValueError(f"no name of a member: {segment!r}")
    if is_hidden_name(segment):
        raise PermissionError(errno.EACCES, "The name is reserved")


def _not_a_file() -> PermissionError:
    return PermissionError(errno.EACCES, "Not a regular file")
