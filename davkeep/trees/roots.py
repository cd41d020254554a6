"""From what something is known by, wherever its share may be, to where that is now."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from davkeep.trees.place import Place, place_at
from davkeep.trees.share import Share
from davkeep.trees.spelling import EXACT, Spelling


class Located(NamedTuple):
    """The share in which something is, and its real path there."""

    share: Share
    path: bytes

    @property
    def place(self) -> Place:
        """As far down as there are directories now. Raises OSError."""
        return place_at(os.fsdecode(self.path))


class Roots:
    """The roots of all shares that are served; see `Share.key_of` for what a key is."""

    def __init__(self, shares: Sequence[Share] = ()) -> None:
        """Of ``shares``, in any order; there may be more of them later."""
        self._shares = shares

    def locate(self, key: bytes) -> Located | None:
        """Where the entry with a key is; None if no share that is served holds it.

        Of several shares that do, in that with the deepest root, and of those in one that is there.
        It is not looked whether anything else is.
        """
        holding = [share for share in self._shares if share.holds(key)]
        if not holding:
            return None
        deepest = max(len(share.prefix) for share in holding)
        alike = [share for share in holding if len(share.prefix) == deepest]
        there = alike if len(alike) == 1 else filter(_is_there, alike)
        share = next(iter(there), alike[0])
        return Located(share, share.path_at(key))

    def spelling_at(self, key: bytes) -> Spelling:
        """How names are kept in the share that holds a key."""
        located = self.locate(key)
        if located is None:
            return EXACT
        share = located.share
        return share.spellings.of(share.root.identities[-1][0])

    def is_there(self, key: bytes) -> bool:
        """Whether the folder of its share is there, and is that share."""
        located = self.locate(key)
        return located is not None and located.share.root.is_there()


def _is_there(share: Share) -> bool:
    return share.root.is_there()
