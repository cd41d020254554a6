"""The journal: what operations are about to change, so that a crash leaves nothing half done."""

import logging
import os
import threading
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from davkeep.store.database import Database
from davkeep.store.record import NEXT, SETTLED, IllegalStage, Record, Side, Stage, decoded, encoded
from davkeep.store.subtrees import subtree

_log = logging.getLogger("davkeep.store")

#: Folders of uploads that are remembered although nothing is staged in them any more: so many
#: uploads into different folders cost one write, and a start after a crash looks into no more.
IDLE_FOLDERS = 1_000


class Found(NamedTuple):
    """What the journal holds: its records, and the identifiers of those that cannot be read."""

    records: list[Record]
    unreadable: list[str]


@dataclass(eq=False, slots=True)
class Upload:
    """One upload that is staged somewhere; it goes along with the directory that it is in."""

    path: bytes


class Journal:
    """All records, and the folders of uploads. Everything may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: The records of this process; written only inside a transaction of the database, and so
        #: by one thread at a time, as is the next.
        self._open: dict[str, Record] = {}
        #: In insertion order, of which the older half is dropped first.
        self._folders: dict[bytes, None] = {}
        #: Guards the uploads in each folder.
        self._counting = threading.Lock()
        self._staged: dict[bytes, set[Upload]] = {}

    def write(self, record: Record, *, durable: bool) -> None:
        """Keeps `record`, in the place of an earlier one of the same operation.

        Raises IllegalStage if its stage cannot follow.
        """
        last = self._open.get(record.id)
        if record.stage not in NEXT[None if last is None else last.stage]:
            raise IllegalStage(f"{last and last.stage} cannot become {record.stage}")
        with self._database.transaction(durable=durable) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO journal (id, stage, record) VALUES (?, ?, ?)",
                (record.id, record.stage.value, encoded(record)),
            )
            self._database.when_committed(partial(self._open.__setitem__, record.id, record))

    def erase(self, id: str, *, durable: bool = False) -> None:
        """Forgets an operation that is over."""
        with self._database.transaction(durable=durable) as connection:
            connection.execute("DELETE FROM journal WHERE id = ?", (id,))
            self._database.when_committed(partial(self._open.pop, id, None))

    def stage_of(self, id: str) -> Stage | None:
        """The stage that is written of an operation; None if nothing is."""
        record = self._open.get(id)
        return None if record is None else record.stage

    def is_kept(self, id: str) -> bool:
        """Whether there is a record of an operation, one that cannot be read included."""
        return bool(self._database.rows("SELECT 1 FROM journal WHERE id = ?", (id,)))

    def sides_of(self, id: str) -> tuple[Side, Side | None] | None:
        """Where the source and the destination of an operation are now; None if it is not known."""
        record = self._open.get(id)
        return None if record is None else (record.source, record.destination)

    def records(self) -> Found:
        """Everything that was not forgotten, the oldest operation first; it is followed now."""
        found = Found([], [])
        for id, text in self._database.rows("SELECT id, record FROM journal"):
            try:
                found.records.append(decoded(text))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                _log.error("the journal's record of operation %s cannot be read: %r", id, error)
                found.unreadable.append(id)
        found.records.sort(key=lambda record: record.created)
        self._open |= {record.id: record for record in found.records}
        return found

    def follow(self, old: bytes, new: bytes) -> None:
        """`old` is called `new` from now on, and so is what is hidden somewhere below it.

        Only what is being purged, and uploads, can be below a tree that moves: nobody has reserved
        them any more, or yet.
        """
        before, after = os.fsdecode(old), os.fsdecode(new)
        with self._database.transaction(durable=False):
            for record in list(self._open.values()):
                followed = record.following(before, after)
                if followed != record and record.stage in SETTLED:
                    self.write(followed, durable=False)
            tree = subtree(old)
            for folder in filter(tree.holds, self.folders()):
                self._follow_folder(folder, new + folder[len(old) :])
            self._drop_idle()

    def _follow_folder(self, folder: bytes, followed: bytes) -> None:
        """Note the new key as well, and move what is staged there along."""
        if folder not in self._folders:
            # Of the process before this one, whose rest is searched for by the next start.
            self._insert(followed)
            return
        self._note(followed)
        self._database.when_committed(partial(self._move_staged, folder, followed))

    def _move_staged(self, old: bytes, new: bytes) -> None:
        with self._counting:
            for upload in self._staged.pop(old, set()):
                upload.path = new
                self._staged.setdefault(new, set()).add(upload)

    # Uploads

    def begin_upload(self, folder: bytes) -> "Upload":
        """Something is about to be staged in the directory with a key, which most uploads find
        noted already.

        Returns what `end_upload` takes.
        """
        upload = Upload(folder)
        with self._counting:
            self._staged.setdefault(folder, set()).add(upload)
            is_noted = folder in self._folders
        if not is_noted:
            try:
                with self._database.transaction(durable=False):
                    self._note(folder)
                    self._drop_idle()
            except OSError:
                self.end_upload(upload)
                raise
        return upload

    def end_upload(self, upload: "Upload") -> None:
        """Nothing of one upload is left there."""
        with self._counting:
            others = self._staged.get(upload.path, set())
            others.discard(upload)
            if not others:
                self._staged.pop(upload.path, None)

    def folders(self) -> list[bytes]:
        """All that were noted, also by a process before this one."""
        rows = self._database.rows("SELECT path FROM staging_folders ORDER BY path")
        return [row[0] for row in rows]

    def forget_idle(self) -> None:
        """Drops the folders in which nothing is staged: the end of a process that was asked to."""
        with self._database.transaction(durable=False):
            self._drop([path for path in self._folders if path not in self._staged])

    def forget_folders(self, folders: list[bytes]) -> None:
        """Drops those of `folders` that this process has not noted itself."""
        if not folders:
            return
        with self._database.transaction(durable=False):
            self._drop([each for each in folders if each not in self._folders])

    def _note(self, folder: bytes) -> None:
        with self._database.transaction(durable=False):
            self._insert(folder)
            self._database.when_committed(partial(self._folders.__setitem__, folder, None))

    def _insert(self, folder: bytes) -> None:
        with self._database.transaction(durable=False) as connection:
            connection.execute("INSERT OR IGNORE INTO staging_folders (path) VALUES (?)", (folder,))

    def _drop_idle(self) -> None:
        """Drops the older half of what is idle, once there is too much of it."""
        with self._counting:
            idle = [path for path in self._folders if path not in self._staged]
            if len(idle) <= IDLE_FOLDERS:
                return
            # At once: who stages something there from now on notes it anew.
            dropped = dict.fromkeys(idle[: len(idle) // 2])
            for path in dropped:
                self._folders.pop(path)
        try:
            self._drop(list(dropped))
        except OSError:
            self._folders = dropped | self._folders
            raise

    def _drop(self, paths: list[bytes]) -> None:
        with self._database.transaction(durable=False) as connection:
            connection.executemany(
                "DELETE FROM staging_folders WHERE path = ?", [(path,) for path in paths]
            )
            for path in paths:
                self._database.when_committed(partial(self._folders.pop, path, None))
