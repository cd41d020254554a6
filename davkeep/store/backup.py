"""A copy of the database while it is in use, which opens as an ordinary one."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from secrets import token_hex

from davkeep.store import meta
from davkeep.store.files import DATABASE, flush_folder, lock_folder, size_of
from davkeep.store.opening import connect

#: Pages, of 4 KiB, that are copied at once: nobody can use the database meanwhile.
SLICE = 64

#: Slices after which what was written is brought to the disk, so that a slow one never makes the
#: kernel hold up a slice.
FLUSHED = 16

#: Where the header of a database says whether it is written ahead (file format, 1.3.3): 1 is no.
_FORMAT_OFFSET, _PLAIN = 18, b"\x01\x01"


class BackupError(Exception):
    """No backup was made, and the file that was to be made is as it was. Its text is one line."""


def back_up(
    connection: sqlite3.Connection,
    guard: threading.RLock,
    folder: Path,
    file: Path,
    pause: Callable[[], None],
) -> None:
    """Copy what `connection` sees of the database in `folder` into `file`, which is replaced.

    `guard` is held for each slice; `pause` is called between two of them, and ends it all by
    raising. What is changed meanwhile is in the copy as well: it is that of its last moment. It is
    the owner's alone, read through once, and lasting. Raises BackupError.
    """
    _refuse_own(folder, file)
    try:
        copy_into(connection, guard, file, pause)
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{file}: {error}") from error
    except OSError as error:
        raise BackupError(f"{file}: {error.strerror or error}") from error


def copy_into(
    connection: sqlite3.Connection, guard: threading.RLock, file: Path, pause: Callable[[], None]
) -> None:
    """The same wherever `file` is. Raises sqlite3.DatabaseError and OSError."""
    with _replacing(file) as (staged, descriptor):
        _copy(connection, guard, staged, descriptor, pause)
        become_copy(staged, descriptor)
        os.fsync(descriptor)
    flush_folder(file.parent)


def back_up_closed(folder: Path, file: Path) -> None:
    """The same of the database in `folder`, with which no server works; it is changed in nothing.

    Raises BackupError, StateInUse, StateBroken, and OSError for a folder that cannot be used.
    """
    with ExitStack() as opened:
        opened.callback(os.close, lock_folder(folder))
        if not size_of(folder / DATABASE):
            raise BackupError(f"{folder} holds no database")
        connection = opened.enter_context(closing(connect(folder, flushes=True).connection))
        back_up(connection, threading.RLock(), folder, file, lambda: None)


def _refuse_own(folder: Path, file: Path) -> None:
    """A copy that took the place of the database itself would be the end of both."""
    try:
        is_own = os.path.samefile(folder, file.parent)
    except OSError as error:
        raise BackupError(f"{file.parent}: {error.strerror}") from error
    if is_own:
        raise BackupError(f"{file} lies in the state folder itself")
    if file.is_dir():
        raise BackupError(f"{file} is a folder")


@contextmanager
def _replacing(file: Path) -> Iterator[tuple[Path, int]]:
    """A new hidden file beside `file`, which takes its place if the block ends well."""
    staged = file.with_name(f".davkeep-backup-{token_hex(4)}")
    descriptor = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield staged, descriptor
        os.replace(staged, file)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _copy(
    connection: sqlite3.Connection,
    guard: threading.RLock,
    staged: Path,
    descriptor: int,
    pause: Callable[[], None],
) -> None:
    slices = 0

    def between(*_: int) -> None:
        nonlocal slices
        slices += 1
        guard.release()
        try:
            if slices % FLUSHED == 0:
                os.fdatasync(descriptor)
            pause()
        finally:
            guard.acquire()

    with closing(_opened(staged)) as target, guard:
        connection.backup(target, pages=SLICE, progress=between)


def become_copy(staged: Path, descriptor: int) -> None:
    """Let it know that it is a copy, and look whether it is whole, with nothing written ahead.

    `descriptor` is of the same file. Raises sqlite3.DatabaseError and OSError.
    """
    os.pwrite(descriptor, _PLAIN, _FORMAT_OFFSET)
    with closing(_opened(staged)) as copy:
        if meta.is_in(copy):
            meta.put(copy, meta.COPIED, "1")
            meta.remove(copy, meta.CLOSED)
        found = copy.execute("PRAGMA quick_check(1)").fetchall()
    if found != [("ok",)]:
        raise sqlite3.DatabaseError(str(found[0][0]))


def _opened(staged: Path) -> sqlite3.Connection:
    """Without a journal, or any other file: until it is complete, nobody needs it."""
    copy = sqlite3.connect(staged, isolation_level=None)
    for setting in ("locking_mode = EXCLUSIVE", "journal_mode = OFF", "synchronous = OFF"):
        copy.execute(f"PRAGMA {setting}").fetchall()
    return copy
