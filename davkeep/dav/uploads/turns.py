"""Taking turns at one upload, while those at others go on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """One lock for each name that somebody is at. What blocks for one name holds up no other."""

    def __init__(self) -> None:
        #: Guards the dictionary, and nothing else is done under it.
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Be alone at ``name``; whoever comes meanwhile waits."""
        lock = self._entered(name)
        try:
            with lock:
                yield
        finally:
            self._left(name)

    def _entered(self, name: str) -> threading.Lock:
        with self._guard:
            lock, count = self._locks.get(name) or (threading.Lock(), 0)
            self._locks[name] = (lock, count + 1)
            return lock

    def _left(self, name: str) -> None:
        with self._guard:
            lock, count = self._locks.pop(name)
            if count > 1:
                self._locks[name] = (lock, count - 1)
