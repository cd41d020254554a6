"""What is stored about trees, and what becomes of it when they are copied, moved or removed."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass

from davkeep.store.database import Database
from davkeep.store.extent import any_under_all
from davkeep.store.locks import Lock, Locks
from davkeep.store.properties import DeadProperties
from davkeep.store.shares import NestedShares
from davkeep.store.uploads import Uploads
from davkeep.trees.roots import Roots


class ShareAbsentError(OSError):
    """A share is not there at present, and what depends on it has to wait: 503, by its errno."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(errno.EHOSTDOWN, "the share is not there")


@dataclass(frozen=True, slots=True)
class Stored:
    """Locks, dead properties and uploads, by the keys of what they belong to, which ``roots`` find.

    Every change is one transaction, or a part of the one around it, and may raise StoreError.
    """

    database: Database
    properties: DeadProperties
    locks: Locks
    uploads: Uploads
    roots: Roots
    nested: NestedShares

    def lies_below(self, *paths: bytes) -> bool:
        """Whether anything is stored about one of ``paths`` or what is below it."""
        return any_under_all(self.database, ("properties", "locks"), paths)

    def forget_predecessor(self, path: bytes) -> None:
        """Let what is about to be made at ``path``, where nothing is, begin with nothing stored.

        What is stored is of a predecessor that went away without the server's doing. A lock on the
        name itself stays, as it does on what is overwritten: it covers whatever is made there.

        Whoever makes a name is alone at it (``Mode.WRITE``) and calls this before it can be seen,
        and changes nothing here between that and the answer: what others then store is of what was
        made. COPY and MOVE do both in one, at their effective point, and are alone as well.
        """
        if self.lies_below(path):
            with self.database.transaction():
                self._overwritten(path)
                self.properties.remove(path)
                self.nested.removed(path)

    def copied(self, source: bytes, destination: bytes, *, depth_infinity: bool) -> None:
        """The destination is a copy: it has the source's properties, and keeps its own lock."""
        with self.database.transaction():
            self._overwritten(destination)
            self.properties.copy(source, destination, depth_infinity)
            self._respell(destination)
            self.nested.removed(destination)

    def moved(self, source: bytes, destination: bytes) -> None:
        """The source is the destination now; its own locks do not go along (RFC 4918 7.6)."""
        if source == destination:
            # Another spelling, which its file system does not keep.
            return
        with self.database.transaction():
            self._overwritten(destination)
            self.locks.end_at_or_below(source)
            self.properties.move(source, destination)
            self.uploads.move(source, destination)
            self._respell(destination)
            self.nested.moved(source, destination)

    def _respell(self, destination: bytes) -> None:
        """Members that came from another share are known as their file system keeps their names."""
        kept = self.roots.spelling_at(destination)
        if not kept.changes_names:
            return
        for key in self.properties.under(destination, "infinity"):
            below = os.fsdecode(key.removeprefix(destination))
            self.properties.respell(key, destination + os.fsencode(kept.new(below)))

    def _overwritten(self, destination: bytes) -> None:
        """End the locks below; one on the destination itself stays, for the UNLOCK of Office.

        What is being uploaded into the collection that was there ends with it.
        """
        kept = [lock.token for lock in self.locks.covering(destination)]
        self.locks.end_at_or_below(destination, keep=kept)
        self.uploads.end_below(destination)

    def removed(self, path: bytes) -> None:
        """What had a name is gone for good, with its locks and properties."""
        with self.database.transaction():
            self.locks.end_at_or_below(path)
            self.properties.remove(path)
            self.uploads.end_below(path)
            self.nested.removed(path)

    def hidden(self, path: bytes, hidden: bytes) -> list[Lock]:
        """A tree is out of sight; return the locks that ended with that."""
        with self.database.transaction():
            ended = self.locks.end_at_or_below(path)
            self.properties.move(path, hidden)
            self.uploads.move(path, hidden)
            self.nested.moved(path, hidden)
        return ended

    def brought_back(self, path: bytes, hidden: bytes, ended: Sequence[Lock]) -> None:
        """What is left of that tree is there again."""
        with self.database.transaction():
            if self.properties.exist_under(hidden):
                self.properties.move(hidden, path)
            self.locks.put_back(ended)
            self.uploads.move(hidden, path)
            self.nested.moved(hidden, path)

    def forget_vanished(self, path: bytes) -> None:
        """End the locks, the properties and the uploads of what at or below ``path`` is not there.

        For work that was done in part, of which no single moment says what became of each member.
        The caller has reserved the tree: nothing is made there between the look and the change. It
        has also seen that the share is there.
        """
        self.uploads.end_vanished(path, self.is_gone)
        tokens = self._vanished_locks(path)
        members = [each for each in self.properties.under(path, "infinity") if self.is_gone(each)]
        if not (tokens or members):
            return
        with self.database.transaction():
            for token in tokens:
                self.locks.release(token)
            for member in members:
                self.properties.remove(member)

    def dismiss_vanished(self, path: bytes) -> None:
        """The locks of what is gone at or below ``path`` count for nothing, written or not."""
        self.locks.dismiss(self._vanished_locks(path))

    def _vanished_locks(self, path: bytes) -> list[str]:
        above = [(lock.token, lock.path) for lock in self.locks.covering(path)]
        written = [*above, *self.locks.written_at_or_below(path)]
        return [token for token, locked in dict(written).items() if self.is_gone(locked)]

    def is_gone(self, key: bytes) -> bool:
        """Whether nothing is there; of what cannot be looked at, or whose share is not there, that
        is not known.
        """
        located = self.roots.locate(key)
        if located is None:
            return False
        try:
            os.lstat(located.path)
        except (FileNotFoundError, NotADirectoryError):
            return located.share.root.is_there()
        except OSError:
            return False
        return False
