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
        self._key = entry.key
        self._hidden = os.path.join(os.path.dirname(entry.key), os.fsencode(hidden))
        self._ended: list[Lock] = []
        self._is_out = False

    def take_out(self, outcome: Outcome | None) -> None:
        """At the effective point. Raises StoreError if the tree can still come back.

        ``outcome``: how the removal will end, if that is settled.
        """
        self._ended = self._page.removal(self._hidden, outcome)
        self._is_out = True

    def settle(self, control: Control) -> None:
        """When the engine is done, however that ended."""
        try:
            self._settle(control)
        except StoreError as error:
            # The page stays open then, and is closed as soon as it can be written.
            _log.error("what is stored about a deleted entry could not be settled: %s", error)

    def _settle(self, control: Control) -> None:
        if control.left_behind:
            # It is purged, or brought back, later on, which settles this too.
            return
        if self._page.is_returning:
            self._page.brought_back(self._hidden, self._ended)
        elif not self._is_out and self._share.root.is_there():
            self._stored.forget_vanished(self._key)
