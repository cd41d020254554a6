"""Moving in: from the state folders of a time when each set of roots had one of its own."""

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from davkeep.store.database import Database, StateRefused, StoreError
from davkeep.store.files import DATABASE, flush_folder, lock_folder, make_folder, size_of
from davkeep.store.rekey import is_anything_below
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


def bring_in(database: Database, former: Former, roots: Iterable[str]) -> None:
    """Move what former states know of the ``roots``, real paths, into the one that is in use.

    What is known of a root comes from one of them alone, the first that knows something: what
    others say is older. Those that cannot be used now are told of, and left. Raises StoreError.
    """
    known = {each.root for each in KnownShares(database).all()}
    keys = [former_key(os.fsencode(root)) for root in roots if root not in known]
    wanted = [key for key in keys if not is_anything_below(database, key)]
    is_own_there = size_of(former.own / DATABASE) is not None
    for folder in [former.own] if is_own_there else former.others:
        if wanted and size_of(folder / DATABASE):
            wanted = _without_known(database, folder, wanted)


def _without_known(database: Database, folder: Path, wanted: Sequence[bytes]) -> list[bytes]:
    """Those of the keys of which a state knows nothing; what it knows of the others is moved."""
    try:
        with Database(folder, flushes=database.flushes) as source:
            moved = [key for key in wanted if transfer(source, database, key)]
    except StoreError:
        raise
    except (StateRefused, OSError) as error:
        _log.warning("what an earlier state knows of these shares is left there: %s", error)
        return list(wanted)
    if moved:
        _log.warning("what is stored about %d shares was moved from %s", len(moved), folder)
    return [key for key in wanted if key not in moved]
