"""How much is stored below a path, asked before it is read."""

from collections.abc import Sequence

from davkeep.store.database import Database
from davkeep.store.subtrees import BELOW, IN_SUBTREE, Subtree, check_path, subtree

#: What may be read of a subtree in one go, so that no tree fills the memory: rows, and the bytes of
#: what clients have written into them.
MOST_ROWS = 1000
MOST_BYTES = 1024 * 1024


def any_under(database: Database, table: str, path: bytes) -> bool:
    """Whether a table has a row of `path` or of anything below it. ValueError as `subtree`."""
    check_path(path)
    if database.is_empty(table):
        return False
    question = f"SELECT 1 FROM {table} WHERE {IN_SUBTREE} LIMIT 1"
    return bool(database.rows(question, subtree(path)))


def any_under_all(database: Database, tables: Sequence[str], paths: Sequence[bytes]) -> bool:
    """Whether one of several tables has a row of one of `paths`, or of what is below, in one go.

    Which tables are empty is asked along with it, so that the next question may be spared.
    """
    asked = [table for table in tables if not database.is_known_empty(table)]
    if not asked:
        return False
    looks = [f"EXISTS (SELECT 1 FROM {table})" for table in asked]
    below = [f"SELECT 1 FROM {table} WHERE {IN_SUBTREE}" for table in asked for _ in paths]
    values = [value for path in paths for value in subtree(path)] * len(asked)
    changes = database.changes
    question = f"SELECT {', '.join(looks)}, EXISTS ({' UNION ALL '.join(below)})"
    ((*filled, found),) = database.rows(question, values)
    database.note_emptiness(
        changes, {table: not is_filled for table, is_filled in zip(asked, filled, strict=True)}
    )
    return bool(found)


def rows_below(database: Database, table: str, column: str, tree: Subtree) -> int | None:
    """The number of rows strictly below a path; None where that is too much to be read at once.

    `column` holds what clients have written. It takes no more time than reading `MOST_ROWS` rows.
    """
    first = f"SELECT {column} FROM {table} WHERE {BELOW} LIMIT ?"
    question = f"SELECT count(*), total(length({column})) FROM ({first})"
    ((rows, size),) = database.rows(question, (*tree[1:], MOST_ROWS + 1))
    return int(rows) if rows <= MOST_ROWS and size <= MOST_BYTES else None
