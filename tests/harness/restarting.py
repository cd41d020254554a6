"""A server in this process that can be stopped and started over the same state, whose database
refuses what a test wants.
"""

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from davkeep.app import make_server, make_site, recover
from davkeep.settings.load import Overrides, load
from davkeep.store.database import Database
from harness.server import DEADLINE
from harness.wire import Wire


class FullDisk:
    """Has every commit that changes something fail as on a full disk, while it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        #: Commits that were refused.
        self.refused = 0
        begin, commit = Database._begin, Database._commit
        before: dict[int, int] = {}

        def begun(database: Any, *, durable: bool) -> None:
            begin(database, durable=durable)
            before[id(database)] = database._connection.total_changes

        def committed(database: Any) -> None:
            if self.is_full and database._connection.total_changes != before[id(database)]:
                self.refused += 1
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            commit(database)

        monkeypatch.setattr(Database, "_begin", begun)
        monkeypatch.setattr(Database, "_commit", committed)

    def fill_before(
        self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
    ) -> Callable[[], None]:
        """Be full from the next call of a method on; returns what undoes the arrangement."""
        original = getattr(owner, name)

        def full(*arguments: Any, **named: Any) -> Any:
            self.is_full = True
            return original(*arguments, **named)

        monkeypatch.setattr(owner, name, full)
        return lambda: monkeypatch.setattr(owner, name, original)


class Restarting:
    """One configuration; ``start`` and ``stop`` as a service does, in order."""

    def __init__(self, folder: Path, shares: dict[str, Path], **davkeep: Any) -> None:
        self.state = folder / "state"
        block = {"state": str(self.state), "fsync": False, **davkeep}
        mapping = {url: str(path) for url, path in shares.items()}
        self._file = folder / "davkeep.yaml"
        self._file.write_text(json.dumps({"provider_mapping": mapping, "davkeep": block}))
        self._opened = ExitStack()
        self.site: Any = None
        self.recovery: Any = None
        self.wire: Wire
        self.url = ""

    def start(self) -> None:
        """Start, with recovery, and connect."""
        opened = ExitStack()
        configuration = load(str(self._file), Overrides(port=0))
        self.site = make_site(configuration, opened)
        self.recovery = recover(self.site, opened)
        server = make_server(configuration, self.site)
        server.prepare()
        self.recovery.start(self.site.upkeep)
        thread = threading.Thread(target=server.serve)
        thread.start()
        opened.callback(thread.join, DEADLINE)
        opened.callback(server.stop, 0.5)
        self.url = server.url
        host, port = server.url.split("/")[2].split(":")
        self.wire = opened.enter_context(Wire(host, int(port)))
        self._opened = opened

    def stop(self) -> None:
        """Stop in order."""
        self._opened.close()

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def ask(self, method: str, path: str, body: bytes | None = None, **fields: str) -> int:
        """Ask, and return the final status. ``to`` is the Destination."""
        if "to" in fields:
            fields["Destination"] = self.url.rstrip("/") + fields.pop("to")
        return self.wire.ask(method, path, fields, body).status

    def journal(self) -> list[str]:
        """The stages that are written."""
        rows = self.site.database.rows("SELECT stage FROM journal")
        return [stage for (stage,) in rows]
