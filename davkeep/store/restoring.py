"""Putting a backup in the place of the database, so that a kill leaves the old or the new one."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from davkeep.store import meta
from davkeep.store.backup import become_copy
from davkeep.store.errors import StateBroken
from davkeep.store.files import (
    DATABASE,
    INSTANCE,
    LOCK,
    flush_folder,
    lock_folder,
    size_of,
    write_file,
)
from davkeep.store.opening import connect, connect_to_read, refusing
from davkeep.store.reading import ClosedDatabase
from davkeep.store.schema import STEPS
from davkeep.store.shares import KnownShare, known_shares

#: What is to be the database, until it is.
STAGED = f"{DATABASE}.new"

#: The database that was there before; takes nothing, or the number of it.
BEFORE = "davkeep-before-restore{}.sqlite3"

#: What SQLite has beside a database, and would apply to another one in its place: what is written
#: ahead, what is to be rolled back, and the index of the first.
_BESIDE = ("-wal", "-journal", "-shm")

#: With what a database begins (file format, 1.3.1).
_MAGIC = b"SQLite format 3\0"

#: Tables that each schema has had.
_TABLES = {"properties", "locks"}


class NotRestorable(Exception):
    """A file is no backup that can be restored, and nothing is changed. Its text is one line."""


class Restoration:
    """A backup that lies in a state folder, ready to be the database there."""

    def __init__(self, folder: Path, staged: Path) -> None:
        self._folder = folder
        self._staged = staged
        uri = f"{staged.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            self._look(connection)

    def _look(self, connection: sqlite3.Connection) -> None:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        ((taken,),) = connection.execute("PRAGMA user_version")
        if not tables >= _TABLES or not taken:
            raise NotRestorable("it is a database, but none of davkeep")
        if taken > len(STEPS):
            raise NotRestorable(
                f"it was written by a newer davkeep (schema {taken}, this one knows {len(STEPS)})"
            )
        #: The name of the instance whose state it was; None of the first schemas.
        self.instance = meta.get(connection, meta.INSTANCE) if "meta" in tables else None
        #: The shares that it knows; none of schemas that knew entries by their real paths.
        self.shares: list[KnownShare] = []
        if "shares" in tables:
            self.shares = known_shares(ClosedDatabase(connection, self._folder))

    def apply(self) -> Path | None:
        """Let it be the database; return where that is now which was there before, if there was.

        At every moment the folder holds the one or the other, and nothing beside it that belongs to
        the other one. Raises StateInUse while another program has the old one open, and OSError.
        """
        kept = self._keep() if size_of(self._folder / DATABASE) else None
        self._put_aside(kept or self._free_name())
        flush_folder(self._folder)
        os.replace(self._staged, self._folder / DATABASE)
        flush_folder(self._folder)
        self._name_instance()
        return kept

    def _keep(self) -> Path:
        """Give the database that is there another name as well."""
        if _is_whole(self._folder):
            _write_back(self._folder)
        kept, database = self._free_name(), self._folder / DATABASE
        if kept.exists():
            # A restoration that was cut off has done it.
            return kept
        try:
            os.link(database, kept)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            _copy(database, kept)
        return kept

    def _free_name(self) -> Path:
        """A name that nothing has, or the database itself."""
        number = 1
        while True:
            name = self._folder / BEFORE.format("" if number == 1 else f"-{number}")
            if not os.path.lexists(name) or _is_same(name, self._folder / DATABASE):
                return name
            number += 1

    def _put_aside(self, kept: Path) -> None:
        """Only of a database that is damaged something is left beside it."""
        for beside in _BESIDE:
            left = Path(f"{self._folder / DATABASE}{beside}")
            if size_of(left):
                os.rename(left, f"{kept}{beside}")
            left.unlink(missing_ok=True)

    def _name_instance(self) -> None:
        """The database has it already: whoever finds another one in the file mends that."""
        file = self._folder / INSTANCE
        if self.instance is None or (file.exists() and file.read_text("ascii") == self.instance):
            return
        write_file(file, self.instance.encode("ascii"), flushes=True)
        _belong(file, self._folder)


@contextmanager
def restoration(folder: Path, file: Path) -> Iterator[Restoration]:
    """The backup `file`, copied into the state `folder`; what is not applied is removed again.

    No server begins to work with the folder meanwhile. Raises NotRestorable, StateInUse, and
    OSError.
    """
    with ExitStack() as opened:
        opened.callback(os.close, lock_folder(folder))
        _belong(folder / LOCK, folder)
        _refuse_living(folder, file)
        staged = folder / STAGED
        opened.callback(staged.unlink, missing_ok=True)
        try:
            _stage(file, staged)
            restored = Restoration(folder, staged)
        except sqlite3.DatabaseError as error:
            raise NotRestorable(f"{file} is damaged, or no database: {error}") from error
        except NotRestorable as error:
            raise NotRestorable(f"{file}: {error}") from None
        _belong(staged, folder)
        yield restored


def _refuse_living(folder: Path, file: Path) -> None:
    """Refuse the database itself, and one of which a part is in another file."""
    if not file.is_file():
        raise NotRestorable(f"{file} is no file")
    if _is_same(file, folder / DATABASE) or _is_same(file, folder / STAGED):
        raise NotRestorable(f"{file} is the database itself, or is to become that")
    for beside in _BESIDE[:2]:
        if size_of(Path(f"{file}{beside}")):
            raise NotRestorable(f"{file} is not complete without {file.name}{beside} beside it")


def _stage(file: Path, staged: Path) -> None:
    for beside in _BESIDE:
        Path(f"{staged}{beside}").unlink(missing_ok=True)
    with _made(staged) as descriptor:
        with file.open("rb") as source, open(descriptor, "wb", closefd=False) as target:
            shutil.copyfileobj(source, target)
        if os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
            raise NotRestorable("it is no database")
        become_copy(staged, descriptor)
        os.fsync(descriptor)


def _copy(database: Path, kept: Path) -> None:
    """Where a file has only one name (no hard links): take the second name for a whole copy."""
    made = kept.with_name(f"{kept.name}.new")
    with _made(made) as descriptor, database.open("rb") as source:
        with open(descriptor, "wb", closefd=False) as target:
            shutil.copyfileobj(source, target)
        os.fsync(descriptor)
    os.rename(made, kept)


@contextmanager
def _made(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_whole(folder: Path) -> bool:
    """Whether the database can be used; one that cannot is kept as it is. Nothing is changed."""
    try:
        with closing(connect_to_read(folder, None).connection) as found, refusing(folder):
            return found.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except StateBroken:
        return False


def _write_back(folder: Path) -> None:
    """Bring what is written ahead into the database, beside which nothing is left then.

    Raises StateInUse, and OSError.
    """
    opened = connect(folder, flushes=True)
    with closing(opened.connection), refusing(folder):
        if opened.refusal:
            raise OSError(opened.refusal, os.strerror(opened.refusal))
        opened.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _belong(file: Path, folder: Path) -> None:
    """Let a file be of whoever the folder is of: the superuser may restore for the server."""
    owner = folder.stat()
    if os.geteuid() == 0:
        os.chown(file, owner.st_uid, owner.st_gid)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except FileNotFoundError:
        return False
