"""What is stored about the members of a tree: locks and dead properties."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from davkeep.dav.site import Site
from davkeep.store.locks import Lock

#: Members that are asked for at once where a whole tree is too much.
AT_ONCE = 100

#: Seconds for which an answer counts though nothing has changed: locks expire by themselves.
FRESH = 5.0


class About(NamedTuple):
    """What is stored about one member: elements by Clark name, and locks."""

    dead: Mapping[str, str]
    locks: tuple[Lock, ...]


NOTHING = About({}, ())

#: By the path of a collection and the name of a member; of locks those on the member itself.
_Tree = dict[bytes, dict[str, About]]


class Stored:
    """What is stored about the tree at ``root``, a real path.

    All of it is asked for at once, and again when anything was changed meanwhile; where that is too
    much, and where a link leads elsewhere, it is asked for by a hundred members at a time.
    """

    def __init__(self, site: Site, root: bytes) -> None:
        """Nothing is asked yet."""
        self._site = site
        self._root = root
        self._inside = root.rstrip(b"/") + b"/"
        #: None: too much. What it says holds for ``_changes``, until ``_until``.
        self._tree: _Tree | None = None
        self._covering: tuple[Lock, ...] = ()
        self._changes = -1
        self._until = 0.0

    def of(self, path: bytes) -> About:
        """What is stored about one member, with all locks that cover it."""
        dead = _texts(self._site.properties.get(path))
        return About(dead, tuple(self._site.locks.covering(path)))

    def of_members(
        self, folder: bytes, names: Sequence[str]
    ) -> tuple[tuple[Lock, ...], Mapping[str, About]]:
        """The locks that cover all members of a collection, and what each has of its own.

        ``names`` are those of at most ``AT_ONCE`` members; the answer has those of which there is
        something.
        """
        tree = self._current()
        if tree is not None and (folder + b"/").startswith(self._inside):
            return self._inherited(tree, folder), tree.get(folder, {})
        covering = self._site.locks.covering(folder)
        return _infinite(covering), self._asked(folder, names).get(folder, {})

    def _asked(self, folder: bytes, names: Sequence[str]) -> _Tree:
        inside = folder.rstrip(b"/") + b"/"
        paths = [inside + os.fsencode(name) for name in names]
        return _by_collection(self._site.properties.get_many(paths), self._site.locks.at(paths))

    def _current(self) -> _Tree | None:
        changes, now = self._site.database.changes, self._site.monotonic()
        if changes != self._changes or now >= self._until:
            self._changes, self._until = changes, now + FRESH
            self._covering = _infinite(self._site.locks.covering(self._root))
            dead = self._site.properties.few_below(self._root)
            locks = None if dead is None else self._site.locks.few_below(self._root)
            self._tree = None
            if dead is not None and locks is not None:
                self._tree = _by_collection(dead, locks)
        return self._tree

    def _inherited(self, tree: _Tree, folder: bytes) -> tuple[Lock, ...]:
        """The locks of depth infinity on a collection and on those above it."""
        locks, above = self._covering, self._root
        if not tree:
            return locks
        for name in filter(None, folder[len(self._inside) :].split(b"/")):
            own = tree.get(above, {}).get(os.fsdecode(name))
            locks += _infinite(own.locks) if own else ()
            above = os.path.join(above, name)
        return locks


def _by_collection(dead: Mapping[bytes, Mapping[str, bytes]], locks: Sequence[Lock]) -> _Tree:
    own: dict[bytes, list[Lock]] = {}
    for lock in locks:
        own.setdefault(lock.path, []).append(lock)
    tree: _Tree = {}
    for path in dead.keys() | own.keys():
        folder, name = os.path.split(path)
        about = About(_texts(dead.get(path, {})), tuple(own.get(path, ())))
        tree.setdefault(folder, {})[os.fsdecode(name)] = about
    return tree


def _infinite(locks: Sequence[Lock]) -> tuple[Lock, ...]:
    return tuple(lock for lock in locks if lock.depth == "infinity")


def _texts(dead: Mapping[str, bytes]) -> dict[str, str]:
    return {name: value.decode() for name, value in dead.items()}
