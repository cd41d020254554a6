"""States that earlier versions wrote, as text in the folder `earlier`, one for each schema.

Each is of a share with the members below, of which something was stored in every way that the
version knew: properties, locks, half of an upload, and a COPY that a kill cut off.
"""

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from harness.dav import make
from harness.states import DATABASE

FOLDER = Path(__file__).parent / "earlier"

#: By the number of its schema.
STATES = {int(each.stem.partition("-")[2]): each for each in FOLDER.glob("schema-*.sql")}

#: The first schemas that knew uploads, and the journal.
UPLOADS, JOURNAL = 3, 4

TREE = {f"{number:02}": f"{number}".encode() for number in range(6)}
MEMBERS = {"file": b"content", "tree": TREE, "copy": TREE, "locked": {}}


def lay_out(schema: int, root: Path, state: Path) -> None:
    """Make a share at ``root``, and a state folder that knows it, as a kill has left both.

    No time has passed since then.
    """
    make(root, MEMBERS)
    state.mkdir(parents=True)
    with closing(sqlite3.connect(state / DATABASE)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(STATES[schema].read_text().replace("@ROOT@", str(root)))
        database.execute("UPDATE locks SET expires = ?", (time.time() + 3600,))
        names = _make_hidden(schema, database, root)
        database.commit()
    if names:
        (state / "instance").write_text(names[0].split("-")[1])


def _make_hidden(schema: int, database: sqlite3.Connection, root: Path) -> list[str]:
    """Make what was staged and uploaded, and return the names of that."""
    names = []
    if schema >= UPLOADS:
        ((name,),) = database.execute("SELECT name FROM uploads")
        names.append(name)
        (root / name).write_bytes(b"01234")
        inode = os.stat(root / name).st_ino
        database.execute("UPDATE uploads SET touched = ?, inode = ?", (time.time(), inode))
    if schema >= JOURNAL:
        ((record,),) = database.execute("SELECT record FROM journal")
        names.append(json.loads(record)["staging"])
        make(root / names[-1], {"00": b"0", "01": b"1"})
    return names


def operation_of(state: Path) -> str:
    """The id of the COPY that was cut off."""
    with closing(sqlite3.connect(state / DATABASE)) as database:
        ((id,),) = database.execute("SELECT id FROM journal")
    return str(id)
