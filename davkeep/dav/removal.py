"""What is stored about a tree that DELETE takes out of sight, and that may come back."""

import logging
import os

from davkeep.operations import Outcome, Page, Stored
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

    def __init__(self, stored: Stored, page: Page, entry: Entry, hidden: str) -> None:
        """``hidden``: the name out of sight, in the directory of ``entry``."""
        self._stored = stored
        self._page = page
        self._share = entry.share
        self._path = entry.path
        self._parent_fd = entry.parent_fd
        self._name = hidden
        self._hidden = os.path.join(os.path.dirname(entry.path), os.fsencode(hidden))
        self._ended: list[Lock] = []
        self._is_out = False

    def take_out(self, outcome: Outcome | None) -> None:
        """At the effective point. Raises StoreError if the tree can still come back.

        ``outcome``: how the removal will end, if that is settled.
        """
        try:
            self._ended = self._page.removal(self._hidden, outcome)
        except StoreError as error:
            if os.access(self._name, os.F_OK, dir_fd=self._parent_fd, follow_symlinks=False):
                raise
            # It is gone for good, and a DELETE that was done is no failure.
            _log.error("what is stored about a deleted entry stays for now: %s", error)
            return
        self._is_out = True

    def _forget_hidden(self) -> None:
        """What a loss of power brings back is removed with the journal's page."""
        if self._stored.properties.exist_under(self._hidden):
            with self._stored.database.transaction(durable=False):
                self._stored.properties.remove(self._hidden)

    def settle(self, control: Control) -> None:
        """When the engine is done, however that ended."""
        try:
            if not self._is_out:
                if self._share.root.is_there():
                    self._stored.forget_vanished(self._path)
            elif control.left_behind:
                # It is purged, or brought back, by a later start, which settles this too.
                pass
            elif control.is_effective:
                self._forget_hidden()
            else:
                self._page.brought_back(self._hidden, self._ended)
        except StoreError as error:
            _log.error("what is stored about a deleted entry could not be settled: %s", error)
