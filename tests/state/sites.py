"""One state over shares that come, go and move, and everything that is stored about one of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from state.here import Here

from davkeep.app import make_site, state_named
from davkeep.settings.load import Overrides, load
from davkeep.words.configuration import ConfigurationError
from harness.commands import run
from harness.dav import LOCK, multistatus, setting
from harness.server import RunningServer
from harness.uploads import put_part, upload_path
from harness.wire import Wire

COLOR = "{urn:x}color"
CONTENT = b"0123456789"


class Site:
    """A state, and servers that work with it one after the other."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is for the configuration and the state."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.log = ""

    @property
    def state(self) -> Path:
        """Its folder."""
        return self.folder / "state"

    @contextmanager
    def serving(self, shares: Mapping[str, Path]) -> Iterator["Marked"]:
        """A server over shares, by their URLs, in this process; stopped in order."""
        with self.serving_as({url: str(folder) for url, folder in shares.items()}) as marked:
            yield marked

    @contextmanager
    def serving_as(self, mapping: Mapping[str, Any]) -> Iterator["Marked"]:
        """The same, of a ``provider_mapping``."""
        server = Here(self._configured(mapping))
        try:
            with Wire(server.host, server.port) as wire:
                yield Marked(server, wire)
        finally:
            server.stop()
            self.log = server.log

    @contextmanager
    def serving_apart(self, shares: Mapping[str, Path]) -> Iterator["Marked"]:
        """A server in a process of its own, which is there to be killed."""
        mapping = {url: str(folder) for url, folder in shares.items()}
        config = {"provider_mapping": mapping, "davkeep": {"fsync": False}}
        server = RunningServer(self.folder, None, config)
        try:
            with Wire(server.host, server.port) as wire:
                yield Marked(server, wire)
        finally:
            server.close()

    def refusal(self, shares: Mapping[str, Path]) -> str:
        """The one line with which a start over shares is refused."""
        file = self._configured({url: str(folder) for url, folder in shares.items()})
        with pytest.raises(ConfigurationError) as refused, ExitStack() as opened, state_named():
            make_site(load(str(file), Overrides(port=0)), opened)
        (line,) = refused.value.problems
        return line

    def _configured(self, mapping: Mapping[str, Any]) -> Path:
        """The configuration file of a server over shares."""
        file = self.folder / "davkeep.yaml"
        block = {"state": str(self.state), "fsync": False}
        # YAML understands JSON.
        file.write_text(json.dumps({"provider_mapping": dict(mapping), "davkeep": block}))
        return file

    def advice(self, root: Path) -> str:
        """The command that a refused start names."""
        return f"davkeep state adopt --state {self.state} {root}"

    def adopt(self, *arguments: str) -> tuple[int, str]:
        """The status of `davkeep state adopt`, and what it says."""
        ended = run("state", "adopt", "--state", str(self.state), *arguments)
        return ended.returncode, ended.stdout + ended.stderr


class Marked:
    """A server over shares of which everything is stored that can be."""

    def __init__(self, server: Any, wire: Wire) -> None:
        self.server = server
        self.wire = wire

    def ask(self, method: str, path: str, body: bytes = b"", **fields: str) -> int:
        """The status of an answer."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return self.wire.ask(method, path, named, body).status

    def mark(self, share: str) -> None:
        """Store a property of the share and of a file, a lock, and half of an upload."""
        assert self.ask("PUT", f"{share}/file", b"content") in (201, 204)
        for path in (f"{share}/", f"{share}/file"):
            assert self.wire.ask("PROPPATCH", path, {}, setting(color=share)).status == 207
        lock = LOCK.format(scope="exclusive").encode()
        assert self.ask("LOCK", f"{share}/locked", lock, Timeout="Second-3600") == 201
        assert put_part(self.wire, f"{share}/upload", CONTENT, 0, 5).status == 202

    def color(self, path: str) -> str | None:
        """The property of a member, as text; None if it has none."""
        (found,) = multistatus(self.wire.ask("PROPFIND", path, {"Depth": "0"})).values()
        return found.text(COLOR) if COLOR in found.properties else None

    def seen(self, share: str) -> dict[str, Any]:
        """What clients find of it."""
        return {
            "root": self.color(f"{share}/"),
            "file": self.color(f"{share}/file"),
            "locked": self.ask("PUT", f"{share}/locked", b"x") == 423,
            "upload": self.wire.ask("HEAD", upload_path(f"{share}/upload")).fields.get(
                "Upload-Offset"
            ),
        }

    def finish(self, share: str) -> None:
        """Go on with the upload."""
        answer = put_part(self.wire, f"{share}/upload", CONTENT, 5, 10)
        assert answer.status == 201, (answer, self.server.log)
        assert self.wire.ask("GET", f"{share}/upload").body == CONTENT


def all_of(share: str) -> dict[str, Any]:
    """What is seen of a share of which nothing is lost."""
    return {"root": share, "file": share, "locked": True, "upload": "5"}


#: What is seen of one about which nothing is stored.
NOTHING = {"root": None, "file": None, "locked": False, "upload": None}
