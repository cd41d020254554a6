"""Unfinished uploads as they are told of in a list: by URLs, for those who may see them."""

import os
from collections.abc import Callable
from typing import Any

from davkeep.dav.shares import Shares
from davkeep.dav.uploads.address import upload_url
from davkeep.dav.uploads.standing import Owner, Unfinished
from davkeep.dav.uploads.uploads import Uploads
from davkeep.words.urls import Segments, quote_path

#: Whether what belongs to an owner may be seen.
MaySee = Callable[[Owner], bool]


class Listed:
    """The list. No disk is asked for it, so it tells of what is on one that hangs too."""

    def __init__(self, uploads: Uploads, shares: Shares) -> None:
        """Of ``uploads``, whose targets are in ``shares``."""
        self._uploads = uploads
        self._shares = shares

    def told(self, may_see: MaySee) -> list[dict[str, Any]]:
        """What JSON says of each that may be seen, the oldest first."""
        found = [each for each in self._uploads.unfinished() if may_see(each.owner)]
        found.sort(key=lambda each: each.age, reverse=True)
        return [self._described(each) for each in found]

    def remove(self, id: str, may_see: MaySee) -> bool:
        """Drop one; False if there is none that may be seen. Raises Failure 423 while it is being
        stored.
        """
        return self._uploads.abandon_listed(id, may_see)

    def _described(self, upload: Unfinished) -> dict[str, Any]:
        target = self._target(upload.path)
        return {
            "id": upload.id,
            "url": None if target is None else quote_path(target),
            "uploadUrl": None if target is None else upload_url(target),
            "owner": upload.owner[0],
            "offset": upload.standing.offset,
            "length": upload.standing.length,
            "age": int(upload.age),
            "left": int(upload.standing.left),
        }

    def _target(self, key: bytes) -> Segments | None:
        """The URL path of what has a key; None if its share is served no more.

        Of several shares in which it is, that with the deepest folder.
        """
        found = [each for each in self._shares.visible if each.share.holds(key)]
        if not found:
            return None
        provider = max(found, key=lambda each: len(each.share.prefix))
        below = os.fsdecode(key[len(provider.share.prefix) :]).split("/")
        return provider.segments + tuple(filter(None, below))
