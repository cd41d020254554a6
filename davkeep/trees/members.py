"""Copying what is below a collection into a staging directory."""

import contextlib
import os
import stat
from collections.abc import Generator
from typing import Literal

from davkeep.trees.ahead import Ahead
from davkeep.trees.descent import DIRECTORY, Descent
from davkeep.trees.durability import SMALL_TREE
from davkeep.trees.failures import WriteError, blame_destination, refuse_shortage
from davkeep.trees.following import Following
from davkeep.trees.identity import identity_of
from davkeep.trees.member import MemberCopy
from davkeep.trees.names import is_hidden_name
from davkeep.trees.share import Entry
from davkeep.trees.steps import Control, DestinationError, Lane, MemberError, MemberErrors, Segments


class _Level:
    """One directory on the way down: what it was when entered, and what is left to enter."""

    __slots__ = ("directories", "name", "status", "unread")

    def __init__(self, name: str, status: os.stat_result) -> None:
        self.name = name
        self.status = status
        self.unread = True
        self.directories: list[str] = []


class TreeCopy:
    """The copying of what is below one collection; used once.

    ``errors`` are those of members. A member that vanished meanwhile is simply not there.
    """

    def __init__(
        self, source: Entry, member: MemberCopy, control: Control, *, follow_links: bool
    ) -> None:
        """``follow_links``: a link that stays in the share becomes what it leads to."""
        self.errors = MemberErrors()
        #: Members copied so far, failed ones included.
        self.members = 0
        self._following = Following(source, links=follow_links)
        self._member = member
        self._control = control
        self._ahead = Ahead(member, control.helpers)
        self._is_long = False
        self._levels: list[_Level] = []
        self._source = Descent(-1)
        self._target = Descent(-1)

    def steps(
        self, source_fd: int, target_fd: int, status: os.stat_result
    ) -> Generator[Lane | None, None, None]:
        """Copy every member, yielding after each; takes over both descriptors.

        ``status`` is the source's; giving the target its attributes is left to the caller, for it
        stays private until the swap. Raises DestinationError, and ESTALE when the tree is moved
        while it is walked.
        """
        self._source, self._target = Descent(source_fd), Descent(target_fd)
        self._levels.append(_Level("", status))
        try:
            while True:
                level = self._levels[-1]
                if level.unread:
                    level.unread = False
                    yield from self._read(level)
                if level.directories:
                    if not self._enter(level.directories.pop()):
                        yield self._done()
                elif len(self._levels) == 1:
                    return
                else:
                    self._leave()
                    yield self._done()
        finally:
            self._source.close()
            self._target.close()

    def _read(self, level: _Level) -> Generator[Lane | None, None, None]:
        """Copy the members of one directory that are no directories themselves."""
        member, source, target = self._member, self._source.fd, self._target.fd
        with self._ahead as ahead, contextlib.closing(self._entries(source)) as entries:
            for entry in entries:
                name = entry.name
                if is_hidden_name(name):
                    continue
                try:
                    if entry.is_file(follow_symlinks=False):
                        if ahead.begins(source, target, name):
                            if ahead.is_full:
                                yield from self._arrived()
                            continue
                        blocks = member.file(source, name, target, name)
                        if blocks is not None:
                            yield from self._paced(blocks)
                    elif entry.is_dir(follow_symlinks=False):
                        level.directories.append(name)
                        continue
                    elif not entry.is_symlink():
                        member.special(source, name, target, name)
                    elif not self._following.links:
                        member.link(source, name, target, name)
                    elif (yield from self._followed(name)):
                        level.directories.append(name)
                        continue
                except DestinationError:
                    raise
                except (OSError, WriteError) as error:
                    self._note(error, name)
                yield self._done()
            while len(ahead):
                yield from self._arrived()

    def _arrived(self) -> Generator[Lane | None, None, None]:
        """Wait for the first file that another thread copies, and treat it as copied here."""
        name, future = self._ahead.take()
        try:
            size = future.result()
            if size is not None:
                self._control.progress.bytes_done += size
            else:
                blocks = self._member.file(self._source.fd, name, self._target.fd, name)
                if blocks is not None:
                    yield from self._paced(blocks)
        except DestinationError:
            raise
        except (OSError, WriteError) as error:
            self._note(error, name)
        yield self._done()

    def _entries(self, fd: int) -> Generator[os.DirEntry[str], None, None]:
        """Yield what is in a directory; an error of reading it is the directory's own."""
        try:
            with os.scandir(fd) as entries:
                yield from entries
        except OSError as error:
            self._note(error)

    def _paced(self, blocks: Generator[None, None, None]) -> Generator[Lane | None, None, None]:
        with contextlib.closing(blocks):
            for _ in blocks:
                yield self._lane()

    def _done(self) -> Lane | None:
        """Count one member; return what its checkpoint says."""
        self.members += 1
        self._control.progress.members_done += 1
        return self._lane()

    def _lane(self) -> Lane | None:
        """Say LONG once, when this has become bulk work.

        What is flushed as a small tree, and not more than one block, is done before: a small copy
        never waits for a slot that a long one holds.
        """
        if self._is_long or (
            self.members <= SMALL_TREE
            and self._control.progress.bytes_done < self._control.block_size
        ):
            return None
        self._is_long = True
        return Lane.LONG

    def _note(self, error: OSError | WriteError, *below: str) -> None:
        """Remember a member's error; raise it again if no member is to blame."""
        side: Literal["source", "destination"] = "source"
        if isinstance(error, WriteError):
            side, error = "destination", error.error
        elif isinstance(error, FileNotFoundError):
            return
        refuse_shortage(error)
        self.errors.append(MemberError(side, (*self._path(), *below), error))

    def _path(self) -> Segments:
        return tuple(level.name for level in self._levels[1:])

    def _enter(self, name: str) -> bool:
        """Go down into a subdirectory; False, with the reason noted, if that is impossible."""
        source_fd = -1
        try:
            above = (identity_of(level.status) for level in self._levels)
            opened = self._following.open(self._source.fd, name, self._path, above)
            source_fd, through_link = opened
            status = os.fstat(source_fd)
            target_fd = _make_directory(self._target.fd, name)
        except (OSError, WriteError) as error:
            if source_fd >= 0:
                os.close(source_fd)
            if isinstance(error, DestinationError):
                raise
            self._note(error, name)
            return False
        self._source.push(source_fd, through_link=through_link)
        self._target.push(target_fd)
        self._levels.append(_Level(name, status))
        return True

    def _leave(self) -> None:
        """Finish the deepest directory and go back up."""
        self._target.reopen_above()
        try:
            status = self._levels[-1].status
            self._member.attributes.keep(self._source.fd, self._target.fd, status)
        except DestinationError:
            raise
        except (OSError, WriteError) as error:
            self._note(error)
        self._target.pop()
        self._source.pop()
        self._levels.pop()

    def _followed(self, name: str) -> Generator[Lane | None, None, bool]:
        """Copy what a link leads to; return True if that is a collection, still to be entered."""
        try:
            entry = self._following.resolved((*self._path(), name))
        except OSError as error:
            refuse_shortage(error)
            self._member.link(self._source.fd, name, self._target.fd, name)
            return False
        with entry:
            status = entry.find()
            if status is None:
                self._member.link(self._source.fd, name, self._target.fd, name)
            elif stat.S_ISDIR(status.st_mode):
                return True
            elif stat.S_ISREG(status.st_mode):
                blocks = self._member.opened(entry.open(), self._target.fd, name)
                if blocks is not None:
                    yield from self._paced(blocks)
            else:
                self._member.special(entry.parent_fd, entry.name, self._target.fd, name)
        return False


def _make_directory(parent_fd: int, name: str) -> int:
    """Make a private directory and open it; errors are the destination's."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent_fd)
        return os.open(name, DIRECTORY, dir_fd=parent_fd)
    except OSError as error:
        blame_destination(error)
