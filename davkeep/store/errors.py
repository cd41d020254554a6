"""What can be wrong with the state, at a start and later."""

import errno
import os
import sqlite3


class StateRefused(RuntimeError):
    """The state folder cannot be used; the text says why and what to do, in one line.

    No HTTP status: the server does not start.
    """


class StateInUse(StateRefused):
    """Another process works with the state folder, or with the database in it."""


class StateTooNew(StateRefused):
    """A newer davkeep wrote the state."""


class StateBroken(StateRefused):
    """What is in the state folder is not what davkeep has left there."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} Restore a backup, or move the folder away to begin with an empty state."
        )


class StoreError(OSError):
    """The database failed. Its ``errno`` decides the HTTP status as that of a file would: 507 for a
    full disk, 403 if it is read-only, 503 while the state folder is not there, else 500.
    """


#: SQLite's primary result codes for trouble with the file, and what that is called of a file.
#: What is not here is a wrong statement.
_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_BUSY: errno.EAGAIN,
    sqlite3.SQLITE_LOCKED: errno.EAGAIN,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_PROTOCOL: errno.EIO,
    sqlite3.SQLITE_CORRUPT: errno.EIO,
    sqlite3.SQLITE_NOTADB: errno.EIO,
}

#: Those that say that the content is damaged, and those for which SQLite knows more than it tells.
_DAMAGE = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_VAGUE = frozenset((sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN))

#: Bytes that are written to find out what is wrong with a disk.
_TRIED = 65_536


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for what Python itself found wrong."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the database's content is damaged."""
    return primary_code(error) in _DAMAGE


def as_store_error(
    error: sqlite3.DatabaseError, folder: str | os.PathLike[str], refusal: int | None = None
) -> StoreError | None:
    """Trouble with the database in `folder` as a StoreError; None for a wrong statement, a bug.

    `refusal`: the errno for which the files can only be read, where that is known.
    """
    code = primary_code(error)
    number = _ERRNO.get(code)
    if number is None:
        return None
    if code == sqlite3.SQLITE_READONLY:
        number = refusal or number
    elif code in _VAGUE:
        number = _found_out(folder) or number
    return StoreError(number, f"the state cannot be used: {error}")


def _found_out(folder: str | os.PathLike[str]) -> int | None:
    """What writing to the disk meets: SQLite calls a spent quota an I/O error, as any other."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, bytes(_TRIED))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return None if error.errno == errno.EOPNOTSUPP else error.errno
    return None
