"""A server in this process that can be stopped and started over the same state, on a disk that a
test fills.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.failing_store import Running, StoreFaults
from harness.wire import Wire


class Restarting:
    """One configuration; ``start`` and ``stop`` as a service does, in order."""

    def __init__(self, folder: Path, shares: dict[str, Path], **davkeep: Any) -> None:
        self.state = folder / "state"
        block = {"state": str(self.state), "fsync": False, **davkeep}
        mapping = {url: str(path) for url, path in shares.items()}
        self._file = folder / "davkeep.yaml"
        self._file.write_text(json.dumps({"provider_mapping": mapping, "davkeep": block}))
        self._faults = StoreFaults()
        self.running: Running
        self.wire: Wire

    @property
    def site(self) -> Any:
        """What the requests work with."""
        return self.running.site

    def start(self) -> None:
        """Start, with recovery, and connect."""
        self.running = Running(self._file, self._faults)
        self.wire = self.running.wire()

    def stop(self) -> None:
        """Stop in order."""
        self.wire.close()
        self.running.stop()

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def ask(self, method: str, path: str, body: bytes | None = None, **fields: str) -> int:
        """Ask, and return the final status. ``to`` is the Destination."""
        if "to" in fields:
            fields["Destination"] = self.running.url.rstrip("/") + fields.pop("to")
        return self.wire.ask(method, path, fields, body).status

    def journal(self) -> list[str]:
        """The stages that are written."""
        rows = self.site.database.rows("SELECT stage FROM journal")
        return [stage for (stage,) in rows]

    def fill(self) -> None:
        """Let nothing be written from now on."""
        self._faults.fail(1, goes_on=True)

    def make_room(self) -> None:
        """Let everything be written again."""
        self._faults.heal()

    def fill_before(self, patched: pytest.MonkeyPatch, owner: type, name: str) -> None:
        """Let nothing be written from the next call of a method on."""
        original = getattr(owner, name)

        def full(*arguments: Any, **named: Any) -> Any:
            self.fill()
            return original(*arguments, **named)

        patched.setattr(owner, name, full)
