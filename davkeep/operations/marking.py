"""Writing the marker of a share into its root."""

import logging
import threading

from davkeep.trees.marker import Marker, alone_at, marker_if_any, write_marker
from davkeep.trees.share import Share
from davkeep.trees.spelling import Spelling
from davkeep.words.threads import ThreadRefusedError, start_brief

_log = logging.getLogger("davkeep.operations")

#: Seconds that a start waits for a marker to be written.
PATIENCE = 2.0


class Marking:
    """The writing of one marker, in a thread of its own: a disk that hangs holds up nobody else."""

    def __init__(self, share: Share, marker: Marker, *, fsync: bool) -> None:
        self._share = share
        self._marker = marker
        self._fsync = fsync
        self._other: Marker | None = None
        #: What was found out of the spelling of names there; None for nothing.
        self.spelling: Spelling | None = None
        self._is_over = threading.Event()

    def begin(self, expected: Marker | None, *, is_needed: bool) -> None:
        """Begin it, in the place of the marker that is ``expected`` there, if there is one.

        ``is_needed``: nothing else tells this root from another one.
        """
        try:
            start_brief(lambda: self._mark(expected, is_needed), "davkeep-marking")
        except ThreadRefusedError:
            self._mark(expected, is_needed)

    def wait(self) -> Marker | None:
        """Wait for it for a moment; return the one that is there already, if that is another."""
        if not self._is_over.wait(PATIENCE):
            _log.warning("%s does not answer; it is marked when it does", self._share.folder)
        return self._other

    def _mark(self, expected: Marker | None, is_needed: bool) -> None:
        share = self._share
        try:
            with share.root.looked_at() as fd, alone_at(fd):
                other = marker_if_any(fd)
                if other not in (None, expected, self._marker):
                    self._other = other
                    return
                self.spelling = mark(share, fd, self._marker, fsync=self._fsync)
                if self.spelling is None and is_needed:
                    _log.warning("nothing tells %s from another folder there", share.folder)
        except OSError as error:
            _log.warning("%s cannot be marked: %s", share.folder, error.strerror)
        finally:
            self._is_over.set()


def mark(share: Share, fd: int, marker: Marker, *, fsync: bool) -> Spelling | None:
    """Mark a root; return which spellings of names are one there.

    None if it cannot be marked, which is told.
    """
    try:
        return write_marker(fd, marker, fsync=fsync)
    except OSError as error:
        _log.warning("%s cannot be marked as a share: %s", share.folder, error.strerror)
        return None
