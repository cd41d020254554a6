"""Dead properties (RFC 4918 4): what clients keep with a resource and the server only stores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from davkeep.store.database import Database
from davkeep.store.extent import any_under, rows_below
from davkeep.store.subtrees import BELOW, IN_SUBTREE, Subtree, check_path, subtree
from davkeep.words.fields import Depth

#: Paths that one SELECT asks for; SQLite binds at most 32,766 values (999 before 3.32).
_PATHS_AT_ONCE = 500

_ROWS = "SELECT path, name, value FROM properties WHERE "

#: After IN_SUBTREE, keeps the root and its members: what follows the bound below has no "/".
_NEAR = " AND instr(substr(path, ?), x'2F') = 0"


class DeadProperties:
    """The dead properties of all entries.

    An entry is known by its real path in the file system, as bytes. A property has its name in
    Clark notation ("{DAV:}displayname") and its value: the element, serialised, as it was set.
    Every change is one transaction, or a part of the one around it. A path that is not absolute and
    plain raises ValueError, as does a copy or a move between a path and one above or below it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, path: bytes) -> dict[str, bytes]:
        """The properties of `path` alone."""
        check_path(path)
        if self._database.is_empty("properties"):
            return {}
        question = "SELECT name, value FROM properties WHERE path = ?"
        return dict(self._database.rows(question, (path,)))

    def get_many(self, paths: Iterable[bytes]) -> dict[bytes, dict[str, bytes]]:
        """The properties of each of `paths` that has any, in few questions: for listings."""
        found: dict[bytes, dict[str, bytes]] = {}
        for some in _batches(list(paths)):
            marks = ", ".join("?" * len(some))
            found |= _by_path(self._database.rows(f"{_ROWS} path IN ({marks})", some))
        return found

    def exist_under(self, path: bytes) -> bool:
        """Whether `path` or anything below it has any."""
        return any_under(self._database, "properties", path)

    def under(self, path: bytes, depth: Depth) -> dict[bytes, dict[str, bytes]]:
        """The properties of `path`, and to `depth` of what is below, where there are any.

        It takes time in proportion to the properties of the whole subtree, for depth 1 too.
        """
        if depth == "0":
            return self.get_many([path])
        tree = subtree(path)
        if depth == "infinity":
            return _by_path(self._database.rows(_ROWS + IN_SUBTREE, tree))
        question, first = _ROWS + IN_SUBTREE + _NEAR, len(tree.after) + 1
        return _by_path(self._database.rows(question, (*tree, first)))

    def few_below(self, path: bytes) -> dict[bytes, dict[str, bytes]] | None:
        """The properties strictly below `path`; None where they are too many to be read at once."""
        tree = subtree(path)
        number = rows_below(self._database, "properties", "value", tree)
        if not number:
            return None if number is None else {}
        return _by_path(self._database.rows(_ROWS + BELOW, tree[1:]))

    def change(
        self, path: bytes, set: Mapping[str, bytes] | None = None, remove: Iterable[str] = ()
    ) -> None:
        """Sets and removes properties of `path`; one that is in both is set.

        To remove one that is not there is no error (RFC 4918 14.23).
        """
        check_path(path)
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM properties WHERE path = ? AND name = ?",
                [(path, name) for name in remove],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO properties (path, name, value) VALUES (?, ?, ?)",
                [(path, name, value) for name, value in (set or {}).items()],
            )

    def copy(self, source: bytes, destination: bytes, depth_infinity: bool = True) -> None:
        """Copies the properties of `source`, and of all below it unless the depth is 0.

        What the destination and all below it had is gone, whatever the depth is.
        """
        _refuse_nested(source, destination, infinity=depth_infinity)
        tree = subtree(source) if depth_infinity else Subtree(source, source, source)
        statement = (
            "INSERT INTO properties (path, name, value)"
            f" SELECT CAST(? || substr(path, ?) AS BLOB), name, value FROM properties"
            f" WHERE {IN_SUBTREE}"
        )
        with self._database.transaction() as connection:
            self.remove(destination)
            connection.execute(statement, (destination, len(source) + 1, *tree))

    def move(self, source: bytes, destination: bytes) -> None:
        """Moves the properties of `source` and of all below it; the destination's are gone."""
        _refuse_nested(source, destination, infinity=True)
        statement = (
            f"UPDATE properties SET path = CAST(? || substr(path, ?) AS BLOB) WHERE {IN_SUBTREE}"
        )
        with self._database.transaction() as connection:
            self.remove(destination)
            connection.execute(statement, (destination, len(source) + 1, *subtree(source)))

    def respell(self, path: bytes, new: bytes) -> None:
        """Gives what `path` itself has another path, where it takes the place of what that has."""
        if path != new:
            with self._database.transaction() as connection:
                connection.execute(
                    "UPDATE OR REPLACE properties SET path = ? WHERE path = ?", (new, path)
                )

    def remove(self, path: bytes) -> None:
        """Removes the properties of `path` and of all below it."""
        with self._database.transaction() as connection:
            connection.execute(f"DELETE FROM properties WHERE {IN_SUBTREE}", subtree(path))


def _batches(paths: list[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(paths), _PATHS_AT_ONCE):
        yield paths[start : start + _PATHS_AT_ONCE]


def _by_path(rows: Iterable[tuple[bytes, str, bytes]]) -> dict[bytes, dict[str, bytes]]:
    found: dict[bytes, dict[str, bytes]] = {}
    for path, name, value in rows:
        found.setdefault(path, {})[name] = value
    return found


def _refuse_nested(source: bytes, destination: bytes, *, infinity: bool) -> None:
    above, below = subtree(destination), subtree(source)
    if above.holds(source) or (infinity and below.holds(destination)):
        raise ValueError(f"{source!r} and {destination!r} lie one in the other")
