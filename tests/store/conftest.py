from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from davkeep.store.database import Database
from davkeep.store.locks import Locks
from davkeep.store.properties import DeadProperties


class Clock:
    """Time that passes only when a test says so, in epoch seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    with Database(folder) as database:
        yield database


@pytest.fixture
def properties(database: Database) -> DeadProperties:
    return DeadProperties(database)


@pytest.fixture
def locks(database: Database, clock: Clock) -> Locks:
    return Locks(database, clock)


class Regret(Exception):
    """What ends a transaction that is to change nothing."""


@pytest.fixture
def regretted(database: Database) -> Callable[[], AbstractContextManager[None]]:
    """A transaction around a block, that fails at the block's end and does nothing else."""

    @contextmanager
    def regretted() -> Iterator[None]:
        with suppress(Regret), database.transaction():
            yield
            raise Regret

    return regretted
