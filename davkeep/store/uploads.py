"""Ranged uploads that are not complete: whose they are, and where what has arrived is kept."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from davkeep.store.database import Database
from davkeep.store.subtrees import BELOW, IN_SUBTREE, check_path, subtree
from davkeep.words.names import folded

_COLUMNS = "name, path, principal, address, length, folder, inode, touched, created, arrived, copy"


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """One upload.

    `name` is that of its hidden file, and `folder` the real path of where that is: None for the
    directory of the target. `path` is the target's key, `principal` and `address` its owner (an
    address only for the anonymous one), `length` that of the whole file. `inode` is that of the
    hidden file, as text, for some are beyond SQLite's integers; None until the file is made.
    `touched` is when something was last heard of it, `created` when it began, in epoch seconds.
    `arrived` is how many bytes there were when the last request ended: the file may hold more, as
    after a crash. `copy` is the number of the file in the collection to which that of the target is
    being moved, or was, across file systems.
    """

    name: str
    path: bytes
    principal: str
    address: str
    length: int
    folder: bytes | None
    inode: str | None
    touched: float
    created: float = 0.0
    arrived: int = 0
    copy: str | None = None

    def is_of(self, inode: str | None) -> bool:
        """Whether a file under the hidden name is that of the upload."""
        return inode is not None and inode in (self.inode, self.copy)

    @property
    def is_hidden(self) -> bool:
        """Whether it is over, or its collection is out of sight and may come back."""
        return b"/.davkeep-" in self.path

    @property
    def is_over(self) -> bool:
        """Whether its target is gone: nobody can ask for it, and its file is to be removed."""
        return os.path.basename(self.path) == os.fsencode(self.name)

    @property
    def is_homeless(self) -> bool:
        """Whether it is over and its collection is gone, so that nothing lies beside its target."""
        return os.path.dirname(self.path) == b"/"


#: What `StoredUpload.is_over` recognises: no URL leads to a hidden name. Of a collection that went,
#: what lay in it went along, so that nothing has to be looked for beside the target.
_OVER = "CAST('/' || name AS BLOB)"

#: Finds what is out of sight, and what is over.
_IS_HIDDEN = "instr(path, CAST('/.davkeep-' AS BLOB)) > 0"


class Uploads:
    """All uploads; of one owner to one path there is one.

    No row goes before its hidden file: an upload that is over because its collection is gone keeps
    its row, which then says so, until whoever removes files has removed that one (see
    `dav.uploads`). A path that is not absolute and plain raises ValueError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        #: How often one was added, counted inside of the transactions; and that number when there
        #: were none. So a server that never has one need not ask for each change of a tree.
        self._added = 0
        self._empty_at = -1

    def exist(self) -> bool:
        """Whether there is any; asks only if one was added since there was none."""
        added = self._added
        if self._empty_at == added:
            return False
        found = bool(self._database.rows("SELECT 1 FROM uploads LIMIT 1"))
        if not found:
            self._empty_at = added
        return found

    def find(self, path: bytes, principal: str, address: str) -> StoredUpload | None:
        """The upload of an owner to `path`."""
        if not self.exist():
            return None
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM uploads WHERE path = ? AND principal = ? AND address = ?",
            (path, principal, address),
        )
        return StoredUpload(*rows[0]) if rows else None

    def respelled(self, path: bytes, principal: str, address: str) -> bytes | None:
        """The path of an owner's upload whose name is another spelling of that in `path`."""
        above = os.path.dirname(path)
        rows = self._database.rows(
            f"SELECT path FROM uploads WHERE principal = ? AND address = ? AND {BELOW}",
            (principal, address, *subtree(above)[1:]),
        )
        alike = (found for (found,) in rows if os.path.dirname(found) == above)
        return next((found for found in alike if _spelled(found) == _spelled(path)), None)

    def get(self, name: str) -> StoredUpload | None:
        """The upload whose hidden file is called ``name``."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM uploads WHERE name = ?", (name,))
        return StoredUpload(*rows[0]) if rows else None

    def all(self) -> list[StoredUpload]:
        """Every upload."""
        return [
            StoredUpload(*row) for row in self._database.rows(f"SELECT {_COLUMNS} FROM uploads")
        ]

    def below(self, path: bytes) -> list[StoredUpload]:
        """Those below a collection."""
        if not self.exist():
            return []
        question = f"SELECT {_COLUMNS} FROM uploads WHERE {BELOW}"
        return [StoredUpload(*row) for row in self._database.rows(question, subtree(path)[1:])]

    def hidden(self) -> list[StoredUpload]:
        """Those that are over, and those whose collection is out of sight and may come back."""
        if not self.exist():
            return []
        question = f"SELECT {_COLUMNS} FROM uploads WHERE {_IS_HIDDEN}"
        return [StoredUpload(*row) for row in self._database.rows(question)]

    def add(self, upload: StoredUpload) -> bool:
        """Keeps a new one; False, and nothing is changed, if its owner has one to that path.

        As with all that follows, no disk is waited for: what a loss of power takes back is found by
        whoever looks for hidden files that have no row. Only `keep` has to stay.
        """
        check_path(upload.path)
        with self._database.transaction(durable=False) as connection:
            marks = ", ".join("?" * (_COLUMNS.count(",") + 1))
            added = connection.execute(
                f"INSERT OR IGNORE INTO uploads ({_COLUMNS}) VALUES ({marks})",
                tuple(_values(upload)),
            )
            self._added += 1
            return added.rowcount > 0

    def made(self, name: str, inode: str) -> None:
        """Notes which file is the hidden one."""
        with self._database.transaction(durable=False) as connection:
            connection.execute(
                "UPDATE uploads SET inode = ?, copy = NULL WHERE name = ?", (inode, name)
            )

    def found_again(self, path: bytes, inode_of: Callable[[bytes], str | None]) -> None:
        """What lies at `path` and below has come to another disk, and hidden files with it.

        `inode_of` tells the inode number of what has a key there, as text; None for no file.
        """
        rows = self._database.rows(
            f"SELECT name, path FROM uploads WHERE folder IS NULL AND {IN_SUBTREE}", subtree(path)
        )
        for name, target in rows:
            inode = inode_of(os.path.join(os.path.dirname(target), os.fsencode(name)))
            if inode is not None:
                self.made(name, inode)

    def copied(self, name: str, inode: str) -> None:
        """Notes which file is to be the hidden one too, in another directory."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE uploads SET copy = ? WHERE name = ?", (inode, name))

    def touch(self, name: str, now: float) -> None:
        """Notes that something was heard of it."""
        with self._database.transaction(durable=False) as connection:
            connection.execute("UPDATE uploads SET touched = ? WHERE name = ?", (now, name))

    def keep(self, name: str, arrived: int, now: float, *, durable: bool = False) -> None:
        """Notes how much has arrived of it by now. What is `durable` outlives a loss of power."""
        with self._database.transaction(durable=durable) as connection:
            connection.execute(
                "UPDATE uploads SET arrived = ?, touched = ? WHERE name = ?", (arrived, now, name)
            )

    def found(self, name: str, arrived: int) -> None:
        """Notes how much of one there is; nothing was heard of it."""
        with self._database.transaction(durable=False) as connection:
            connection.execute("UPDATE uploads SET arrived = ? WHERE name = ?", (arrived, name))

    def remove(self, name: str) -> None:
        """Forgets one, of which nothing is left."""
        with self._database.transaction(durable=False) as connection:
            connection.execute("DELETE FROM uploads WHERE name = ?", (name,))

    def end(self, name: str, path: bytes) -> None:
        """The one to ``path`` is over, and its file, which may be beside that, is still there."""
        over = os.path.join(os.path.dirname(path), os.fsencode(name))
        with self._database.transaction(durable=False) as connection:
            connection.execute("UPDATE uploads SET path = ? WHERE name = ?", (over, name))

    def end_below(self, path: bytes) -> None:
        """Those below a collection are over, for it is gone, or another one has its name."""
        below = subtree(path)[1:]
        if not self.exist():
            return
        with self._database.transaction() as connection:
            connection.execute(f"UPDATE uploads SET path = {_OVER} WHERE {BELOW}", below)

    def end_vanished(self, path: bytes, is_gone: Callable[[bytes], bool]) -> None:
        """Those below ``path`` are over whose collections are gone."""
        below = subtree(path)[1:]
        if not self.exist():
            return
        rows = self._database.rows(f"SELECT name, path FROM uploads WHERE {BELOW}", below)
        for name, target in rows:
            if is_gone(os.path.dirname(target)):
                self.end(name, target)

    def move(self, source: bytes, destination: bytes) -> None:
        """Lets those below a collection go along with it; those below the destination are over."""
        tree = subtree(source)
        if not self.exist():
            return
        with self._database.transaction() as connection:
            self.end_below(destination)
            connection.execute(
                f"UPDATE uploads SET path = CAST(? || substr(path, ?) AS BLOB) WHERE {BELOW}",
                (destination, len(source) + 1, *tree[1:]),
            )


def _spelled(path: bytes) -> str:
    return folded(os.fsdecode(os.path.basename(path)))


def _values(upload: StoredUpload) -> Iterator[bytes | str | float | int | None]:
    yield from (upload.name, upload.path, upload.principal, upload.address)
    yield from (upload.length, upload.folder, upload.inode, upload.touched)
    yield from (upload.created, upload.arrived, upload.copy)
