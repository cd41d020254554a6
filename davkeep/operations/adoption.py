"""Taking a root over for a state, because somebody says so whom the start has asked."""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from davkeep.operations.looks import (
    Owner,
    ShareRefused,
    is_marked_as,
    is_of,
    no_file,
    refuse_living,
)
from davkeep.store.database import Database, StateRefused
from davkeep.store.departed import DepartedFile
from davkeep.store.rekey import Change, rekey_all
from davkeep.store.shares import KnownShare, KnownShares, root_key
from davkeep.store.transfer import transfer
from davkeep.trees.fingerprint import Fingerprint
from davkeep.trees.marker import (
    Marker,
    MarkerBroken,
    MarkerIsNoFile,
    alone_at,
    read_marker,
    write_marker,
)
from davkeep.trees.share import Share

_log = logging.getLogger("davkeep.operations")


class Adoption:
    """Marks roots as shares of one state, with which no server works meanwhile.

    What is stored about them in another state, if that is on this machine, comes along.
    """

    def __init__(
        self,
        database: Database,
        departed: DepartedFile,
        owner: Owner,
        now: Callable[[], float],
    ) -> None:
        """``owner``: to whom they belong afterwards, the state of ``database``. ``now``: seconds of
        the epoch.
        """
        self._database = database
        self._departed = departed
        self._known = KnownShares(database)
        self._owner = owner
        self._now = now

    def adopt(self, share: Share, wanted: str | None = None) -> str:
        """Mark a root, as the share ``wanted`` if that is given, and return which share it is.

        Where none can be marked, it is noted that somebody has said so. Raises ShareRefused,
        StoreError, and OSError for a root that cannot be opened.
        """
        known = {each.share: each for each in self._known.all()}
        if wanted is not None and wanted not in known:
            raise ShareRefused(share.folder, f"no share {wanted} is known here")
        with share.root.looked_at() as fd, alone_at(fd):
            before = _marker_if_readable(share, fd)
            if before is not None:
                refuse_living(share, before, self._owner)
            fingerprint = Fingerprint.of(fd)
            chosen = wanted or _chosen(share, before, known, fingerprint)
            self._refuse_other(share, chosen, known)
            if before is not None:
                self._bring_along(before, chosen)
            if before != self._owner.mark(chosen):
                self._mark(share, fd, self._owner.mark(chosen), fingerprint)
        return chosen

    def _mark(self, share: Share, fd: int, marker: Marker, fingerprint: Fingerprint) -> None:
        try:
            write_marker(fd, marker, fsync=self._database.flushes)
        except OSError as error:
            _log.warning("%s cannot be marked (%s): it is noted", share.folder, error.strerror)
            before = self._known.get(marker.share)
            prefix = root_key(marker.share) if before is None else before.prefix
            adopted = KnownShare(marker.share, prefix, share.folder, fingerprint, self._now())
            self._known.put(replace(adopted, is_adopted=True))

    def _refuse_other(self, share: Share, chosen: str, known: Mapping[str, KnownShare]) -> None:
        """Refuse to make a second root of what another one is."""
        before = known.get(chosen)
        own = share.root.identities[-1]
        if before is not None and is_marked_as(before.root, chosen, other_than=own):
            raise ShareRefused(share.folder, f"{before.root} is marked as the share {chosen}")

    def _bring_along(self, before: Marker, chosen: str) -> None:
        """What is stored about the share that the root was until now belongs to the chosen one."""
        if before.state != self._owner.state:
            self._bring_from(before)
        was = self._known.get(before.share)
        becomes = self._known.get(chosen)
        if was is None or becomes is None or was.share == becomes.share:
            return
        changes = [Change(was.prefix, becomes.prefix)]
        with self._database.transaction():
            self._departed.rekey(changes)
            rekey_all(self._database, changes)
            self._known.remove(was)

    def _bring_from(self, marker: Marker) -> None:
        """Move what the state that a marker names knows of its share."""
        folder = Path(marker.folder)
        if marker.folder == self._owner.folder or not is_of(folder, marker.state):
            told = "the state %s is not in %s any more: nothing that it knows comes along"
            _log.warning(told, marker.state, marker.folder)
            return
        try:
            with Database(folder, flushes=self._database.flushes) as source:
                known = KnownShares(source).get(marker.share)
                if known is None:
                    return
                # The share first: a transfer that is cut off is gone on with by the next adoption.
                self._known.put(known)
                transfer(source, self._database, self._departed, known.prefix)
                KnownShares(source).remove(known)
        except StateRefused as error:
            raise ShareRefused(marker.folder, str(error)) from None


def _marker_if_readable(share: Share, fd: int) -> Marker | None:
    try:
        return read_marker(fd)
    except MarkerIsNoFile:
        raise no_file(share) from None
    except (MarkerBroken, PermissionError):
        return None


def _chosen(
    share: Share, marker: Marker | None, known: Mapping[str, KnownShare], found: Fingerprint
) -> str:
    """What the marker says; else what the directory is, or what was there when it was last seen."""
    if marker is not None:
        return marker.share
    by_last_seen = sorted(known.values(), key=lambda each: each.seen, reverse=True)
    for each in by_last_seen:
        if each.fingerprint.tells(found):
            return each.share
    there = (each.share for each in by_last_seen if each.root == share.folder)
    return next(there, None) or str(uuid.uuid4())
