"""From the keys in a database to the real paths of what has them."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from davkeep.operations.identities import Identities
from davkeep.operations.looks import Owner
from davkeep.store.database import Database
from davkeep.store.departed import DepartedFile
from davkeep.trees.share import Share

#: Answers a SELECT.
Rows = Callable[[str], Iterable[tuple[Any, ...]]]


def naming(rows: Rows) -> Callable[[bytes], bytes]:
    """What turns a key into a real path; one of no share stays as it is."""
    roots: dict[bytes, bytes] = dict(rows("SELECT prefix, root FROM shares"))

    def named(key: bytes) -> bytes:
        holding = [each for each in roots if key == each or key.startswith(each + b"/")]
        if not holding:
            return key
        prefix = max(holding, key=len)
        return roots[prefix] + key[len(prefix) :]

    return named


def identify(
    database: Database, owner: Owner, folders: Iterable[Path], now: Callable[[], float]
) -> list[Share]:
    """Have folders identified, and marked, as by a start of the server that is the owner."""
    shares = [Share(os.fspath(folder)) for folder in folders]
    departed = DepartedFile(database.folder, flushes=database.flushes)
    try:
        Identities(database, departed, owner, now).settle(shares)
    finally:
        departed.close()
    return shares
