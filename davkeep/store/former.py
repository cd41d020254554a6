"""Moving in: from the state folders of a time when each set of roots had one of its own."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from davkeep.store.database import Database, StateRefused, StoreError
from davkeep.store.departed import DepartedFile
from davkeep.store.files import DATABASE, flush_folder, lock_folder, make_folder, size_of
from davkeep.store.rekey import is_anything_stored
from davkeep.store.shares import KnownShares
from davkeep.store.subtrees import former_key
from davkeep.store.transfer import transfer

_log = logging.getLogger("davkeep.store")


class Former(NamedTuple):
    """The folders that may hold such states: that of exactly the roots of today, and others, the
    one that was used last first.
    """

    own: Path
    others: Sequence[Path] = ()


def take_over(folder: Path, former: Former, *, flushes: bool) -> bool:
    """Let the state of the same roots be that in ``folder``, unless there is one; whether it is.

    That is one rename: wherever it is cut off, the state is in the one place or in the other, where
    the next start finds it. Raises StateInUse while a server works with it, and OSError.
    """
    if not size_of(former.own / DATABASE) or os.path.lexists(folder):
        return False
    lock = lock_folder(former.own)
    try:
        make_folder(folder.parent, flushes=flushes)
        os.rename(former.own, folder)
        if flushes:
            flush_folder(folder.parent)
            flush_folder(former.own.parent)
    finally:
        os.close(lock)
    _log.warning("the state of these shares was moved from %s to %s", former.own, folder)
    return True


def bring_in(
    database: Database, departed: DepartedFile, former: Former, roots: Mapping[str, str]
) -> None:
    """Move what former states know of the ``roots``, by their real paths or by those that were
    given for them, into the one that is in use.

    What is known of a root comes from one of them alone, the first that knows something: what
    others say is older. Raises StateRefused for one that cannot be looked into, as nobody would
    look again, and StoreError.
    """
    known = {each.root for each in KnownShares(database).all()}
    unknown = [path for root, given in roots.items() if root not in known for path in (root, given)]
    keys = [former_key(os.fsencode(path)) for path in dict.fromkeys(unknown)]
    wanted = [key for key in keys if not is_anything_stored(database, key)]
    for folder in [former.own] if size_of(former.own / DATABASE) else former.others:
        if wanted and size_of(folder / DATABASE):
            moved = _moved(database, departed, folder, wanted)
            wanted = [key for key in wanted if key not in moved]


def _moved(
    database: Database, departed: DepartedFile, folder: Path, wanted: Sequence[bytes]
) -> list[bytes]:
    """Move what a state knows of some keys; return those of which it knows something."""
    try:
        with Database(folder, flushes=database.flushes) as source:
            moved = [key for key in wanted if transfer(source, database, departed, key)]
    except StoreError:
        raise
    except (StateRefused, OSError) as error:
        raise StateRefused(
            f"{error} What an earlier davkeep stored about these shares may be there: to begin"
            f" without that, move {folder} away."
        ) from error
    if moved:
        _log.warning(
            "what is stored about %d shares was moved from %s; what other folders there know of"
            " them is older, and left",
            len(moved),
            folder,
        )
    return moved
