"""The kinds of change that work makes to names, as a table: one class for each.

Each says by which inodes its entries are known again, how one sees which state the names show, how
what is half done is completed or taken back, and what is hidden and may be purged afterwards. The
journal keeps them, and recovery acts on nothing else.

    kind      method    hidden beside the source           hidden beside the destination
    swap      COPY                                         what is built, then what was replaced
    across    MOVE      the source, once the destination   as swap
                        is on its disk
    rename    MOVE      what was replaced, where names     what was replaced, elsewhere
                        can be exchanged
    itself    MOVE
    remove    DELETE    the tree
    unlink    DELETE
    members   DELETE

A name that holds neither what was there before nor what the work made is unknown: then nothing is
touched, but that an original which was hidden, and whose name is free, comes back to it.
"""

import os
import stat
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import ClassVar

from davkeep.trees.names import GONE, OLD, Name
from davkeep.trees.remains import (
    hide,
    is_stand_in,
    listed,
    number,
    remove_stand_in,
    restore_mode,
    return_to,
)
from davkeep.trees.statx import time_of_birth
from davkeep.trees.traces import Inode, Names


class Standing(Enum):
    """Which state the names show."""

    BEFORE = auto()
    AFTER = auto()
    PARTLY = auto()
    """A removal member by member was cut off; what is gone is gone."""
    UNKNOWN = auto()


#: A hidden name, the name that its entry came from, and what that entry is.
Original = tuple[Name | None, Name | None, Inode | None]


class Change(ABC):
    """One kind of change. ``look`` only looks; the others may raise OSError, and may be repeated.

    ``leaves_hidden``: something is out of sight at the effective point, and is purged after it.
    """

    __slots__ = ()

    kind: ClassVar[str]
    has_destination: ClassVar[bool] = True
    #: Whether the source is only read, so that nothing depends on its being there.
    only_reads_source: ClassVar[bool] = False

    @property
    def leaves_hidden(self) -> bool:
        return False

    @property
    def creates(self) -> bool:
        """Whether nothing was at the destination before."""
        return False

    @property
    def is_partial(self) -> bool:
        """Whether members are missing in what was made."""
        return False

    @abstractmethod
    def look(self, names: Names) -> Standing:
        """Which state the names show."""

    def complete(self, names: Names) -> "Change":
        """Finish what is half done, durably, after AFTER; return what is known of it then."""
        names.flush(names.destination, names.source)
        return self

    def undo(self, names: Names) -> bool:
        """Take back what is half done, durably, after BEFORE; False if a name was taken for it."""
        names.flush(names.source, names.destination)
        return True

    def originals(self, names: Names) -> list[Original]:
        """Where entries may be hidden that were there before, and may be the only copy."""
        return []

    def rescue(self, names: Names) -> None:
        """After UNKNOWN: bring back each original whose name is free."""
        for hidden, name, inode in self.originals(names):
            if inode is not None and inode.is_at(hidden) and number(name) is None:
                return_to(hidden, name)
                names.flush(name)

    def purged(self, names: Names) -> list[Name | None]:
        """What may be purged once the change has taken effect."""
        return []

    def purged_undone(self, names: Names) -> list[Name | None]:
        """What may be purged once it was taken back."""
        return []


@dataclass(frozen=True, slots=True)
class _Placing(Change):
    """Something that was built takes its name at the destination, and ``old`` is hidden for it."""

    new: Inode
    old: Inode | None = None

    @property
    def creates(self) -> bool:
        return self.old is None

    def look(self, names: Names) -> Standing:
        final = names.destination
        here = number(final)
        if here == self.new.number:
            return Standing.AFTER
        if self.old is not None and here == self.old.number:
            return Standing.BEFORE
        is_free = here is None or (self.new.is_at(names.by_destination()) and is_stand_in(final))
        return _before_if(is_free, self.old, names)

    def undo(self, names: Names) -> bool:
        is_back = _give_back(self.old, names)
        names.flush(names.destination)
        return is_back

    def originals(self, names: Names) -> list[Original]:
        final = names.destination
        return [
            (names.by_destination(OLD), final, self.old),
            (names.by_destination(), final, self.old),
        ]

    def purged(self, names: Names) -> list[Name | None]:
        return [names.by_destination(), names.by_destination(OLD)]

    def purged_undone(self, names: Names) -> list[Name | None]:
        return [names.by_destination()]


@dataclass(frozen=True, slots=True)
class SwapIn(_Placing):
    """COPY: a staged entry takes its name; ``lacks_members``: some could not be copied."""

    kind: ClassVar[str] = "swap"
    only_reads_source: ClassVar[bool] = True
    lacks_members: bool = False

    @property
    def leaves_hidden(self) -> bool:
        return self.old is not None

    @property
    def is_partial(self) -> bool:
        return self.lacks_members


@dataclass(frozen=True, slots=True)
class MoveAcross(_Placing):
    """MOVE across file systems: as a swap, and then ``source`` goes.

    Each of the two disks commits by itself, so the destination is flushed before the source is
    touched. ``in_place``: the source cannot be hidden, and is removed where it stands once the
    change is in the journal.
    """

    kind: ClassVar[str] = "across"
    source: Inode = field(kw_only=True)
    in_place: bool = False

    @property
    def leaves_hidden(self) -> bool:
        return True

    def complete(self, names: Names) -> "MoveAcross":
        names.flush(names.destination)
        in_place = False
        if self.source.is_at(names.source):
            in_place = not hide(names.source, names.by_source(GONE))
            names.flush(names.source)
        return replace(self, in_place=in_place)

    def undo(self, names: Names) -> bool:
        # First what may be the only copy.
        gone, is_back = names.by_source(GONE), True
        if self.source.is_at(gone):
            remove_stand_in(names.source)
            is_back = return_to(gone, names.source)
        else:
            remove_stand_in(gone)
        names.flush(names.source)
        is_back &= _give_back(self.old, names)
        names.flush(names.destination)
        return is_back

    def originals(self, names: Names) -> list[Original]:
        # Without super(): a class with slots is made anew, and super() would know the former one.
        source = (names.by_source(GONE), names.source, self.source)
        return [source, *_Placing.originals(self, names)]

    def purged(self, names: Names) -> list[Name | None]:
        return [*_Placing.purged(self, names), names.by_source(GONE)]


@dataclass(frozen=True, slots=True)
class Rename(Change):
    """MOVE within one file system: ``new`` goes from the source's name to the destination's."""

    kind: ClassVar[str] = "rename"
    new: Inode
    old: Inode | None = None

    @property
    def leaves_hidden(self) -> bool:
        return self.old is not None

    @property
    def creates(self) -> bool:
        return self.old is None

    def look(self, names: Names) -> Standing:
        there = number(names.destination)
        if self.old is not None and self.old.number == self.new.number:
            # Two file systems, between which nothing is renamed.
            is_before = self.new.is_at(names.source) and self.old.is_at(names.destination)
            return Standing.BEFORE if is_before else Standing.UNKNOWN
        if there == self.new.number:
            return Standing.AFTER
        if not self.new.is_at(names.source):
            return Standing.UNKNOWN
        if self.old is not None and there == self.old.number:
            return Standing.BEFORE
        is_free = there is None or is_stand_in(names.destination)
        return _before_if(is_free, self.old, names)

    def complete(self, names: Names) -> "Rename":
        source = names.source
        if self.new.is_at(source):
            _unlink_second_name(source)
        elif self.old is not None and self.old.is_at(source):
            hide(source, names.by_source())
        self._restore_modes(names)
        names.flush(names.destination, names.source)
        return self

    def undo(self, names: Names) -> bool:
        is_back = _give_back(self.old, names)
        self._restore_modes(names)
        names.flush(names.source, names.destination)
        return is_back

    def _restore_modes(self, names: Names) -> None:
        for name in (names.source, names.destination):
            for inode in (self.new, self.old):
                if inode is not None:
                    restore_mode(name, inode.number, inode.mode)

    def originals(self, names: Names) -> list[Original]:
        return [
            (names.by_destination(OLD), names.destination, self.old),
            (names.by_source(), names.destination, self.old),
        ]

    def purged(self, names: Names) -> list[Name | None]:
        return [names.by_source(), names.by_destination(OLD)]


@dataclass(frozen=True, slots=True)
class Respell(Change):
    """MOVE between two spellings, or two hard links, of ``inode``."""

    kind: ClassVar[str] = "itself"
    inode: Inode

    def look(self, names: Names) -> Standing:
        # A file system that ignores case finds either spelling, but lists one.
        if listed(names.source):
            return Standing.BEFORE if self.inode.is_at(names.source) else Standing.UNKNOWN
        return Standing.AFTER if self.inode.is_at(names.destination) else Standing.UNKNOWN


@dataclass(frozen=True, slots=True)
class HideTree(Change):
    """DELETE of a collection: ``old`` goes out of sight as a whole."""

    kind: ClassVar[str] = "remove"
    has_destination: ClassVar[bool] = False
    old: Inode

    @property
    def leaves_hidden(self) -> bool:
        return True

    def look(self, names: Names) -> Standing:
        here = number(names.source)
        if here == self.old.number:
            return Standing.BEFORE
        # It is out of sight, whatever somebody has made at its name since.
        is_hidden = self.old.is_at(names.by_source())
        return Standing.AFTER if is_hidden or here is None else Standing.UNKNOWN

    def undo(self, names: Names) -> bool:
        remove_stand_in(names.by_source())
        names.flush(names.source)
        return True

    def is_older(self, name: Name | None, moment: float) -> bool:
        """Whether what has a name was made before ``moment``, in seconds of the epoch; False also
        where the file system does not tell.
        """
        born = None if name is None else time_of_birth(*name)
        return born is not None and born < moment

    def bring_back(self, names: Names) -> bool:
        """Bring back what is left of the tree, durably; False if its name was taken meanwhile."""
        hidden = names.by_source()
        if number(hidden) is None:
            return number(names.source) is not None
        remove_stand_in(names.source)
        is_back = return_to(hidden, names.source)
        names.flush(names.source)
        return is_back

    def purged(self, names: Names) -> list[Name | None]:
        return [names.by_source()]

    def purged_undone(self, names: Names) -> list[Name | None]:
        # What could not be brought back; else nothing is there.
        return [names.by_source()]


@dataclass(frozen=True, slots=True)
class Unlink(Change):
    """DELETE of what is no collection: ``old`` goes."""

    kind: ClassVar[str] = "unlink"
    has_destination: ClassVar[bool] = False
    old: Inode

    def look(self, names: Names) -> Standing:
        here = number(names.source)
        if here == self.old.number:
            return Standing.BEFORE
        return Standing.AFTER if here is None else Standing.UNKNOWN


@dataclass(frozen=True, slots=True)
class RemoveMembers(Change):
    """DELETE where it stands, member by member; there is no way back."""

    kind: ClassVar[str] = "members"
    has_destination: ClassVar[bool] = False
    old: Inode

    def look(self, names: Names) -> Standing:
        here = number(names.source)
        if here is None:
            return Standing.AFTER
        return Standing.PARTLY if here == self.old.number else Standing.UNKNOWN


#: By the word that the journal keeps.
KINDS: dict[str, type[Change]] = {
    each.kind: each
    for each in (SwapIn, MoveAcross, Rename, Respell, HideTree, Unlink, RemoveMembers)
}


def _before_if(is_free: bool, old: Inode | None, names: Names) -> Standing:
    """Where the destination's name ``is_free``: whether what it is to be given back is at hand.

    Where renames know no flags, an empty directory may stand in for the new name.
    """
    is_before = old is None or old.is_at(names.by_destination(OLD))
    return Standing.BEFORE if is_free and is_before else Standing.UNKNOWN


def _give_back(old: Inode | None, names: Names) -> bool:
    """Give the destination's name back to what had it, or to nothing; False if it was taken."""
    final, aside = names.destination, names.by_destination(OLD)
    if old is not None and old.is_at(final) and not old.is_at(aside):
        remove_stand_in(aside)
        return True
    if not (old is not None and old.is_at(final)):
        remove_stand_in(final)
    # Linked to its hidden name, and not yet gone from its own one, it loses the former.
    return old is None or return_to(aside, final)


def _unlink_second_name(name: Name | None) -> None:
    """Remove a link whose other one has the new name already."""
    if name is None:
        return
    parent_fd, text = name
    status = os.lstat(text, dir_fd=parent_fd)
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        os.unlink(text, dir_fd=parent_fd)
