"""The name of an instance, by which it knows what is hidden in the shares as its own."""

import logging
import re
from pathlib import Path
from secrets import token_hex

from davkeep.store import files, meta
from davkeep.store.database import Database
from davkeep.store.errors import StateRefused, StoreError

_log = logging.getLogger("davkeep.store")

#: What `token_hex` makes; others may have given an instance a shorter or longer name.
_NAME = re.compile(r"[0-9a-f]{4,32}")


def instance_of(database: Database) -> str:
    """The name of the instance that owns a state folder, made at its first use.

    It is in the database, and for people and for what was before it there in the file `instance`,
    which is written anew where it does not say the same. The database has it first, so no loss of
    power leaves a file that another name follows. Where nothing can be written the name holds all
    the same. Raises StateRefused for a file that does not hold the name, if nothing else does, and
    StoreError.
    """
    file = database.folder / files.INSTANCE
    written = _written(file)
    rows = database.rows("SELECT value FROM meta WHERE key = ?", (meta.INSTANCE,))
    name = str(rows[0][0]) if rows else _taken_over(file, written)
    if not rows:
        try:
            _keep(database, name)
        except StoreError as error:
            if written is None:
                raise
            _log.warning("the name of the instance is not in the database yet: %s", error)
    if written != name:
        _write(database, file, name, written)
    return name


def others_of(database: Database) -> list[str]:
    """The instances of which this one has taken something over, hidden files among it."""
    rows = database.rows("SELECT value FROM meta WHERE key = ?", (meta.OTHERS,))
    return str(rows[0][0]).split() if rows else []


def note_other(database: Database, name: str) -> None:
    """Something of an instance is taken over. Raises StoreError."""
    others = others_of(database)
    if name not in others:
        with database.transaction() as connection:
            meta.put(connection, meta.OTHERS, " ".join([*others, name]))


def _written(file: Path) -> str | None:
    """What the file says; None where there is none."""
    try:
        return file.read_bytes().decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None


def _taken_over(file: Path, written: str | None) -> str:
    """The name that a state without one has from now on."""
    if written is None:
        return token_hex(4)
    if _NAME.fullmatch(written):
        return written
    raise StateRefused(
        f"{file} does not hold the instance's name. If hidden files in the shares begin with"
        " .davkeep-, write into it the hexadecimal digits that follow there; else remove it."
    )


def _keep(database: Database, name: str) -> None:
    with database.transaction() as connection:
        meta.put(connection, meta.INSTANCE, name)


def _write(database: Database, file: Path, name: str, written: str | None) -> None:
    if written is not None:
        _log.warning("%s does not hold the name %s of this instance: it is mended", file, name)
    try:
        files.write_file(file, name.encode("ascii"), flushes=database.flushes)
    except OSError as error:
        _log.warning("%s cannot be written: %s", file, error)
