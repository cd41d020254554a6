"""Ranged uploads that are not complete: whose they are, and where what has arrived is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

from davkeep.store.database import Database
from davkeep.store.subtrees import BELOW, check_path, subtree

_COLUMNS = "name, path, principal, address, length, folder, inode, touched"


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """One upload.

    `name` is that of its hidden file, and `folder` where that is: None for the directory of the
    target. `path` is the target's real path, `principal` and `address` its owner (an address only
    for the anonymous one), `length` that of the whole file. `inode` is that of the hidden file, as
    text, for some are beyond SQLite's integers; None until the file is made. `touched` is when
    something was last heard of it, in epoch seconds.
    """

    name: str
    path: bytes
    principal: str
    address: str
    length: int
    folder: bytes | None
    inode: str | None
    touched: float


class Uploads:
    """All uploads; of one owner to one path there is one.

    A path that is not absolute and plain raises ValueError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, path: bytes, principal: str, address: str) -> StoredUpload | None:
        """The upload of an owner to `path`."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM uploads WHERE path = ? AND principal = ? AND address = ?",
            (path, principal, address),
        )
        return StoredUpload(*rows[0]) if rows else None

    def get(self, name: str) -> StoredUpload | None:
        """The upload whose hidden file is called ``name``."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM uploads WHERE name = ?", (name,))
        return StoredUpload(*rows[0]) if rows else None

    def all(self) -> list[StoredUpload]:
        """Every upload."""
        return [
            StoredUpload(*row) for row in self._database.rows(f"SELECT {_COLUMNS} FROM uploads")
        ]

    def add(self, upload: StoredUpload) -> None:
        """Keeps a new one in the place of what its owner had for that path."""
        check_path(upload.path)
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM uploads WHERE path = ? AND principal = ? AND address = ?",
                (upload.path, upload.principal, upload.address),
            )
            connection.execute(
                f"INSERT INTO uploads ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                tuple(_values(upload)),
            )

    def made(self, name: str, inode: str) -> None:
        """Notes which file is the hidden one."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE uploads SET inode = ? WHERE name = ?", (inode, name))

    def touch(self, name: str, now: float) -> None:
        """Notes that something was heard of it."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE uploads SET touched = ? WHERE name = ?", (now, name))

    def remove(self, name: str) -> None:
        """Forgets one."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM uploads WHERE name = ?", (name,))

    def move(self, source: bytes, destination: bytes) -> None:
        """Lets those below a collection go along with it; those below the destination are gone."""
        tree = subtree(source)
        with self._database.transaction() as connection:
            connection.execute(f"DELETE FROM uploads WHERE {BELOW}", subtree(destination)[1:])
            connection.execute(
                f"UPDATE uploads SET path = CAST(? || substr(path, ?) AS BLOB) WHERE {BELOW}",
                (destination, len(source) + 1, *tree[1:]),
            )


def _values(upload: StoredUpload) -> Iterator[bytes | str | float | int | None]:
    yield from (upload.name, upload.path, upload.principal, upload.address)
    yield from (upload.length, upload.folder, upload.inode, upload.touched)
