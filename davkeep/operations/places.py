"""What is in the places of roots while they are served: the shares, or something else."""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from davkeep.operations.looks import Owner, ShareRefused
from davkeep.operations.marking import PATIENCE, mark
from davkeep.store.database import StoreError
from davkeep.store.shares import KnownShare
from davkeep.trees.fingerprint import Fingerprint
from davkeep.trees.identity import identity_of
from davkeep.trees.marker import Marker, MarkerBroken, alone_at, marker_if_any, read_marker
from davkeep.trees.place import Identity
from davkeep.trees.share import Share
from davkeep.trees.spelling import Spelling
from davkeep.words.threads import ThreadRefusedError, start_brief

_log = logging.getLogger("davkeep.operations")


class Place:
    """The place of one root, and the share that is served from there.

    `_guard` is held while it is decided who finds out what is there; one thread does at a time.
    """

    def __init__(
        self,
        share: Share,
        served: KnownShare,
        owner: Owner,
        settle: Callable[[Share], None],
    ) -> None:
        """``settle`` finds out what is in the place of a root now, and serves it as that."""
        self.share = share
        self.served = served
        self._owner = owner
        self._settle = settle
        self._guard = threading.Lock()
        #: Set once it is found out what was asked last; there is one while that is being done.
        self._finding: threading.Event | None = None
        #: The directory that was refused last, and what was told of that.
        self._refused: Identity | None = None
        self._told = ""
        #: Held while it is looked whether the root is what it was.
        self._looking = threading.Lock()
        share.root.recognise = self.key_if_recognised
        share.root.find_out = self.find_out

    def serve(self, own: Identity, known: KnownShare) -> None:
        """A directory is there that is this share. Raises OSError."""
        self.served = known
        self._refused = None
        self.share.root.know(own, known.prefix)
        self._tell_spelling(own)

    def _tell_spelling(self, own: Identity) -> None:
        spelling = self.served.spelling
        if spelling is None:
            self.share.spellings.forget(own[0])
        else:
            self.share.spellings.settle(own[0], Spelling.from_text(spelling))

    def key_if_recognised(self, fd: int) -> bytes | None:
        """The key of an open directory, if it is certainly the share as it was.

        Of that it changes nothing; it tells how names are spelled on the device where it is now.
        """
        served, found = self.served, Fingerprint.of(fd)
        try:
            marker = read_marker(fd)
        except MarkerBroken:
            return None
        if marker is None:
            is_same = served.is_known_by(self.share.folder, found)
        else:
            is_ours = marker.state == self._owner.state or self.share.readonly
            # Of a copy on another disk it is to be found out where the uploads are.
            is_same = is_ours and marker.share == served.share and served.fingerprint.may_be(found)
        if not is_same:
            return None
        self._tell_spelling(identity_of(os.fstat(fd)))
        return served.prefix

    # Looking from time to time

    def look(self) -> None:
        """Have it asked what is there, if that is another directory with the same numbers.

        Returns at once while another look is under way.
        """
        if self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()

    def _look(self) -> None:
        with suppress(OSError), self.share.root.looked_at() as fd:
            # What cannot be told now, as where nothing may be read, speaks for nothing else.
            is_same = self.served.fingerprint.may_be(Fingerprint.of(fd))
            if not is_same and self.key_if_recognised(fd) is None:
                self.share.root.doubt()

    # Finding out

    def find_out(self) -> None:
        """Have it found out what is there, and wait for that a moment; once for each directory."""
        with self._guard:
            if self._is_vain():
                return
            if self._finding is None:
                self._finding = threading.Event()
                try:
                    start_brief(self._find_out, "davkeep-identity")
                except ThreadRefusedError:
                    self._finding = None
                    return
            finding = self._finding
        finding.wait(PATIENCE)

    def _is_vain(self) -> bool:
        """Whether nothing is there, or what was refused, or what is known by now."""
        own = self._own()
        return own in (None, self._refused) or self.share.root.is_known(own)

    def _own(self) -> Identity | None:
        with suppress(OSError), self.share.root.looked_at() as fd:
            return identity_of(os.fstat(fd))
        return None

    def _find_out(self) -> None:
        own = self._own()
        try:
            self._settle(self.share)
        except ShareRefused as error:
            self._refused = own
            self._tell(error)
        except (StoreError, OSError) as error:
            self._tell(error)
        finally:
            with self._guard:
                finding, self._finding = self._finding, None
            if finding is not None:
                finding.set()

    def _tell(self, error: Exception) -> None:
        if str(error) != self._told:
            self._told = str(error)
            _log.warning("another folder is in the place of a share: %s", error)

    # Saying what it is

    def adopt(self, *, fsync: bool) -> KnownShare:
        """Let what is there now be the share: mark it; return what is known of it then, which says
        so where it cannot be marked.

        Raises ShareRefused for what is marked already, and OSError.
        """
        marker = self._owner.mark(self.served.share)
        with self.share.root.looked_at() as fd, alone_at(fd):
            before = marker_if_any(fd)
            if before not in (None, marker):
                raise ShareRefused(
                    self.share.folder,
                    f"it is marked as the share {before.share} of the state {before.state}: stop"
                    f" the server first",
                )
            if before is None:
                self._adopt(fd, marker, fsync=fsync)
        self._refused = None
        self.share.root.doubt()
        return self.served

    def _adopt(self, fd: int, marker: Marker, *, fsync: bool) -> None:
        is_marked = mark(self.share, fd, marker, fsync=fsync) is not None
        self.served = replace(
            self.served,
            root=self.share.folder,
            fingerprint=self.served.fingerprint if is_marked else Fingerprint.of(fd),
            is_adopted=not is_marked,
        )
