"""All uploads in ranges: found by whoever goes on with them, and dropped when nobody does."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from secrets import token_hex

from davkeep.dav.uploads.address import standing_fields
from davkeep.dav.uploads.transfer import Transfer
from davkeep.store.database import StoreError
from davkeep.store.uploads import StoredUpload
from davkeep.store.uploads import Uploads as StoredUploads
from davkeep.trees.failures import destination_error
from davkeep.trees.partial import (
    Partial,
    make_partial,
    open_folder,
    open_partial,
    remove_partial,
)
from davkeep.trees.share import Entry
from davkeep.words.content_range import ContentRange
from davkeep.words.failure import Failure

_log = logging.getLogger("davkeep.dav")

#: Seconds for which an upload is kept after something was last heard of it: a day.
KEPT = 86_400.0

#: A user's name, and for the anonymous one the address.
Owner = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an upload is: bytes of it and of the whole, and the seconds it is still kept."""

    offset: int
    length: int
    left: float


class Uploads:
    """Finds the upload of an owner to an entry; there is one, and one request at a time in it.

    A row is written before its hidden file is made, so no file is ever without one. What lies under
    a file's name and is another file is what a commit replaced before a crash: it is removed.

    ``_lock`` guards ``_busy`` and ``_limits``, and is held while an upload is looked up, begun or
    ended.
    """

    def __init__(
        self,
        stored: StoredUploads,
        prefix: str,
        *,
        spool: str | None = None,
        now: Callable[[], float],
    ) -> None:
        """``prefix``: what the names of hidden files begin with; ``now``: seconds of the epoch."""
        self._stored = stored
        self._prefix = prefix
        self._spool = None if spool is None else os.fsencode(os.path.realpath(spool))
        self._now = now
        self._lock = threading.Lock()
        self._busy: dict[str, Transfer] = {}
        #: How many bytes count of files that could not be cut when a part was taken back.
        self._limits: dict[str, int] = {}
        self._is_closed = False

    def begin(self, entry: Entry, owner: Owner, part: ContentRange) -> Transfer:
        """Let a request bring ``part``; a request that brought another one is stopped.

        409 for a part that begins after what has arrived, or belongs to a file of another length;
        423 while the upload is being stored; DestinationError where nothing can be staged.
        """
        with self._lock, ExitStack() as undo:
            row, opened = self._gone_on(entry, owner, part) or self._made(entry, owner, part)
            undo.callback(opened.close)
            transfer = Transfer(row.name, opened, part, self._ended)
            self._busy[row.name] = transfer
            undo.pop_all()
            return transfer

    def standing(self, entry: Entry, owner: Owner) -> Standing | None:
        """How far the upload of ``owner`` is; None if there is none."""
        with self._lock:
            row = self._row(entry, owner)
            if row is None:
                return None
            left = max(0.0, row.touched + KEPT - self._now())
            if row.name in self._busy:
                # Its file is not looked for: while it is stored, another one may have its name.
                return Standing(self._busy[row.name].partial.size, row.length, left)
            opened = self._opened(entry, row)
            if opened is None:
                return None
            with opened:
                return Standing(opened.size, row.length, left)

    def abandon(self, entry: Entry, owner: Owner) -> bool:
        """Drop the upload of ``owner``; False if there is none. 423 while it is being stored."""
        with self._lock:
            row = self._row(entry, owner)
            if row is None:
                return False
            if row.name in self._busy:
                self._stop(row.name)
            self._remove(row)
            return True

    def expire(self) -> int:
        """Drop what is too old, or was not removed before; return how many that were."""
        self.sweep()
        with self._lock:
            old = [row for row in self._stored.all() if self._is_old(row)]
            for row in old:
                self._remove(row)
            return len(old)

    def recover(self) -> int:
        """At the start: drop what is too old, and what ended in the moment of a crash."""
        self.sweep()
        with self._lock:
            over = [row for row in self._stored.all() if self._is_old(row) or _is_spent(row)]
            for row in over:
                self._remove(row)
            return len(over)

    def sweep(self) -> None:
        """Remove what is left of uploads whose collections are gone: after a change of a tree.

        A failure is logged; then it is done with the next change, or when the next ones expire.
        """
        try:
            with self._lock:
                for row in [] if self._is_closed else self._stored.hidden():
                    if row.is_over or _has_vanished(row):
                        self._sweep(row)
        except StoreError as error:
            _log.error("uploads into collections that are gone are kept for now: %s", error)

    def _sweep(self, row: StoredUpload) -> None:
        try:
            if row.name in self._busy:
                self._stop(row.name)
        except Failure:
            # It is about to find out that it cannot be stored.
            return
        self._remove(row)

    def close(self) -> None:
        """The server has stopped: requests that it cut leave everything as it is."""
        with self._lock:
            self._is_closed = True

    def _gone_on(
        self, entry: Entry, owner: Owner, part: ContentRange
    ) -> tuple[StoredUpload, Partial] | None:
        """The upload that a part goes on with; None if it begins one."""
        row = self._row(entry, owner)
        if row is not None and row.name in self._busy:
            self._stop(row.name)
        opened = None if row is None else self._opened(entry, row)
        if row is None or opened is None:
            if part.first:
                raise _refused("Nothing of this upload has arrived.", 0, None)
            return None
        if row.length == part.total and part.first <= opened.size:
            self._touch(row.name)
            return row, opened
        with opened:
            if part.first:
                raise _mismatch(row, opened, part)
        self._remove(row)
        return None

    def _stop(self, name: str) -> None:
        """Have the request that is at an upload write no more. 423 while that is being stored."""
        self._busy[name].stop()
        self._note_limit(self._busy.pop(name))

    def _note_limit(self, transfer: Transfer) -> None:
        """Remember for the next request what this one could not cut off."""
        self._limits.pop(transfer.name, None)
        if transfer.partial.limit is not None:
            self._limits[transfer.name] = transfer.partial.limit

    def _touch(self, name: str) -> None:
        """Keep it for another day. It goes on all the same where that cannot be noted."""
        try:
            self._stored.touch(name, self._now())
        except StoreError as error:
            _log.error("an upload is not kept for longer: %s", error)

    def _row(self, entry: Entry, owner: Owner) -> StoredUpload | None:
        row = self._stored.find(entry.path, *owner)
        if row is not None and self._is_old(row):
            self._remove(row)
            return None
        return row

    def _is_old(self, row: StoredUpload) -> bool:
        return row.name not in self._busy and row.touched + KEPT <= self._now()

    def _opened(self, entry: Entry, row: StoredUpload) -> Partial | None:
        """The hidden file; None, and the row is gone, if that is not there.

        One in a spool is beside its target if a commit that failed had brought it there.
        """
        opened = None
        if row.inode is not None:
            with _folder(entry, row.folder) as folder_fd:
                opened = open_partial(folder_fd, row.name, row.inode)
            if opened is None and row.folder is not None:
                opened = open_partial(entry.parent_fd, row.name, row.inode)
        if opened is None:
            self._remove(row)
        else:
            opened.limit = self._limits.get(row.name)
        return opened

    def _made(self, entry: Entry, owner: Owner, part: ContentRange) -> tuple[StoredUpload, Partial]:
        name = self._prefix + token_hex(16)
        row = StoredUpload(name, entry.path, *owner, part.total, self._spool, None, self._now())
        self._stored.add(row)
        with ExitStack() as undo:
            undo.callback(self._remove, row)
            with _folder(entry, row.folder) as folder_fd:
                made = undo.enter_context(make_partial(folder_fd, name))
            self._stored.made(name, made.inode)
            undo.pop_all()
        return row, made

    def _remove(self, row: StoredUpload) -> None:
        """The file first: none is ever without its row. What fails is done again by a sweep.

        It is found by nobody any more in either case, so that a request need not fail for it.
        """
        is_removed = _remove_files(row)
        self._limits.pop(row.name, None)
        try:
            if is_removed:
                self._stored.remove(row.name)
            else:
                self._stored.end(row.name, row.path)
        except StoreError as error:
            _log.error("an upload that is over is not forgotten yet: %s", error)

    def _ended(self, transfer: Transfer) -> None:
        """A request is done with its upload; nothing that is empty or over is kept."""
        with self._lock:
            if self._is_closed or self._busy.get(transfer.name) is not transfer:
                return
            del self._busy[transfer.name]
            self._note_limit(transfer)
            try:
                row = self._stored.get(transfer.name)
                if row is not None and (transfer.is_over or not transfer.partial.size):
                    self._remove(row)
                elif row is not None:
                    self._touch(row.name)
            except StoreError as error:
                _log.error("an upload's end could not be noted: %s", error)


@contextmanager
def _folder(entry: Entry, spool: bytes | None) -> Iterator[int]:
    """The directory of a hidden file. Raises DestinationError."""
    if spool is None:
        yield entry.parent_fd
        return
    try:
        folder_fd = open_folder(spool)
    except OSError as error:
        raise destination_error(error) from error
    try:
        yield folder_fd
    finally:
        os.close(folder_fd)


def _remove_files(row: StoredUpload) -> bool:
    """Remove the hidden file, wherever it may be; False if that is refused."""
    is_removed = True
    for folder in {row.folder or b"", os.path.dirname(row.path)} - {b""}:
        try:
            remove_partial(folder, row.name)
        except OSError as error:
            _log.warning("an upload left something that could not be removed: %s", error)
            is_removed = False
    return is_removed


def _has_vanished(row: StoredUpload) -> bool:
    """Whether the target's collection was out of sight, and is gone from there.

    False where nothing can be told: the disk may not be there.
    """
    collection = os.path.dirname(row.path)
    before, _, _ = collection.partition(b"/.davkeep-")
    return os.path.isdir(before or b"/") and not os.path.lexists(collection)


def _is_spent(row: StoredUpload) -> bool:
    """Whether a crash came before the hidden file was noted, or after it had got its final name.

    False where the file is not to be found: its disk may not be there yet.
    """
    if row.inode is None:
        return True
    folders = [] if row.folder is None else [row.folder]
    found = [_inode_of(folder, row) for folder in (*folders, os.path.dirname(row.path))]
    return row.inode not in found and any(found)


def _inode_of(folder: bytes, row: StoredUpload) -> str | None:
    """The number of what has the name of the hidden file in a folder; None for nothing."""
    try:
        return str(os.lstat(os.path.join(folder, os.fsencode(row.name))).st_ino)
    except OSError:
        return None


def _mismatch(row: StoredUpload, opened: Partial, part: ContentRange) -> Failure:
    if row.length != part.total:
        explanation = "This upload is of a file of another length."
    else:
        explanation = "The range begins after what has arrived."
    return _refused(explanation, opened.size, row.length)


def _refused(explanation: str, offset: int, length: int | None) -> Failure:
    explanation = f"{explanation} Go on at byte {offset}."
    return Failure(409, explanation, fields=standing_fields(offset, length))
