"""Write locks (RFC 4918 6 and 7)."""

import json
import math
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from typing import Any, Literal, TypeAlias

from davkeep.store.database import Database
from davkeep.store.extent import any_under, rows_below
from davkeep.store.subtrees import BELOW, IN_SUBTREE, ancestors, check_path, subtree

Scope: TypeAlias = Literal["exclusive", "shared"]
LockDepth: TypeAlias = Literal["0", "infinity"]

#: The columns of the table in the order of Lock's attributes.
_COLUMNS = "token, path, url, depth, scope, owner, principal, timeout, expires"

#: Finds the tokens in a JSON array, however many they are.
_TOKEN_IN = "token IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock, as it stood when it was asked for.

    `path` is the real path of the entry whose URL was locked (the lock root), `url` its href as the
    client knows it, `owner_xml` the content of DAV:owner as it was sent, `principal` the name of
    the user who took it ("" for anonymous). `timeout` is what was granted, in seconds, and
    `expires` the end in epoch seconds; both are None for a lock that does not expire.
    """

    token: str
    path: bytes
    url: str
    depth: LockDepth
    scope: Scope
    owner_xml: bytes
    principal: str
    timeout: float | None
    expires: float | None

    def remaining(self, now: float) -> float | None:
        """Seconds until it expires, at least 0 (a held lock may be past its end), or None."""
        return None if self.expires is None else max(0.0, self.expires - now)


class LockConflict(Exception):
    """A lock cannot be granted because of `locks`: 423, or within a 207 for those below."""

    def __init__(self, locks: Collection[Lock]) -> None:
        super().__init__(f"{len(locks)} locks are in the way")
        self.locks = tuple(locks)


class Locks:
    """All locks. `clock` gives epoch seconds.

    An expired lock is invisible everywhere, and its row goes with the next change. A held one does
    not expire: an operation holds the tokens that it relies on. Every change is one transaction, or
    a part of the one around it; what is held is no part of a transaction, and is forgotten when the
    process ends. A path that is not absolute and plain raises ValueError.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        #: How often each token is held. Written only while nobody else is at the database, and so
        #: by one thread at a time; a thread that reads meanwhile sees the count before or after.
        self._held: Counter[str] = Counter()
        #: Locks that ended when the database could not be written; their rows are still there.
        self._dismissed: frozenset[str] = frozenset()

    def acquire(
        self,
        path: bytes,
        *,
        url: str,
        depth: LockDepth,
        scope: Scope,
        owner_xml: bytes = b"",
        principal: str = "",
        timeout: float | None,
    ) -> Lock:
        """A new lock on `path`, for `timeout` seconds, or for ever with None.

        Raises LockConflict with every lock in the way (RFC 4918 6.1, 9.10.5): those that cover the
        path, and for depth infinity those below it, where one of both is exclusive.
        """
        token, now = f"urn:uuid:{uuid.uuid4()}", self._clock()
        lock = Lock(
            token, path, url, depth, scope, owner_xml, principal, timeout, _end(now, timeout)
        )
        with self._database.transaction() as connection:
            self._purge()
            near = self.covering(path) + (self.below(path) if depth == "infinity" else [])
            if conflicts := [each for each in near if "exclusive" in (scope, each.scope)]:
                raise LockConflict(conflicts)
            connection.execute(
                f"INSERT INTO locks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(lock)
            )
        return lock

    def find(self, token: str) -> Lock | None:
        """The lock with this token, or None if there is none."""
        found = self._select("token = ?", (token,))
        return found[0] if found else None

    def covering(self, path: bytes) -> list[Lock]:
        """The locks on `path` itself, and those of depth infinity on what is above it."""
        check_path(path)
        if self._database.is_empty("locks"):
            return []
        above = ancestors(path)
        marks = ", ".join("?" * len(above))
        condition = f"path = ? OR (path IN ({marks}) AND depth = 'infinity')"
        return self._select(condition, (path, *above))

    def covering_new(self, path: bytes) -> tuple[list[Lock], list[Lock]]:
        """The locks that cover `path`, and those that cover its collection: one question."""
        check_path(path)
        if self._database.is_empty("locks"):
            return [], []
        above = ancestors(path)
        marks = ", ".join("?" * len(above))
        condition = f"path IN (?, ?) OR (path IN ({marks}) AND depth = 'infinity')"
        found = self._select(condition, (path, above[0], *above))
        own = [lock for lock in found if lock.path == path or lock.depth == "infinity"]
        return own, [lock for lock in found if lock.path != path]

    def below(self, path: bytes) -> list[Lock]:
        """The locks strictly below `path`, of either depth."""
        check_path(path)
        if self._database.is_empty("locks"):
            return []
        return self._select(BELOW, subtree(path)[1:])

    def written_at_or_below(self, path: bytes) -> list[tuple[str, bytes]]:
        """Token and path of every row at or below a path, of a lock that has ended as well."""
        if self._database.is_empty("locks"):
            return []
        return self._database.rows(
            f"SELECT token, path FROM locks WHERE {IN_SUBTREE}", subtree(path)
        )

    def few_below(self, path: bytes) -> list[Lock] | None:
        """The same; None where they are too many to be read at once."""
        number = rows_below(self._database, "locks", "owner", subtree(path))
        if not number:
            return None if number is None else []
        return self.below(path)

    def at(self, paths: Sequence[bytes]) -> list[Lock]:
        """The locks on the paths themselves, of which there are some hundred at most."""
        return self._select(f"path IN ({', '.join('?' * len(paths))})", tuple(paths))

    def exist_under(self, path: bytes) -> bool:
        """Whether there is a lock on `path` or below it; one that has just expired may count."""
        return any_under(self._database, "locks", path)

    def refresh(self, token: str, timeout: float | None) -> Lock | None:
        """Starts the lock's time anew (RFC 4918 9.10.2); None if there is no such lock."""
        with self._database.transaction() as connection:
            self._purge()
            lock = self.find(token)
            if lock is None:
                return None
            lock = replace(lock, timeout=timeout, expires=_end(self._clock(), timeout))
            connection.execute(
                "UPDATE locks SET timeout = ?, expires = ? WHERE token = ?",
                (lock.timeout, lock.expires, token),
            )
            return lock

    def release(self, token: str) -> bool:
        """Ends the lock, also a held one; False if there is no such lock."""
        with self._database.transaction() as connection:
            self._purge()
            return connection.execute("DELETE FROM locks WHERE token = ?", (token,)).rowcount > 0

    def end_at_or_below(self, path: bytes, keep: Collection[str] = ()) -> list[Lock]:
        """Ends the locks on `path` and below it, except those whose tokens are in `keep`.

        Answers the locks that it ended. For a source that was moved or deleted, and for what was
        overwritten: there the locks whose tokens were submitted stay (the promises, Locks).
        """
        with self._database.transaction() as connection:
            self._purge()
            found = self._select(IN_SUBTREE, subtree(path))
            ended = [lock for lock in found if lock.token not in keep]
            connection.executemany(
                "DELETE FROM locks WHERE token = ?", [(lock.token,) for lock in ended]
            )
            return ended

    def dismiss(self, tokens: Iterable[str]) -> None:
        """Ends locks in this process alone, because nothing can be written at the moment."""
        self._dismissed |= frozenset(tokens)

    def put_back(self, locks: Collection[Lock]) -> None:
        """Makes locks that were ended stand again, those excepted whose time is over."""
        marks = ", ".join("?" * len(_COLUMNS.split(",")))
        with self._database.transaction() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO locks ({_COLUMNS}) VALUES ({marks})",
                [astuple(lock) for lock in locks],
            )

    def hold(self, tokens: Iterable[str]) -> frozenset[str]:
        """Keeps these locks from expiring until `unhold` was called as often.

        Answers the tokens that it holds: those that have a lock. One that expired before is not
        brought back. Nothing is written, so that it works where nothing can be.
        """
        asked = frozenset(tokens)
        if not asked:
            # Most requests rely on no lock, and they need not wait for the database.
            return asked
        with self._database.alone():
            found = self._select(_TOKEN_IN, (json.dumps(list(asked)),))
            held = frozenset(lock.token for lock in found)
            self._held.update(held)
            return held

    def unhold(self, tokens: Iterable[str]) -> None:
        """Undoes one `hold`, whose answer it takes: a lock whose time is over ends with the last.

        It cannot fail.
        """
        released = Counter(frozenset(tokens))
        if not released:
            return
        with self._database.alone():
            self._held = self._held - released

    @contextmanager
    def holding(self, tokens: Iterable[str]) -> Iterator[frozenset[str]]:
        """Holds these locks for as long as the block runs; gives what `hold` answers."""
        held = self.hold(tokens)
        try:
            yield held
        finally:
            self.unhold(held)

    def _select(self, condition: str, values: tuple[Any, ...]) -> list[Lock]:
        """The locks that `condition` finds and that have not expired, nearest to the root first."""
        question = f"SELECT {_COLUMNS} FROM locks WHERE ({condition}) ORDER BY path, token"
        locks = [Lock(*row) for row in self._database.rows(question, values)]
        now = self._clock()
        return [lock for lock in locks if not self._is_expired(lock, now)]

    def _is_expired(self, lock: Lock, now: float) -> bool:
        if lock.token in self._dismissed:
            return True
        return lock.expires is not None and lock.expires <= now and not self._held[lock.token]

    def _purge(self) -> None:
        """Removes what has expired or was dismissed, at the beginning of a change."""
        with self._database.transaction() as connection:
            connection.execute(
                f"DELETE FROM locks WHERE expires <= ? AND NOT {_TOKEN_IN}",
                (self._clock(), json.dumps(list(self._held))),
            )
            if self._dismissed:
                tokens = json.dumps(list(self._dismissed))
                connection.execute(f"DELETE FROM locks WHERE {_TOKEN_IN}", (tokens,))


def _end(now: float, timeout: float | None) -> float | None:
    """When a lock of `timeout` seconds ends. Raises ValueError if it would end at once."""
    if timeout is None:
        return None
    if not 0 < timeout < math.inf:
        raise ValueError(f"a lock cannot last {timeout} seconds")
    return now + timeout
