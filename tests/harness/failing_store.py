"""A server in this process whose database fails at the statement that a test names."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from davkeep.app import make_server, make_site, recover
from davkeep.settings.load import Overrides, load
from harness.server import DEADLINE
from harness.waiting import until
from harness.wire import Wire

#: What writes, and so may find the disk full; SQLite undoes a transaction without needing room.
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT")


class StoreFaults:
    """Which statement fails, of those that write, counted from when it was asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: How many there were since the last call of `fail` or `heal`.
        self.count = 0
        #: How many failed.
        self.failed = 0
        #: What SQLite calls the failure.
        self.code = sqlite3.SQLITE_FULL
        self._first: int | None = None
        self._goes_on = False

    def fail(self, first: int, *, goes_on: bool) -> None:
        """Let statement number ``first`` fail, counted from 1; and all after it if it ``goes_on``.

        One that goes on is as a full disk, and has SQLite take the whole transaction back.
        """
        with self._lock:
            self.count, self.failed, self._first, self._goes_on = 0, 0, first, goes_on

    def heal(self) -> None:
        """Let everything work again."""
        with self._lock:
            self.count, self._first = 0, None

    def check(self, connection: sqlite3.Connection, statement: str) -> None:
        """Raise what SQLite raises, for a full disk mostly, if it is this one's turn."""
        if not statement.lstrip().startswith(WRITES):
            return
        with self._lock:
            self.count += 1
            first = self._first
            fails = first is not None and (
                self.count == first or (self._goes_on and self.count > first)
            )
            self.failed += fails
        if fails:
            if connection.in_transaction and (self._goes_on or statement == "COMMIT"):
                sqlite3.Connection.execute(connection, "ROLLBACK")
            error = sqlite3.OperationalError(f"code {self.code}, as a test wants it")
            error.sqlite_errorcode = self.code
            raise error


class _Connection(sqlite3.Connection):
    faults: StoreFaults

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        self.faults.check(self, statement)
        return super().execute(statement, *arguments)

    def executemany(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        self.faults.check(self, statement)
        return super().executemany(statement, *arguments)


@contextlib.contextmanager
def failing(faults: StoreFaults) -> Iterator[None]:
    """Every database that is opened inside fails where ``faults`` says."""
    kind = type("FailingConnection", (_Connection,), {"faults": faults})
    with mock.patch("sqlite3.connect", partial(sqlite3.connect, factory=kind)):
        yield


class Running:
    """One life of a server, from its start to an orderly stop."""

    def __init__(self, config: Path, faults: StoreFaults) -> None:
        """Start it, recovery included."""
        self._opened = ExitStack()
        with ExitStack() as undo:
            opened = undo.enter_context(ExitStack())
            configuration = load(str(config), Overrides(port=0))
            with failing(faults):
                self.site = make_site(configuration, opened)
            recovery = recover(self.site, opened)
            server = make_server(configuration, self.site)
            server.prepare()
            recovery.start(self.site.upkeep)
            thread = threading.Thread(target=server.serve)
            thread.start()
            opened.callback(thread.join, DEADLINE)
            opened.callback(server.stop, 1.0)
            self._recovery = recovery
            self._opened = opened.pop_all()
        self.url = server.url
        host, port = server.url.split("/")[2].rsplit(":")
        self._address = (host, int(port))

    def wire(self) -> Wire:
        """A new connection."""
        return Wire(*self._address)

    def settle(self) -> None:
        """Wait until nothing is under way any more; every client has read its answer.

        The server is told that, for TCP takes its time, and a repeat would get the same answer.
        """
        registry = self.site.registry
        until(lambda: not registry.unfinished(), "every operation is over")
        for operation in list(registry._unclaimed._kept):
            registry.delivered(operation)
        assert self._recovery.wait(DEADLINE)

    def pay(self) -> None:
        """Wait until what could not be written is written, now that it can be."""
        self.site.books.debts.pay()
        until(lambda: not len(self.site.registry.debts), "what is due is written")

    def stop(self) -> None:
        """Stop it in order."""
        self._opened.close()


#: Makes one life: ``start()``.
StartRunning = Callable[[], Running]
