"""The journal: what operations are about to change, so that a crash leaves nothing half done."""

import json
import os
import threading
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from davkeep.store.database import Database
from davkeep.store.locks import Lock
from davkeep.store.subtrees import subtree
from davkeep.trees.witness import Action

#: Folders of uploads that are remembered although nothing is staged in them any more: so many
#: uploads into different folders cost one write, and a start after a crash looks into no more.
IDLE_FOLDERS = 1_000


class Stage(Enum):
    """How far an operation has come. What a reader sees differs only from CHANGING on."""

    STAGING = "staging"
    """Something hidden is being built."""
    CHANGING = "changing"
    """Names change at this moment; the file system tells whether they have."""
    EFFECTIVE = "effective"
    """The names, properties and locks show the final state. What is hidden is to be purged."""
    RETURNING = "returning"
    """A DELETE is being taken back."""
    UNDONE = "undone"
    """Everything is as it was before. What is hidden is to be purged."""


#: Stages of which nothing but something hidden is left.
_ONLY_HIDDEN = frozenset((Stage.EFFECTIVE, Stage.UNDONE))


@dataclass(frozen=True, slots=True)
class Inode:
    """What an entry was: its number, in decimal, and its permission bits."""

    number: str
    mode: int

    @classmethod
    def of(cls, status: os.stat_result | None) -> "Inode | None":
        """That of a status; None for nothing."""
        return None if status is None else cls(str(status.st_ino), status.st_mode & 0o7777)


@dataclass(frozen=True, slots=True)
class Side:
    """The source or the destination: its real path, and by which inodes it is known again.

    `root` is the folder of its share, `root_inode` that folder's.
    """

    path: str
    root: str
    root_inode: str


@dataclass(frozen=True)
class Record:
    """What the journal holds of one operation; paths are real ones, decoded as by `os.fsdecode`.

    `staging` is the hidden name. `new` is what is to be at the destination, `old` what was there or
    is to go, `source_inode` the source of a MOVE across file systems, which is removed where it
    stands with `in_place`. `is_partial`: members failed. `ended` are the locks that a DELETE ended.
    `status` and `failures` (hrefs with their statuses) are the outcome, once that is certain;
    `finding` is what recovery found instead.
    """

    id: str
    owner: str
    address: str
    method: str
    source_url: str
    destination_url: str | None
    created: float
    staging: str
    source: Side
    destination: Side | None = None
    depth_infinity: bool = True
    stage: Stage = Stage.STAGING
    action: Action | None = None
    new: Inode | None = None
    old: Inode | None = None
    source_inode: Inode | None = None
    in_place: bool = False
    is_partial: bool = False
    ended: tuple[Lock, ...] = ()
    status: int | None = None
    failures: tuple[tuple[str, int], ...] = ()
    finding: str | None = None

    def following(self, old: str, new: str) -> "Record":
        """The same after `old`, which may hold its sides, has become `new`."""
        destination = self.destination
        return replace(
            self,
            source=_followed(self.source, old, new),
            destination=None if destination is None else _followed(destination, old, new),
        )


def _followed(side: Side, old: str, new: str) -> Side:
    if not side.path.startswith(f"{old}/"):
        return side
    return replace(side, path=new + side.path[len(old) :])


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory in which an upload was staged; `root` and `inode` as in Side."""

    path: bytes
    root: bytes
    inode: str


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
        self._folders: dict[bytes, Folder] = {}
        #: Guards the uploads in each folder.
        self._counting = threading.Lock()
        self._staged: dict[bytes, set[Upload]] = {}

    def write(self, record: Record, *, durable: bool) -> None:
        """Keeps `record`, in the place of an earlier one of the same operation."""
        with self._database.transaction(durable=durable) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO journal (id, stage, record) VALUES (?, ?, ?)",
                (record.id, record.stage.value, _encoded(record)),
            )
            self._open[record.id] = record

    def erase(self, id: str, *, durable: bool = False) -> None:
        """Forgets an operation that is over."""
        with self._database.transaction(durable=durable) as connection:
            connection.execute("DELETE FROM journal WHERE id = ?", (id,))
            self._open.pop(id, None)

    def records(self) -> list[Record]:
        """Everything that was not forgotten, the oldest operation first; they are followed now."""
        with self._database.transaction():
            rows = self._database.rows("SELECT record FROM journal")
            found = sorted((_decoded(row[0]) for row in rows), key=lambda record: record.created)
            self._open |= {record.id: record for record in found}
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
                if followed != record and record.stage in _ONLY_HIDDEN:
                    self.write(followed, durable=False)
            tree = subtree(old)
            for folder in [each for each in self.folders() if tree.holds(each.path)]:
                self._follow_folder(folder, replace(folder, path=new + folder.path[len(old) :]))

    def _follow_folder(self, folder: Folder, followed: Folder) -> None:
        """Note the new path as well, and move what is staged there along."""
        if folder.path not in self._folders:
            # Of the process before this one, whose rest is searched for by the next start.
            self._insert(followed)
            return
        self._note(followed)
        with self._counting:
            for upload in self._staged.pop(folder.path, set()):
                upload.path = followed.path
                self._staged.setdefault(followed.path, set()).add(upload)

    # Uploads

    def begin_upload(self, folder: Folder) -> "Upload":
        """Something is about to be staged in `folder`. Most uploads find it noted already.

        Returns what `end_upload` takes.
        """
        upload = Upload(folder.path)
        with self._counting:
            self._staged.setdefault(folder.path, set()).add(upload)
        if folder.path not in self._folders:
            with self._database.transaction(durable=False):
                self._note(folder)
                self._drop_idle()
        return upload

    def end_upload(self, upload: "Upload") -> None:
        """Nothing of one upload is left there."""
        with self._counting:
            others = self._staged.get(upload.path, set())
            others.discard(upload)
            if not others:
                self._staged.pop(upload.path, None)

    def folders(self) -> list[Folder]:
        """All that were noted, also by a process before this one."""
        rows = self._database.rows("SELECT path, root, inode FROM staging_folders ORDER BY path")
        return [Folder(*row) for row in rows]

    def forget_idle(self) -> None:
        """Drops the folders in which nothing is staged: the end of a process that was asked to."""
        with self._database.transaction(durable=False):
            self._drop([path for path in self._folders if path not in self._staged])

    def forget_folders(self, folders: list[Folder]) -> None:
        """Drops those of `folders` that this process has not noted itself."""
        if not folders:
            return
        with self._database.transaction(durable=False):
            self._drop([each.path for each in folders if each.path not in self._folders])

    def _note(self, folder: Folder) -> None:
        with self._database.transaction(durable=False):
            self._insert(folder)
            self._folders[folder.path] = folder

    def _insert(self, folder: Folder) -> None:
        with self._database.transaction(durable=False) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO staging_folders (path, root, inode) VALUES (?, ?, ?)",
                (folder.path, folder.root, folder.inode),
            )

    def _drop_idle(self) -> None:
        """Drops the older half of what is idle, once there is too much of it."""
        with self._counting:
            idle = [path for path in self._folders if path not in self._staged]
        if len(idle) > IDLE_FOLDERS:
            self._drop(idle[: len(idle) // 2])

    def _drop(self, paths: list[bytes]) -> None:
        with self._database.transaction(durable=False) as connection:
            connection.executemany(
                "DELETE FROM staging_folders WHERE path = ?", [(path,) for path in paths]
            )
            for path in paths:
                self._folders.pop(path, None)


def _encoded(record: Record) -> str:
    return json.dumps(vars(record), default=_plain)


def _plain(value: object) -> object:
    """What JSON cannot hold, as what it can; bytes by one character each."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Stage):
        return value.value
    if isinstance(value, Inode | Side | Lock):
        return {name: getattr(value, name) for name in value.__slots__}
    raise TypeError(f"{value!r} has no place in a record")


def _decoded(text: str) -> Record:
    found: dict[str, Any] = json.loads(text)
    found["stage"] = Stage(found["stage"])
    for name, kind in _KINDS:
        found[name] = None if found[name] is None else kind(**found[name])
    found["ended"] = tuple(_lock(each) for each in found["ended"])
    found["failures"] = tuple((href, status) for href, status in found["failures"])
    return Record(**found)


_KINDS: tuple[tuple[str, Any], ...] = (
    ("source", Side),
    ("destination", Side),
    ("new", Inode),
    ("old", Inode),
    ("source_inode", Inode),
)


def _lock(found: dict[str, Any]) -> Lock:
    for name in ("path", "owner_xml"):
        found[name] = found[name].encode("latin-1")
    return Lock(**found)
