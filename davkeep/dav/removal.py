"""What is stored about a tree that DELETE takes out of sight, and that may come back."""

import logging
import os

from davkeep.dav.site import Site
from davkeep.dav.vanished import forget_vanished
from davkeep.store.database import StoreError
from davkeep.store.locks import Lock
from davkeep.trees.share import Entry
from davkeep.trees.steps import Control

_log = logging.getLogger("davkeep.dav")


class Removal:
    """The locks and properties at and below one entry while that is removed.

    At the effective point the locks end and the properties follow the tree to its hidden name, so
    that nothing of them is seen by what is made under the old one. A DELETE that is cancelled gets
    both back, for as much as is left of the tree.
    """

    def __init__(self, site: Site, entry: Entry, hidden: str) -> None:
        """``hidden``: the name out of sight, in the directory of ``entry``."""
        self._site = site
        self._path = entry.path
        self._parent_fd = entry.parent_fd
        self._name = hidden
        self._hidden = os.path.join(os.path.dirname(entry.path), os.fsencode(hidden))
        self._ended: list[Lock] = []
        self._is_out = False

    def take_out(self) -> None:
        """At the effective point. Raises StoreError if the tree can still come back."""
        try:
            with self._site.database.transaction():
                self._ended = self._site.locks.end_at_or_below(self._path)
                self._site.properties.move(self._path, self._hidden)
        except StoreError as error:
            if os.access(self._name, os.F_OK, dir_fd=self._parent_fd, follow_symlinks=False):
                raise
            # It is gone for good, and a DELETE that was done is no failure.
            _log.error("what is stored about a deleted entry stays for now: %s", error)
            return
        self._is_out = True

    def settle(self, control: Control) -> None:
        """When the engine is done, however that ended."""
        try:
            if not self._is_out:
                forget_vanished(self._site, self._path)
            elif control.is_effective or control.left_behind:
                self._site.properties.remove(self._hidden)
            else:
                self._bring_back()
        except StoreError as error:
            _log.error("what is stored about a deleted entry could not be settled: %s", error)

    def _bring_back(self) -> None:
        with self._site.database.transaction():
            self._site.properties.move(self._hidden, self._path)
            self._site.locks.put_back(self._ended)
        forget_vanished(self._site, self._path)
