"""Forgetting a share: all that is stored about it, and what is hidden in it on that account."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from davkeep.operations.looks import Owner
from davkeep.store.database import Database
from davkeep.store.departed import DepartedFile
from davkeep.store.forgetting import forget_below
from davkeep.store.journal import Journal
from davkeep.store.record import Record
from davkeep.store.rekey import concerned, is_anything_stored
from davkeep.store.shares import KnownShare, KnownShares
from davkeep.store.subtrees import FORMER, Subtree, former_key, subtree
from davkeep.store.uploads import StoredUpload, Uploads
from davkeep.trees.marker import MARKER, alone_at, marker_if_any
from davkeep.trees.partial import remove_partial
from davkeep.trees.place import passed

#: Characters of a UUID's beginning by which a share can be named.
LEAST = 8

_BEGINNING = re.compile(rf"[0-9a-f-]{{{LEAST},36}}")


class ForgetRefused(Exception):
    """Nothing is forgotten; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten: in words, and what stays hidden all the same, a sentence each."""

    what: str
    stays: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Named:
    """What a name means: a share, or what waits under a real path, or both."""

    known: KnownShare | None
    waits: bytes | None

    @property
    def trees(self) -> list[Subtree]:
        """What is to be removed. What is stored about a share within another one belongs to it."""
        known = [] if self.known is None or self.known.is_inner else [self.known.prefix]
        return [subtree(key) for key in (*known, *([] if self.waits is None else [self.waits]))]

    def __str__(self) -> str:
        """In words."""
        if self.known is not None:
            return f"the share {self.known.share}, whose root was {self.known.root}"
        return f"what was stored about {os.fsdecode((self.waits or b'')[len(FORMER) :])}"


class Forgetting:
    """Forgets shares of one state, with a server that works with it or without."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        owner: Owner,
        is_served: Callable[[str], bool] = lambda _: False,
        departed: DepartedFile | None = None,
    ) -> None:
        """``owner``: whose shares they are; ``is_served``: asked with the UUID of one; ``departed``
        where no server works with it.
        """
        self._database = database
        self._journal = journal
        self._owner = owner
        self._is_served = is_served
        self._departed = departed
        self._known = KnownShares(database)

    def forget(self, name: str) -> Forgotten:
        """Forget the share that is called so: by its UUID, the beginning of that, or its root.

        What is hidden goes before what is stored, so that wherever it is cut off, it can be done
        again. Raises ForgetRefused and OSError.
        """
        named = self._named(name)
        records = self._only_its(named)
        uploads = [row for tree in named.trees for row in Uploads(self._database).below(tree.root)]
        stays = [*self._unhidden(named, uploads), *_left_of(records)]
        with self._database.transaction():
            for tree in named.trees:
                forget_below(self._database, tree)
            # What is remembered of them goes with that.
            for record in records:
                self._journal.erase(record.id)
            if named.known is not None:
                self._known.remove(named.known)
        if self._departed is not None:
            for tree in named.trees:
                self._departed.forget(tree)
        return Forgotten(str(named), stays)

    # What is meant

    def _named(self, name: str) -> _Named:
        known = [each for each in self._known.all() if _is_called(each, name)]
        if len(known) > 1:
            several = ", ".join(each.share for each in known)
            raise ForgetRefused(f"{name} may be each of the shares {several}")
        key = former_key(os.fsencode(name)) if name.startswith("/") else None
        waits = key if key is not None and is_anything_stored(self._database, key) else None
        if not known and waits is None:
            raise ForgetRefused(f"nothing is known here of a share {name}{_hint(name)}")
        return _Named(known[0] if known else None, waits)

    def _only_its(self, named: _Named) -> list[Record]:
        """The records that go along. Raises ForgetRefused where others would lose something."""
        known = named.known
        if known is not None:
            if self._is_served(known.share):
                raise ForgetRefused(f"{known.root} is the share {known.share}, which is served now")
            self._refuse_around_others(known)
        records = [each for tree in named.trees for each in concerned(self._database, tree)]
        for each in records:
            if not _is_within(each, named.trees):
                told = "that also concerns what is not of this share: serve both once"
                raise ForgetRefused(f"the journal has a record of a {each.method} {told}")
        return records

    def _refuse_around_others(self, known: KnownShare) -> None:
        tree = subtree(known.prefix)
        for other in [] if known.is_inner else self._known.all():
            if other.share != known.share and tree.holds(other.prefix):
                raise ForgetRefused(
                    f"the share {other.share}, whose root was {other.root}, lies in it: forget"
                    f" that first"
                )

    # What is hidden

    def _unhidden(self, named: _Named, uploads: Sequence[StoredUpload]) -> list[str]:
        """Remove the marker and what has arrived of uploads; return what stays, in words."""
        stays = [told for row in uploads if (told := _removed(row.folder, row.name))]
        beside = [row for row in uploads if row.folder is None]
        if named.known is None:
            return stays + _left_in("the share", beside)
        with _marked(named.known, self._owner) as fd:
            if fd is None:
                there = f"{named.known.root} is not there, or not marked as that share: what is"
                return [*stays, f"{there} hidden in it stays, under names that begin with .davkeep"]
            root = os.fsencode(named.known.root)
            for row in uploads:
                below = os.path.dirname(row.path)[len(named.known.prefix) :]
                stays += filter(None, [_removed(root + below, row.name)])
            stays += _without_marker(fd, named.known.root)
        return stays


@contextmanager
def _marked(known: KnownShare, owner: Owner) -> Iterator[int | None]:
    """A descriptor of the root, if that is there and marked as just this share of this state."""
    with ExitStack() as opened:
        fd = None
        with suppress(OSError):
            fd = opened.enter_context(passed(known.root))
            opened.enter_context(alone_at(fd))
            marker = marker_if_any(fd)
            if marker is None or (marker.share, marker.state) != (known.share, owner.state):
                fd = None
        yield fd


def _without_marker(root_fd: int, root: str) -> list[str]:
    try:
        os.unlink(MARKER, dir_fd=root_fd)
    except OSError as error:
        return [f"{root}/{MARKER} stays: {error.strerror}"]
    return []


def _removed(folder: bytes | None, name: str) -> str | None:
    """Remove a hidden file; what is to be told if that is refused."""
    if folder is None:
        return None
    try:
        remove_partial(folder, name)
    except OSError as error:
        return f"{os.fsdecode(folder)}/{name} stays: {error.strerror}"
    return None


def _left_in(where: str, uploads: Sequence[StoredUpload]) -> list[str]:
    if not uploads:
        return []
    return [f"what has arrived of {len(uploads)} uploads stays in {where}, hidden"]


def _left_of(records: Sequence[Record]) -> list[str]:
    """Only recovery knows what of it was somebody's own: nothing of that is removed."""
    return [f"what a {each.method} may have hidden stays: {each.staging}" for each in records]


def _is_called(known: KnownShare, name: str) -> bool:
    if name.startswith("/"):
        return known.root == (name.rstrip("/") or "/")
    return _BEGINNING.fullmatch(name) is not None and known.share.startswith(name)


def _hint(name: str) -> str:
    if name.startswith("/") or _BEGINNING.fullmatch(name):
        return ""
    return f": say its UUID, or at least {LEAST} characters of that, or the path of its root"


def _is_within(record: Record, trees: Sequence[Subtree]) -> bool:
    return all(any(tree.holds(side.key) for tree in trees) for side in record.sides)
