"""All uploads in ranges: found by whoever goes on with them, and dropped when nobody does."""

import logging
import os
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from secrets import token_hex

from davkeep.dav.uploads.hidden import Hidden
from davkeep.dav.uploads.standing import Owner, Standing, Unfinished, mismatch, refused
from davkeep.dav.uploads.tenure import Tenure
from davkeep.dav.uploads.transfer import Transfer
from davkeep.dav.uploads.turns import Turns
from davkeep.store.database import StoreError
from davkeep.store.subtrees import subtree
from davkeep.store.uploads import StoredUpload
from davkeep.store.uploads import Uploads as StoredUploads
from davkeep.trees.partial import Partial
from davkeep.trees.roots import Roots
from davkeep.trees.share import Entry
from davkeep.words.content_range import ContentRange
from davkeep.words.failure import Failure

_log = logging.getLogger("davkeep.dav")

#: Seconds for which an upload is kept after something was last heard of it: a day.
KEPT = 86_400.0


class Uploads:
    """Finds the upload of an owner to an entry; there is one, and one request at a time in it.

    A row is written before its hidden file is made, so no file is ever without one. What lies under
    a file's name and is another file is what a commit replaced before a crash: it is removed.

    Whoever looks at the file of an upload, or changes its row, has its turn (``_turns``) meanwhile.
    No file is touched while anything is held that others wait for: a disk that hangs stops what is
    uploaded to it, and nothing else.
    """

    def __init__(
        self,
        stored: StoredUploads,
        prefix: str,
        roots: Roots,
        *,
        spool: str | None = None,
        now: Callable[[], float],
    ) -> None:
        """``prefix``: what the names of hidden files begin with; ``roots``: of all shares; ``now``:
        seconds of the epoch.
        """
        self._stored = stored
        self._hidden = Hidden(roots)
        self._prefix = prefix
        self._spool = None if spool is None else os.fsencode(os.path.realpath(spool))
        self._now = now
        self._turns = Turns()
        #: The request that is at each upload, changed by whoever has the upload's turn.
        self._busy: dict[str, Transfer] = {}
        #: How many bytes count of files that could not be cut when a part was taken back.
        self._limits: dict[str, int] = {}
        #: The names of those that a MOVE takes along: each is changed with the turn of its upload.
        self._held: set[str] = set()
        self._is_closed = False

    # For who uploads

    def begin(self, entry: Entry, owner: Owner, part: ContentRange) -> Transfer:
        """Let a request bring ``part``; one that brought another one is replaced.

        409 for a part that begins after what has arrived, or belongs to a file of another length;
        423 while the upload is being stored; DestinationError where nothing can be staged.
        """
        while True:
            key = self._key(entry, owner)
            row = self._stored.find(key, *owner)
            name = self._prefix + token_hex(16) if row is None else row.name
            with self._turns.at(name):
                if row is None:
                    begun = self._made(name, entry, owner, part)
                else:
                    begun = self._gone_on(name, key, entry, part)
            if begun is not None:
                return begun

    def standing(self, entry: Entry, owner: Owner) -> Standing | None:
        """How far the upload of ``owner`` is; None if there is none."""
        found = self._stored.find(self._key(entry, owner), *owner)
        if found is None:
            return None
        with self._turns.at(found.name):
            row = self._current(found.name)
            if row is None:
                return None
            busy = self._busy.get(row.name)
            if busy is not None:
                # Its file is not looked for: while it is stored, another one may have its name.
                return self._standing(row, busy.arrived)
            opened = self._opened(entry, row)
            if opened is None:
                self._remove(row)
                return None
            with opened:
                return self._standing(row, opened.size)

    def abandon(self, entry: Entry, owner: Owner) -> bool:
        """Drop the upload of ``owner``; False if there is none. 423 while it is being stored."""
        found = self._stored.find(self._key(entry, owner), *owner)
        return found is not None and self._abandon(found.name)

    def keep(self, transfer: Transfer, *, durable: bool) -> None:
        """Note that a part has arrived, before that is answered. Raises StoreError."""
        self._stored.keep(transfer.name, transfer.arrived, self._now(), durable=durable)

    # For who looks after them

    def unfinished(self) -> list[Unfinished]:
        """All that can be gone on with. No disk is asked: what hangs can be listed too."""
        rows = (row for row in self._stored.all() if not (row.is_hidden or self._is_old(row)))
        return [self._listed(row) for row in rows]

    def abandon_listed(self, id: str, may_see: Callable[[Owner], bool]) -> bool:
        """Drop the one that is listed by ``id``, if its owner's may be seen, as ``abandon``."""
        row = self._stored.get(self._prefix + id)
        may_be = row is not None and may_see((row.principal, row.address))
        return may_be and self._abandon(self._prefix + id)

    def all(self) -> list[StoredUpload]:
        """What is to be looked at from time to time."""
        return self._stored.all()

    def expire(self, rows: Iterable[StoredUpload] | None = None) -> int:
        """Drop those of ``rows`` that are too old, or could not be removed before, and those whose
        collections are gone; return how many that were. Without ``rows``: of all.
        """
        found = self._stored.all() if rows is None else rows
        return sum(self._expired(row.name) for row in found)

    def recover(self, rows: Iterable[StoredUpload] | None = None) -> int:
        """At the start: drop also what ended in the moment of a crash, and see what there is."""
        found = self._stored.all() if rows is None else rows
        return sum(self._recovered(row.name) for row in found)

    def sweep(self, roots: Collection[bytes]) -> None:
        """Remove what is left of uploads whose collections are gone: after a change of a tree.

        ``roots``: of the shares of that tree. What lies elsewhere may be on a disk that hangs, and
        is seen to when something changes there. A failure is logged; then it is done with the next
        change, or when the next ones expire.
        """
        try:
            below = [subtree(root) for root in roots]
            for row in [] if self._is_closed else self._stored.hidden():
                if row.is_homeless or any(tree.holds(row.path) for tree in below):
                    self._swept(row.name)
        except StoreError as error:
            _log.error("uploads into collections that are gone are kept for now: %s", error)

    def hold(self, name: str) -> bool:
        """Keep one as it is until it is released; False if it is gone.

        Whoever brings a part writes no more; one that is being stored does not either.
        """
        with self._turns.at(name):
            with suppress(Failure):
                self._close(name)
            self._held.add(name)
            return self._stored.get(name) is not None

    def release(self, name: str) -> None:
        """It may be given up again."""
        with self._turns.at(name):
            self._held.discard(name)

    def limit_of(self, name: str) -> int | None:
        """How many bytes count of a file that could not be cut; None: all of it."""
        return self._limits.get(name)

    def close(self) -> None:
        """The server has stopped: requests that it cut leave everything as it is."""
        self._is_closed = True

    def _key(self, entry: Entry, owner: Owner) -> bytes:
        """The key of an entry. Where names are folded, and nothing has the name yet, an upload that
        its owner has begun under another spelling is the one to it.
        """
        if not entry.share.folds or entry.find() is not None:
            return entry.key
        return self._stored.respelled(entry.key, *owner) or entry.key

    # With the turn of the upload

    def _made(self, name: str, entry: Entry, owner: Owner, part: ContentRange) -> Transfer | None:
        """Begin an upload; None if its owner has begun one meanwhile."""
        if part.first:
            raise refused("Nothing of this upload has arrived.", 0, None)
        now = self._now()
        row = StoredUpload(name, entry.key, *owner, part.total, self._spool, None, now, now)
        if not self._stored.add(row):
            return None
        with ExitStack() as undo:
            undo.callback(self._remove, row)
            made = undo.enter_context(self._hidden.make(entry, row))
            self._stored.made(name, made.inode)
            undo.pop_all()
        return self._entered(name, made, part)

    def _gone_on(self, name: str, key: bytes, entry: Entry, part: ContentRange) -> Transfer | None:
        """Go on with an upload; None if it is gone, or goes for a new one to begin."""
        row = self._stored.get(name)
        if row is None or row.path != key:
            return None
        opened = None if self._is_old(row) else self._taken(entry, row)
        if opened is None:
            self._forget(row)
            return None
        with ExitStack() as undo:
            undo.callback(self._let_go, name, opened)
            if row.length == part.total and part.first <= opened.size:
                self._note(row, opened)
                undo.pop_all()
                return self._entered(name, opened, part)
            if part.first:
                raise mismatch(row, opened.size, part)
        self._forget(row)
        return None

    def _taken(self, entry: Entry, row: StoredUpload) -> Partial | None:
        """The file, from the request that is at it if there is one; None if it is not there."""
        handed_over = self._stop(row.name)
        if handed_over is None:
            return self._opened(entry, row)
        if handed_over.is_there:
            return handed_over
        handed_over.close()
        return None

    def _entered(self, name: str, opened: Partial, part: ContentRange) -> Transfer:
        transfer = Transfer(name, Tenure(opened), part, self._end)
        self._busy[name] = transfer
        return transfer

    def _end(self, transfer: Transfer) -> None:
        """A request is done with its upload; nothing that is empty or over is kept."""
        with self._turns.at(transfer.name):
            limit = transfer.tenure.end()
            if self._is_closed or self._busy.get(transfer.name) is not transfer:
                return
            del self._busy[transfer.name]
            self._note_limit(transfer.name, limit)
            try:
                self._settle(transfer)
            except StoreError as error:
                _log.error("an upload's end could not be noted: %s", error)

    def _settle(self, transfer: Transfer) -> None:
        row = self._stored.get(transfer.name)
        if row is not None and (transfer.is_over or not transfer.arrived):
            self._remove(row)
        elif row is not None:
            self.keep(transfer, durable=False)

    def _stop(self, name: str) -> Partial | None:
        """Take an upload from the request that is at it. 423 while that is being stored."""
        busy = self._busy.get(name)
        if busy is None:
            return None
        taken = busy.tenure.hand_over()
        self._busy.pop(name)
        return taken

    def _let_go(self, name: str, opened: Partial) -> None:
        """Close the file again. What could not be cut off it is remembered."""
        self._note_limit(name, opened.limit)
        opened.close()

    def _note_limit(self, name: str, limit: int | None) -> None:
        self._limits.pop(name, None)
        if limit is not None:
            self._limits[name] = limit

    def _note(self, row: StoredUpload, opened: Partial) -> None:
        """Keep it for another day. It goes on all the same where that cannot be noted.

        From now on one file is the right one, whether the upload came here by a MOVE or not.
        """
        try:
            if opened.inode != row.inode or row.copy is not None:
                self._stored.made(row.name, opened.inode)
            self._stored.touch(row.name, self._now())
        except StoreError as error:
            _log.error("an upload is not kept for longer: %s", error)

    def _current(self, name: str) -> StoredUpload | None:
        """The row, unless it is gone or too old."""
        row = self._stored.get(name)
        if row is not None and self._is_old(row):
            self._remove(row)
            return None
        return row

    def _is_old(self, row: StoredUpload) -> bool:
        is_in_use = row.name in self._busy or row.name in self._held
        return not is_in_use and row.touched + KEPT <= self._now()

    def _opened(self, entry: Entry, row: StoredUpload) -> Partial | None:
        """The hidden file; None if that is not there."""
        opened = self._hidden.open(entry, row)
        if opened is not None:
            opened.limit = self._limits.get(row.name)
        return opened

    def _standing(self, row: StoredUpload, offset: int) -> Standing:
        return Standing(offset, row.length, max(0.0, row.touched + KEPT - self._now()))

    def _listed(self, row: StoredUpload) -> Unfinished:
        busy = self._busy.get(row.name)
        standing = self._standing(row, row.arrived if busy is None else busy.arrived)
        age = max(0.0, self._now() - (row.created or row.touched))
        id = row.name.removeprefix(self._prefix)
        return Unfinished(id, (row.principal, row.address), row.path, standing, age)

    def _abandon(self, name: str) -> bool:
        with self._turns.at(name):
            row = self._current(name)
            if row is None or row.is_hidden:
                return False
            if name in self._held:
                raise Failure(423, "It is being moved.", fields=[("Retry-After", "2")])
            self._close(name)
            self._remove(row)
            return True

    def _close(self, name: str) -> None:
        taken = self._stop(name)
        if taken is not None:
            self._let_go(name, taken)

    def _expired(self, name: str) -> bool:
        with self._turns.at(name):
            row = self._stored.get(name)
            if row is None or not self._is_old(row):
                return row is not None and self._sweep(row)
            self._remove(row)
            return True

    def _recovered(self, name: str) -> bool:
        if self._expired(name):
            return True
        with self._turns.at(name):
            row = self._stored.get(name)
            if row is None or name in self._busy:
                return False
            if self._hidden.is_spent(row):
                self._remove(row)
                return True
            arrived = self._hidden.arrived_of(row)
            if arrived is not None and arrived != row.arrived:
                self._stored.found(name, arrived)
            return False

    def _swept(self, name: str) -> None:
        with self._turns.at(name):
            row = self._stored.get(name)
            if row is not None:
                self._sweep(row)

    def _sweep(self, row: StoredUpload) -> bool:
        """Remove it if it is over, or its collection is; return whether it was."""
        if not (row.is_over or (row.is_hidden and self._hidden.has_vanished(row))):
            return False
        try:
            self._close(row.name)
        except Failure:
            # It is about to find out that it cannot be stored.
            return False
        self._remove(row)
        return True

    def _remove(self, row: StoredUpload) -> None:
        """As ``_forget``, where a request need not fail for it: who looks next does it again."""
        try:
            self._forget(row)
        except StoreError as error:
            _log.error("an upload that is over is not forgotten yet: %s", error)

    def _forget(self, row: StoredUpload) -> None:
        """The file first: none is ever without its row. What is refused is done again by a sweep,
        and nobody finds the upload any more. Raises StoreError.
        """
        is_removed = self._hidden.remove(row)
        self._limits.pop(row.name, None)
        if is_removed:
            self._stored.remove(row.name)
        else:
            self._stored.end(row.name, row.path)
