"""Building a complete copy in a staging entry, flushed and ready to be swapped in."""

import os
from collections.abc import Generator
from contextlib import ExitStack

from davkeep.trees.content import in_lanes
from davkeep.trees.descent import DIRECTORY
from davkeep.trees.durability import flush_tree
from davkeep.trees.failures import WriteError, destination_error, refuse_shortage
from davkeep.trees.member import MemberCopy
from davkeep.trees.members import TreeCopy
from davkeep.trees.share import Entry, Kind
from davkeep.trees.staging import Staging
from davkeep.trees.steps import Control, DestinationError, Lane, MemberError, MemberErrors


class Build:
    """The building of one copy; used once.

    ``errors`` are those of members. ``has_root`` false: the root itself could not be read, and its
    error is the only one.
    """

    def __init__(
        self, source: Entry, staging: Staging, control: Control, *, follow_links: bool
    ) -> None:
        """``follow_links``: links that stay in the share become what they lead to."""
        self.errors = MemberErrors()
        self.has_root = False
        self._source = source
        self._staging = staging
        self._control = control
        self._follow = follow_links

    def steps(self, *, depth_infinity: bool = True) -> Generator[Lane | None, None, None]:
        """Build; raises DestinationError, and FileNotFoundError (404) if the source is gone."""
        kind = self._source.kind
        self._control.witness.staging()
        try:
            if kind is Kind.COLLECTION:
                yield from self._collection(depth_infinity=depth_infinity)
            else:
                yield from self._single(kind)
        except (DestinationError, FileNotFoundError, FileExistsError):
            raise
        except WriteError as failure:
            raise destination_error(failure.error) from failure
        except OSError as error:
            refuse_shortage(error)
            self.errors = MemberErrors([MemberError("source", (), error)])
            return
        self.has_root = True
        self._control.progress.members_done += 1

    def _single(self, kind: Kind | None) -> Generator[Lane | None, None, None]:
        """Build a copy of what is no collection."""
        source = (self._source.parent_fd, self._source.name)
        member = MemberCopy(self._control, flush=self._control.fsync)
        if kind is Kind.LINK:
            member.link(*source, *self._staging.name)
        elif kind is Kind.SPECIAL:
            member.special(*source, *self._staging.name)
        else:
            blocks = member.file(*source, *self._staging.name)
            if blocks is not None:
                yield from in_lanes(blocks)
        self._staging.is_ours = True

    def _collection(self, *, depth_infinity: bool) -> Generator[Lane | None, None, None]:
        with ExitStack() as opened:
            name, parent_fd = self._source.name, self._source.parent_fd
            source_fd = os.open(name, DIRECTORY, dir_fd=parent_fd)
            opened.callback(os.close, source_fd)
            target_fd = self._staging.make_directory()
            opened.callback(os.close, target_fd)
            status = os.fstat(source_fd)
            member = MemberCopy(self._control, is_private=True)
            if depth_infinity:
                tree = TreeCopy(self._source, member, self._control, follow_links=self._follow)
                self.errors = tree.errors
                yield from tree.steps(os.dup(source_fd), os.dup(target_fd), status)
                yield from self._flush(target_fd, tree.members)
            yield None
            member.attributes.keep(source_fd, target_fd, status)
            if self._control.fsync:
                _flush_root(target_fd)

    def _flush(self, target_fd: int, members: int) -> Generator[None, None, None]:
        if self._control.fsync:
            yield None
            try:
                flush_tree(target_fd, members)
            except OSError as error:
                raise destination_error(error) from error


def _flush_root(fd: int) -> None:
    """Flush mode and times of the root, which were set last."""
    try:
        os.fsync(fd)
    except OSError as error:
        raise destination_error(error) from error
