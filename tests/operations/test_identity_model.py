"""Random histories of shares that lie in one another, come, go and move, against a model: what is
stored about a file is found through each share that it is in, and about no other file.
"""

import os
import random
import time
from contextlib import closing
from pathlib import Path

import pytest

from davkeep.operations.identities import Identities
from davkeep.operations.looks import Owner
from davkeep.store.database import Database
from davkeep.store.departed import DepartedFile
from davkeep.store.properties import DeadProperties
from davkeep.trees.share import Share

#: Folders, each in the one before it, that may all be shares; each holds a file of its own.
COUNT = 4
STEPS = 8
NAME = "{urn:x}color"


class History:
    """Folders, which of them are served, and what is stored about the file in each."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._dice = random.Random(seed)
        self._base = folder
        self._state = folder / "state"
        self._at = [folder / "/".join("abcd"[: number + 1]) for number in range(COUNT)]
        self._stored: dict[int, str] = {}
        #: Those that were served when the state was closed last, and so were seen where they were.
        self._seen: list[int] = []
        self.told: list[str] = []
        self._at[-1].mkdir(parents=True)
        (folder / "aside").mkdir()
        for number, path in enumerate(self._at):
            (path / f"file{number}").touch()

    def step(self, number: int) -> None:
        """Perhaps move a root; serve some; look, and store something."""
        served = sorted(self._dice.sample(range(COUNT), self._dice.randint(1, COUNT)))
        moved = [each for each in served if each in self._seen]
        if moved and self._dice.random() < 0.5:
            self._move(self._dice.choice(moved), number)
        self.told.append(f"serve {[(each, str(self._at[each])) for each in served]}")
        with (
            Database(self._state, flushes=False) as database,
            closing(DepartedFile(self._state, flushes=False)) as departed,
        ):
            shares = {each: Share(self._at[each]) for each in served}
            order = self._dice.sample(list(shares.values()), len(shares))
            owner = Owner("abcd", str(self._state))
            Identities(database, departed, owner, time.time).settle(order)
            self._look(database, shares)
            self._store(database, shares, f"{number}")
        self._seen = served

    def _move(self, moved: int, number: int) -> None:
        """To another folder, or aside; what lies in it goes along."""
        old = self._at[moved]
        others = [path for path in self._at if not path.is_relative_to(old)]
        new = self._dice.choice([*others, self._base / "aside"]) / f"moved{number}"
        self.told.append(f"move {old} to {new}")
        old.rename(new)
        self._at = [
            new / path.relative_to(old) if path.is_relative_to(old) else path for path in self._at
        ]

    def _look(self, database: Database, shares: dict[int, Share]) -> None:
        for each, share in shares.items():
            for number in range(COUNT):
                key = self._key(share, number)
                if key is not None:
                    found = DeadProperties(database).get(key).get(NAME)
                    told = [*self.told, f"file{number} by {each}"]
                    assert (found and found.decode()) == self._stored.get(number), told

    def _store(self, database: Database, shares: dict[int, Share], value: str) -> None:
        number, share = self._dice.choice(
            [(number, share) for share in shares.values() for number in range(COUNT)]
        )
        key = self._key(share, number)
        if key is not None:
            DeadProperties(database).change(key, {NAME: f"<a>{value}</a>".encode()})
            self._stored[number] = f"<a>{value}</a>"
            self.told.append(f"store {value} about file{number} by {share.folder}")

    def _key(self, share: Share, number: int) -> bytes | None:
        path = self._at[number] / f"file{number}"
        if not path.is_relative_to(share.folder):
            return None
        return share.key_of(path.relative_to(share.folder).parts)


@pytest.mark.parametrize("seed", range(0, 100, 10))
def test_histories(tmp_path: Path, seed: int) -> None:
    """Whatever is served, and wherever it is."""
    for each in range(seed, seed + 10):
        folder = tmp_path / str(each)
        folder.mkdir()
        history = History(folder, each)
        for number in range(STEPS):
            history.step(number)
        assert len(os.listdir(folder)) >= 2
