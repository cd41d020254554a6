"""The shares that a state has ever served, by which they are known again."""

import os
from dataclasses import dataclass

from davkeep.store.database import Database
from davkeep.store.reading import Answers
from davkeep.trees.fingerprint import Fingerprint

_COLUMNS = "share, prefix, root, filesystem, inode, born, seen"


@dataclass(frozen=True, slots=True)
class KnownShare:
    """One share.

    `share` is its UUID, `prefix` the key of its root, which begins with another UUID where the root
    lies in that of an outer share. `root` is the real path of the root when it was last served,
    `fingerprint` what the kernel told of it then, and `seen` when that was, in epoch seconds, to
    about a day.
    """

    share: str
    prefix: bytes
    root: str
    fingerprint: Fingerprint
    seen: float


def known_shares(database: Answers) -> list[KnownShare]:
    """Every share that was ever served, by their UUIDs in order. Raises StoreError."""
    rows = database.rows(f"SELECT {_COLUMNS} FROM shares ORDER BY share")
    return [
        KnownShare(share, prefix, os.fsdecode(root), Fingerprint(*fingerprint), seen)
        for share, prefix, root, *fingerprint, seen in rows
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
                f"INSERT OR REPLACE INTO shares ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*values, told.filesystem, told.inode, told.born, known.seen),
            )

    def remove(self, share: str) -> None:
        """Forgets one, of which nothing is stored, or all that is belongs to an outer one."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM shares WHERE share = ?", (share,))
