"""Dropping uploads with which nobody goes on, from time to time."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from davkeep.dav.uploads.uploads import Uploads
from davkeep.store.subtrees import subtree
from davkeep.store.uploads import StoredUpload
from davkeep.words.threads import ThreadRefusedError, start_brief, start_thread

_log = logging.getLogger("davkeep.dav")

#: Seconds between two looks, by which an upload may be kept too long.
INTERVAL = 600.0

#: Seconds that a stop waits for a disk, which may hang.
STOP_SECONDS = 5.0

#: Which disk a hidden file is on, as far as that can be told without asking it: the root of the
#: share of its target, and the folder that it is in if that is another one.
Place = tuple[bytes, bytes]

#: Looks at some uploads; returns how many were dropped.
Look = Callable[[Iterable[StoredUpload]], int]


class Sweeper:
    """A thread that tells the time, and at each look one for each place, since a disk may hang.

    A place at which the last look has not ended is left alone; the others are looked at.
    """

    def __init__(
        self, uploads: Uploads, roots: Iterable[bytes] = (), interval: float = INTERVAL
    ) -> None:
        """``roots``: of all shares; ``interval`` in seconds."""
        self._uploads = uploads
        self._roots = sorted((subtree(root) for root in roots), key=lambda each: -len(each.root))
        self._interval = interval
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._looking: dict[Place, threading.Thread] = {}

    def start(self) -> None:
        """Look now, for a crash may have left something behind, and then again and again.

        Raises ThreadRefusedError.
        """
        self._thread = start_thread(self._run, "davkeep-uploads", is_over=self._stopped.is_set)

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        for thread in list(self._looking.values()):
            thread.join(STOP_SECONDS)

    def _run(self) -> None:
        self._look(self._uploads.recover)
        while not self._stopped.wait(self._interval):
            self._look(self._uploads.expire)

    def _look(self, look: Look) -> None:
        try:
            for place, rows in self._by_place().items():
                last = self._looking.get(place)
                if last is not None and last.is_alive():
                    _log.warning("%s has not answered yet", os.fsdecode(place[1] or place[0]))
                    continue
                at_place = partial(self._look_at, look, rows)
                self._looking[place] = start_brief(at_place, "davkeep-uploads-at")
        except ThreadRefusedError as error:
            _log.error("not all uploads are looked at: %s", error)
        except OSError as error:
            # A full disk is no reason not to serve.
            _log.error("uploads that nobody goes on with are kept for now: %s", error)

    def _look_at(self, look: Look, rows: Sequence[StoredUpload]) -> None:
        try:
            dropped = look(rows)
        except OSError as error:
            _log.error("uploads that nobody goes on with are kept for now: %s", error)
            return
        if dropped:
            _log.info("%d uploads are dropped that were over, or not gone on with", dropped)

    def _by_place(self) -> dict[Place, list[StoredUpload]]:
        found: dict[Place, list[StoredUpload]] = {}
        for row in self._uploads.all():
            root = next((each.root for each in self._roots if each.holds(row.path)), b"")
            found.setdefault((root, row.folder or b""), []).append(row)
        return found
