"""Dropping uploads with which nobody goes on, from time to time."""

import logging
import threading

from davkeep.dav.uploads.uploads import Uploads
from davkeep.words.threads import start_thread

_log = logging.getLogger("davkeep.dav")

#: Seconds between two looks, by which an upload may be kept too long.
INTERVAL = 600.0


class Sweeper:
    """A thread of its own, for looking may wait for a slow disk."""

    def __init__(self, uploads: Uploads, interval: float = INTERVAL) -> None:
        """``interval`` in seconds."""
        self._uploads = uploads
        self._interval = interval
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look now, for a crash may have left something behind, and then again and again.

        Raises ThreadRefusedError.
        """
        try:
            dropped = self._uploads.recover()
        except OSError as error:
            # A full disk is no reason not to serve.
            _log.error("uploads that are over are kept for now: %s", error)
            dropped = 0
        if dropped:
            _log.info("%d uploads are dropped that were over, or not gone on with", dropped)
        self._thread = start_thread(self._run, "davkeep-uploads", is_over=self._stopped.is_set)

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self._uploads.expire()
            except OSError as error:
                _log.error("uploads that nobody goes on with are kept for now: %s", error)
