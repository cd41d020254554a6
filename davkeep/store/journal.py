"""The journal: what operations are about to change, so that a crash leaves nothing half done.

A record goes through the stages of ``NEXT``. What is to be done about each kind of change stands in
``trees.changes``.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from davkeep.store.database import Database
from davkeep.store.locks import Lock
from davkeep.store.subtrees import subtree
from davkeep.trees.changes import KINDS, Change, HideTree, Inode

_log = logging.getLogger("davkeep.store")

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
    UNKNOWN = "unknown"
    """Somebody else changed the same names: nothing more is done, and what is hidden is kept."""


#: Which stages may follow which; None is before the first. A stage follows itself where its record
#: is told something new: another attempt, or another path.
NEXT: Mapping[Stage | None, frozenset[Stage]] = {
    None: frozenset({Stage.STAGING, Stage.CHANGING}),
    Stage.STAGING: frozenset({Stage.STAGING, Stage.CHANGING, Stage.UNDONE}),
    Stage.CHANGING: frozenset(
        {
            Stage.CHANGING,
            # A MOVE whose rename was refused, since it leads to another file system.
            Stage.STAGING,
            Stage.EFFECTIVE,
            Stage.RETURNING,
            Stage.UNDONE,
            Stage.UNKNOWN,
        }
    ),
    Stage.EFFECTIVE: frozenset({Stage.EFFECTIVE, Stage.RETURNING}),
    Stage.RETURNING: frozenset({Stage.RETURNING, Stage.UNDONE}),
    Stage.UNDONE: frozenset({Stage.UNDONE}),
    Stage.UNKNOWN: frozenset({Stage.UNKNOWN}),
}

#: Stages of which nothing but something hidden is left: nothing visible follows from such a record.
SETTLED = frozenset((Stage.EFFECTIVE, Stage.UNDONE, Stage.UNKNOWN))


class IllegalStage(RuntimeError):
    """A stage was to follow that cannot follow: a bug in whoever writes the journal."""


class ImpossibleRecord(ValueError):
    """A record that says what cannot be."""


@dataclass(frozen=True, slots=True)
class Side:
    """The source or the destination: its real path, and by which inodes it is known again.

    `root` is the folder of its share, `root_inode` that folder's.
    """

    path: str
    root: str
    root_inode: str

    def is_there(self) -> bool:
        """Whether the folder of its share is the one that it was, and no empty mount point."""
        return is_share(self.root, self.root_inode)


def is_share(root: str | bytes, inode: str) -> bool:
    """Whether a folder is there, and the one that has this inode number."""
    try:
        return str(os.stat(root).st_ino) == inode
    except OSError:
        return False


@dataclass(frozen=True)
class Record:
    """What the journal holds of one operation; paths are real ones, decoded as by `os.fsdecode`.

    `staging` is the hidden name, `change` what is done to names, None before that is begun. `ended`
    are the locks that a DELETE ended. `status` and `failures` (hrefs with their statuses) are the
    outcome, once that is certain; `finding` is what recovery found instead. Raises
    ImpossibleRecord.
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
    change: Change | None = None
    ended: tuple[Lock, ...] = ()
    status: int | None = None
    failures: tuple[tuple[str, int], ...] = ()
    finding: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for problem, is_so in _PROBLEMS.items():
            if is_so(self):
                raise ImpossibleRecord(f"{self.id}: {problem}")

    def following(self, old: str, new: str) -> "Record":
        """The same after `old`, which may hold its sides, has become `new`."""
        destination = self.destination
        return replace(
            self,
            source=_followed(self.source, old, new),
            destination=None if destination is None else _followed(destination, old, new),
        )


#: What no record can be, and how that is seen.
_PROBLEMS: Mapping[str, Callable[[Record], bool]] = {
    "something is built, and names change already": lambda record: (
        record.stage is Stage.STAGING and record.change is not None
    ),
    "no change is named": lambda record: (
        record.change is None and record.stage not in (Stage.STAGING, Stage.UNDONE)
    ),
    "a change of one name has two, or of two names one": lambda record: (
        record.change is not None and record.change.has_destination is (record.destination is None)
    ),
    "only what was hidden as a whole comes back": lambda record: (
        (record.stage is Stage.RETURNING or bool(record.ended))
        and not isinstance(record.change, HideTree)
    ),
    "the outcome is known before the effective point": lambda record: (
        record.status is not None and record.stage not in (Stage.EFFECTIVE, Stage.RETURNING)
    ),
    "there is a finding of what was never looked at": lambda record: (
        record.finding is not None and record.stage not in SETTLED
    ),
}


def _followed(side: Side, old: str, new: str) -> Side:
    if not side.path.startswith(f"{old}/"):
        return side
    return replace(side, path=new + side.path[len(old) :])


class Found(NamedTuple):
    """What the journal holds: its records, and the identifiers of those that cannot be read."""

    records: list[Record]
    unreadable: list[str]


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
        """Keeps `record`, in the place of an earlier one of the same operation.

        Raises IllegalStage if its stage cannot follow.
        """
        last = self._open.get(record.id)
        if record.stage not in NEXT[None if last is None else last.stage]:
            raise IllegalStage(f"{last and last.stage} cannot become {record.stage}")
        with self._database.transaction(durable=durable) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO journal (id, stage, record) VALUES (?, ?, ?)",
                (record.id, record.stage.value, _encoded(record)),
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
                found.records.append(_decoded(text))
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
            for folder in [each for each in self.folders() if tree.holds(each.path)]:
                self._follow_folder(folder, replace(folder, path=new + folder.path[len(old) :]))

    def _follow_folder(self, folder: Folder, followed: Folder) -> None:
        """Note the new path as well, and move what is staged there along."""
        if folder.path not in self._folders:
            # Of the process before this one, whose rest is searched for by the next start.
            self._insert(followed)
            return
        self._note(followed)
        self._database.when_committed(partial(self._move_staged, folder.path, followed.path))

    def _move_staged(self, old: bytes, new: bytes) -> None:
        with self._counting:
            for upload in self._staged.pop(old, set()):
                upload.path = new
                self._staged.setdefault(new, set()).add(upload)

    # Uploads

    def begin_upload(self, folder: Folder) -> "Upload":
        """Something is about to be staged in `folder`. Most uploads find it noted already.

        Returns what `end_upload` takes.
        """
        upload = Upload(folder.path)
        with self._counting:
            self._staged.setdefault(folder.path, set()).add(upload)
        if folder.path not in self._folders:
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
            self._database.when_committed(partial(self._folders.__setitem__, folder.path, folder))

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
                self._database.when_committed(partial(self._folders.pop, path, None))


def _encoded(record: Record) -> str:
    return json.dumps(vars(record), default=_plain)


def _plain(value: object) -> object:
    """What JSON cannot hold, as what it can; bytes by one character each."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Stage):
        return value.value
    if isinstance(value, Change):
        return {"kind": value.kind, **_attributes(value)}
    if isinstance(value, Inode | Side | Lock):
        return _attributes(value)
    raise TypeError(f"{value!r} has no place in a record")


def _attributes(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _decoded(text: str) -> Record:
    found: dict[str, Any] = json.loads(text)
    if "action" in found:
        _bring_up(found)
    found["stage"] = Stage(found["stage"])
    for name in ("source", "destination"):
        found[name] = None if found[name] is None else Side(**found[name])
    found["change"] = None if found["change"] is None else _change(found["change"])
    found["ended"] = tuple(_lock(each) for each in found["ended"])
    found["failures"] = tuple((href, status) for href, status in found["failures"])
    return Record(**found)


def _change(found: dict[str, Any]) -> Change:
    kind = KINDS[found.pop("kind")]
    return kind(**{name: _value(value) for name, value in found.items()})


def _value(value: Any) -> Any:
    return Inode(**value) if isinstance(value, dict) else value


def _lock(found: dict[str, Any]) -> Lock:
    for name in ("path", "owner_xml"):
        found[name] = found[name].encode("latin-1")
    return Lock(**found)


#: Of records without a class for each kind of change (0.1.0): what each kind takes from them.
_FORMER: Mapping[str, Mapping[str, str]] = {
    "swap": {"new": "new", "old": "old", "lacks_members": "is_partial"},
    "across": {"new": "new", "old": "old", "source": "source_inode", "in_place": "in_place"},
    "rename": {"new": "new", "old": "old"},
    "itself": {"inode": "new"},
    "remove": {"old": "old"},
    "unlink": {"old": "old"},
    "members": {"old": "old"},
}


def _bring_up(found: dict[str, Any]) -> None:
    """Give a record of that time the form of today."""
    kind = found.pop("action")
    former = {
        name: found.pop(name) for name in ("new", "old", "source_inode", "in_place", "is_partial")
    }
    is_begun = kind is not None and found["stage"] != Stage.STAGING.value
    found["change"] = (
        {"kind": kind, **{name: former[old] for name, old in _FORMER[kind].items()}}
        if is_begun
        else None
    )
    if found["stage"] not in (Stage.EFFECTIVE.value, Stage.RETURNING.value):
        found["status"] = None
