"""How much is stored about each share, and about what waits until its share is served."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from davkeep.store.reading import Answers
from davkeep.store.rekey import KEYED, concerned
from davkeep.store.shares import KnownShare, known_shares
from davkeep.store.subtrees import BELOW, FORMER, Subtree, former_key, subtree

#: What is counted of each table, and what of a row takes room: in the database, and in the share.
_COUNTED = {
    "properties": "length(path) + length(name) + length(value)",
    "locks": "length(path) + length(token) + length(url) + length(owner) + length(principal)",
    "uploads": "arrived",
}

#: Rows that are counted at once, which takes some milliseconds.
SLICE = 1000


@dataclass(frozen=True, slots=True)
class Subject:
    """What something may be stored about.

    `share` is its UUID and `seen` when it was seen last, in epoch seconds: both None of what waits
    under a real path. `root` is that path, and `key` where it is stored. `outer` is the UUID of the
    share to which all that belongs, where the root lies in that of another one.
    """

    share: str | None
    root: str
    key: bytes
    seen: float | None = None
    outer: str | None = None

    @classmethod
    def of(cls, known: KnownShare) -> "Subject":
        """A share."""
        outer = known.outer if known.is_inner else None
        return cls(known.share, known.root, known.prefix, known.seen, outer)

    @classmethod
    def waiting(cls, path: str) -> "Subject":
        """What waits under a real path."""
        return cls(None, path, former_key(os.fsencode(path)))


@dataclass(frozen=True, slots=True)
class Holding:
    """How much is stored about one of them; nothing of what belongs to an outer share.

    `age` is in seconds, since it was seen last. `stored` are the bytes of properties and locks in
    the database, `arrived` those of uploads in their hidden files. `records` are the journal's.
    """

    share: str | None
    root: str
    outer: str | None
    age: float | None
    is_served: bool
    properties: int
    locks: int
    uploads: int
    stored: int
    arrived: int
    records: int

    def as_told(self) -> dict[str, Any]:
        """The same as an object for JSON."""
        return asdict(self)

    @classmethod
    def from_told(cls, told: dict[str, Any]) -> "Holding":
        """The one that was told so. Raises TypeError for anything else."""
        return cls(**told)


def subjects(database: Answers) -> list[Subject]:
    """Every share that was ever served, and what waits under real paths. Raises StoreError."""
    known = [Subject.of(each) for each in known_shares(database)]
    waiting = _gathered(_waiting(database))
    return [*known, *(Subject.waiting(path) for path in waiting)]


def holding(
    database: Answers,
    subject: Subject,
    *,
    is_served: bool,
    now: float,
    pause: Callable[[], None] = lambda: None,
) -> Holding:
    """How much is stored about one of them.

    `pause` is called from time to time, so that others have their turn. Raises StoreError.
    """
    counted = dict.fromkeys(_COUNTED, (0, 0))
    records = 0
    if subject.outer is None:
        tree = subtree(subject.key)
        counted = {name: _counted(database, name, tree, pause) for name in _COUNTED}
        records = len(concerned(database, tree))
    return Holding(
        share=subject.share,
        root=subject.root,
        outer=subject.outer,
        age=None if subject.seen is None else max(0.0, now - subject.seen),
        is_served=is_served,
        properties=counted["properties"][0],
        locks=counted["locks"][0],
        uploads=counted["uploads"][0],
        stored=counted["properties"][1] + counted["locks"][1],
        arrived=counted["uploads"][1],
        records=records,
    )


def _counted(
    database: Answers, table: str, tree: Subtree, pause: Callable[[], None]
) -> tuple[int, int]:
    """How many rows there are, and what they take."""
    rows, size = _amount(database, table, "path = ?", (tree.root,))
    for low, high in _slices(database, table, tree):
        more = _amount(database, table, "path >= ? AND path < ?", (low, high))
        rows, size = rows + more[0], size + more[1]
        pause()
    return rows, size


def _amount(
    database: Answers, table: str, which: str, values: tuple[bytes, ...]
) -> tuple[int, int]:
    question = f"SELECT count(*), total({_COUNTED[table]}) FROM {table} WHERE {which}"
    ((rows, size),) = database.rows(question, values)
    return int(rows), int(size)


def _slices(database: Answers, table: str, tree: Subtree) -> Iterator[tuple[bytes, bytes]]:
    """The keys strictly below, so many rows at once: nobody can use the database meanwhile."""
    question = f"SELECT path FROM {table} WHERE path >= ? AND path < ? ORDER BY path LIMIT 1 OFFSET"
    low = tree.after
    while next_rows := database.rows(f"{question} {SLICE}", (low, tree.before)):
        # One key alone may have more rows than that.
        high = max(next_rows[0][0], low + b"\0")
        yield low, high
        low = high
    yield low, tree.before


def _waiting(database: Answers) -> list[bytes]:
    """The real paths about which something waits."""
    tree = subtree(FORMER)
    keys = [
        key
        for table in KEYED
        for (key,) in database.rows(f"SELECT path FROM {table} WHERE {BELOW}", tree[1:])
    ]
    for record in concerned(database, tree):
        keys += [side.key for side in record.sides if tree.holds(side.key)]
    return [key[len(FORMER) :] for key in keys if key != FORMER]


def _gathered(paths: Iterable[bytes]) -> list[str]:
    """The deepest folder, or entry, that holds all of them; one for each name below "/".

    Nothing tells any more which roots there were.
    """
    found: dict[bytes, bytes] = {}
    for path in paths:
        first = path.split(b"/")[1]
        found[first] = os.path.commonpath([found.get(first, path), path])
    return sorted(map(os.fsdecode, found.values()))
