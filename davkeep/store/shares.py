"""The shares that a state has ever served, by which they are known again."""

import os
import sqlite3
from dataclasses import dataclass

from davkeep.store.database import Database
from davkeep.store.reading import Answers
from davkeep.store.subtrees import IN_SUBTREE, subtree
from davkeep.trees.fingerprint import Fingerprint

_COLUMNS = "share, prefix, root, filesystem, inode, born, seen, spelling, adopted"

_IN_SUBTREE = IN_SUBTREE.replace("path", "prefix")


def root_key(share: str) -> bytes:
    """The key of the root of a share, by its UUID, where that lies in no other one."""
    return b"/" + share.encode("ascii")


@dataclass(frozen=True, slots=True)
class KnownShare:
    """One share.

    `share` is its UUID, `prefix` the key of its root, which begins with another UUID where the root
    lies in that of an outer share. `root` is the real path of the root when it was last served,
    `fingerprint` what the kernel told of it then, and `seen` when that was, in epoch seconds, to
    about a day. `spelling` is that of names in the root, as text; see `trees.spelling`.
    `is_adopted`: somebody said that what has this root and fingerprint is the share.
    """

    share: str
    prefix: bytes
    root: str
    fingerprint: Fingerprint
    seen: float
    spelling: str | None = None
    is_adopted: bool = False

    @property
    def outer(self) -> str:
        """The UUID of the share by whose key it is known: its own, where it lies in no other."""
        return self.prefix.split(b"/")[1].decode("ascii")

    @property
    def is_inner(self) -> bool:
        """Whether its root lies in that of another share, to which belongs what is stored."""
        return self.prefix != root_key(self.share)

    def is_known_by(self, root: str, fingerprint: Fingerprint) -> bool:
        """Whether a directory without a marker is certainly the share.

        Where the kernel cannot tell, somebody may have said so.
        """
        if self.is_adopted and (self.root, self.fingerprint) == (root, fingerprint):
            return True
        return self.fingerprint.tells(fingerprint)


def known_shares(database: Answers) -> list[KnownShare]:
    """Every share that was ever served, by their UUIDs in order. Raises StoreError."""
    rows = database.rows(f"SELECT {_COLUMNS} FROM shares ORDER BY share")
    return [
        KnownShare(
            share,
            prefix,
            os.fsdecode(root),
            Fingerprint(*fingerprint),
            seen,
            spelling,
            bool(adopted),
        )
        for share, prefix, root, *fingerprint, seen, spelling, adopted in rows
    ]


class KnownShares:
    """All of them. Everything may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[KnownShare]:
        """Every share, also those that are served no more."""
        return known_shares(self._database)

    def get(self, share: str) -> KnownShare | None:
        """What is known of one; None if it was never served."""
        return next((each for each in self.all() if each.share == share), None)

    def put(self, known: KnownShare) -> None:
        """Keeps what is known of one, in the place of what was."""
        told = known.fingerprint
        values = (known.share, known.prefix, os.fsencode(known.root))
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO shares ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(*values, told.filesystem, told.inode, told.born, known.seen),
                    *(known.spelling, known.is_adopted),
                ),
            )

    def remove(self, known: KnownShare) -> None:
        """Forgets one, of which nothing is stored but where something may have been staged."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM shares WHERE share = ?", (known.share,))
            if not known.is_inner:
                connection.execute(
                    f"DELETE FROM staging_folders WHERE {IN_SUBTREE}", subtree(known.prefix)
                )


def move_prefixes(connection: sqlite3.Connection, source: bytes, destination: bytes) -> None:
    """Shares known by a key, or by one below it, are known by another; inside a transaction."""
    connection.execute(
        f"UPDATE shares SET prefix = CAST(? || substr(prefix, ?) AS BLOB) WHERE {_IN_SUBTREE}",
        (destination, len(source) + 1, *subtree(source)),
    )


class NestedShares:
    """Shares that lie in an outer one, by the key of which they are known.

    While such a share is not served, it may be moved and deleted like any other collection; what is
    stored about it goes along, and so does the key by which that is found. Part of the transaction
    around; may raise StoreError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._exist: bool | None = None

    def moved(self, source: bytes, destination: bytes) -> None:
        """What had one key, or one below it, has another one."""
        if self._exist_at_all():
            self.removed(destination)
            with self._database.transaction() as connection:
                move_prefixes(connection, source, destination)

    def removed(self, key: bytes) -> None:
        """What had a key is gone, or another one has it: nothing there is the share's any more."""
        if self._exist_at_all():
            with self._database.transaction() as connection:
                connection.execute(
                    f"UPDATE shares SET prefix = CAST('/' || share AS BLOB) WHERE {_IN_SUBTREE}",
                    subtree(key),
                )

    def _exist_at_all(self) -> bool:
        """Known from the first question on: only a start makes one nested."""
        if self._exist is None:
            nested = "SELECT 1 FROM shares WHERE prefix != CAST('/' || share AS BLOB) LIMIT 1"
            self._exist = bool(self._database.rows(nested))
        return self._exist
