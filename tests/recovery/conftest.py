"""A share, a store with its journal, and operations that stop in the middle as if killed there."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from davkeep.operations import Books, Operation, Page, Reservations, Stored
from davkeep.operations.identities import Identities
from davkeep.operations.looks import Owner
from davkeep.operations.recovery import Recovery
from davkeep.operations.upkeep import Upkeep
from davkeep.store.database import Database
from davkeep.store.departed import DepartedFile
from davkeep.store.journal import Journal
from davkeep.store.locks import Lock, Locks
from davkeep.store.properties import DeadProperties
from davkeep.store.shares import NestedShares
from davkeep.store.uploads import Uploads
from davkeep.trees.roots import Roots
from davkeep.trees.share import Entry, Share
from davkeep.trees.steps import Control, Steps
from harness.dav import snapshot

INSTANCE = "abcd"
#: The one property that a path has, if it has any.
MARK = "{urn:x}mark"


class Ground:
    """One share and one store, which outlive the processes that are imagined on them."""

    instance = INSTANCE

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "share"
        self.folder.mkdir()
        #: Another folder in its place is not the share, as no marker says that it is.
        self.share = Share(self.folder)
        self.shares = [self.share]
        self.share.root.recognise = self._recognised
        self._inode = self.folder.stat().st_ino
        self.state = folder / "state"
        self.opened = ExitStack()
        self.left: list[Steps] = []
        self.boot()

    def boot(self) -> None:
        """Be another process."""
        self.opened.close()
        self.database = self.opened.enter_context(Database(self.state))
        self.stored = Stored(
            self.database,
            DeadProperties(self.database),
            Locks(self.database, lambda: 1000.0),
            Uploads(self.database),
            Roots(self.shares),
            NestedShares(self.database),
        )
        self.journal = Journal(self.database)
        file = self.opened.enter_context(closing(DepartedFile(self.state)))
        self.books = Books.of(self.journal, self.stored, file, Reservations(), fsync=True)

    def _recognised(self, fd: int) -> bytes | None:
        is_share = os.fstat(fd).st_ino == self._inode
        return self.share.root.standing.prefix if is_share else None

    def close(self) -> None:
        """Close what stands still, and the store."""
        for steps in self.left:
            steps.close()
        self.opened.close()

    def entry(self, name: str) -> Entry:
        """A member of the share, open until the next boot."""
        entry = self.share.entry([part for part in name.split("/") if part], follow_last=False)
        return self.opened.enter_context(entry)

    def path(self, name: str) -> bytes:
        """The key of a member."""
        return self.share.prefix + b"/" + os.fsencode(name)

    def identify(self) -> None:
        """Let the share be known by a marker, as a server does."""
        with closing(DepartedFile(self.state)) as departed:
            owner = Owner(INSTANCE, str(self.state))
            Identities(self.database, departed, owner, lambda: 1000.0).settle([self.share])

    def serve(self, folder: Path) -> Share:
        """Another share, from now on."""
        share = Share(folder)
        self.shares.append(share)
        return share

    def mark(self, *names: str) -> None:
        """Give members a property."""
        for name in names:
            self.stored.properties.change(self.path(name), {MARK: name.encode()})

    def marks(self) -> dict[str, str]:
        """What has one, and who had it first."""
        rows = self.database.rows("SELECT path, value FROM properties")
        top = self.path("")
        return {os.fsdecode(path.removeprefix(top)): value.decode() for path, value in rows}

    def lock(self, name: str) -> Lock:
        """Lock a member."""
        return self.stored.locks.acquire(
            self.path(name),
            url=quote(f"/{name}", errors="surrogateescape"),
            depth="0",
            scope="exclusive",
            timeout=None,
        )

    def page(
        self, method: str, source: str, destination: str | None = None
    ) -> tuple[Page, Control]:
        """The page and the control of a new operation of ann's."""
        operation = Operation(
            owner="ann", method=method, source=f"/{source}", created=1.0,
            destination=None if destination is None else f"/{destination}",
        )  # fmt: skip
        control = Control(f".davkeep-{INSTANCE}-{operation.id}")
        entries = [self.entry(name) for name in (source, destination) if name is not None]
        page = Page(self.books, operation, control.staging_name, *entries)
        control.witness = page
        return page, control

    def crash(self) -> None:
        """The process is gone, whatever it was at."""
        self.boot()

    def hidden(self) -> list[str]:
        """Hidden names in the share."""
        return sorted(path.name for path in self.folder.rglob(".davkeep-*"))

    def look(self) -> dict[bytes, tuple[Any, ...]]:
        """Everything below the share's folder."""
        found = snapshot(self.folder)
        del found[os.fsencode(self.folder)]
        return found

    def recover(self) -> list[Operation]:
        """Recovery, to its end; the store is opened anew before."""
        self.boot()
        recovery = Recovery(self.books, [INSTANCE])
        found = recovery.settle()
        upkeep = Upkeep()
        recovery.start(upkeep)
        while upkeep.turn() is not None:
            pass
        recovery.stop()
        return found


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A share and a store."""
    ground = Ground(tmp_path)
    yield ground
    ground.close()
