"""A state with which no server works, opened to change something in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from davkeep.operations.looks import Owner
from davkeep.store.database import Database
from davkeep.store.files import DATABASE, size_of
from davkeep.store.instance import instance_of
from davkeep.words.command_failed import REFUSED, CommandFailed


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Database, Owner]]:
    """The database in ``folder``, while the block runs, and whose it is.

    Raises CommandFailed where there is none, StateRefused and OSError.
    """
    if not size_of(folder / DATABASE):
        raise CommandFailed(f"{folder} holds no database", status=REFUSED)
    with Database(folder) as database:
        yield database, Owner(instance_of(database), os.path.realpath(folder))
