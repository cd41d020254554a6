"""Servers and file systems that fail."""

import itertools
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from harness.dav import Place, snapshot
from harness.disks import folder_in_memory
from harness.faulty import FaultyServer
from harness.wire import Wire

CONFIG = {"hotfixes": {"emulate_win32_lastmod": True}}

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def server(figures: Counter[str]) -> Iterator[FaultyServer]:
    """One server for all, whose system calls fail when it is told so; flushing costs nothing."""
    with folder_in_memory() as folder:
        (folder / "root").mkdir()
        running = FaultyServer(folder, folder / "root", CONFIG)
        yield running
        figures["faults injected"] += running.injected
        running.close()


@pytest.fixture
def here(server: FaultyServer) -> Iterator[Place]:
    """A new collection on it, with all working again afterwards and nothing left behind."""
    assert server.root is not None
    folder = server.root / f"t{next(_numbers)}"
    folder.mkdir()
    with Wire(server.host, server.port) as wire:
        yield Place(server, wire, folder, f"/{folder.name}/")
    server.heal()
    assert server.staging() == []
    shutil.rmtree(folder)


class Kept:
    """What is to be the same afterwards: names, content, modes, times, properties and locks."""

    def __init__(self, place: Place, *names: str) -> None:
        """Give each of ``names`` a property and a lock, and look at everything."""
        self._place = place
        self.tokens = {}
        for name in names:
            place.set(name, color=f"of {name}")
            self.tokens[name] = place.lock(name, Depth="0")
        self._before = self._seen()

    def _seen(self) -> object:
        tree = snapshot(self._place.folder)
        # Staging comes and goes in collections, which changes their times.
        above = {os.path.dirname(os.fsencode(self._place.folder / name)) for name in self.tokens}
        for folder in {os.fsencode(self._place.folder)} | above:
            tree[folder] = tree[folder][:1]
        about = {
            name: (self._place.dead(name), token in self._locks(name))
            for name, token in self.tokens.items()
        }
        return tree, about

    def _locks(self, name: str) -> str:
        return self._place.ask("PROPFIND", name, {"Depth": "0"}).body.decode()

    @property
    def submitted(self) -> str:
        """The If field that submits every token."""
        lists = [
            f"<http://{self._place.wire.host}{self._place.path(name)}> (<{token}>)"
            for name, token in self.tokens.items()
        ]
        return " ".join(lists)

    def check(self) -> None:
        """See that nothing has changed."""
        assert self._seen() == self._before


@pytest.fixture
def kept() -> Callable[..., Kept]:
    """``kept(place, "name", ...)``: remember everything, and `check` that it stays."""
    return Kept
