"""The one gate between webhooks and the database, which can be closed before that is.

An event that comes when little goes on is written by the thread that brings it, at once. Where many
come they wait for each other, and are written together, with what came of the attempts meanwhile.
So the database has a bounded number of transactions to make, however much is told to how many.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from davkeep.store.database import StoreError
from davkeep.store.deliveries import MOST, MOST_BYTES, Deliveries, Delivery, Event, Tried
from davkeep.words.threads import start_thread

_log = logging.getLogger("davkeep.webhooks")

#: Seconds between two transactions, for which an event may have to wait to be written.
GATHER = 0.1
#: Seconds after which what was written is on the disk, so that a loss of power does not take it.
FLUSH = 1.0
#: Seconds until the database is tried again after it failed.
STORE_PAUSE = 5.0
#: Events that are written in one transaction at most.
SLICE = 2000
#: Seconds that a stop waits for the database, which may hang, and then for the thread.
JOIN = 1.0


class Queue:
    """What is still to be told. Once it is closed nothing is read or written any more.

    `written` is called with the receivers for whom there is something new, by any thread.
    `monotonic` is a clock.

    `_lock` guards the database's part, and the order of events in it; nothing waits for it but
    who needs the database. What is new is appended by anybody, and taken away under the lock.
    `_noting` guards what came of attempts, and nothing blocks under it.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        written: Callable[[Collection[str]], object] = len,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin open."""
        self._deliveries = deliveries
        self._written = written
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._told: deque[Callable[[], Event]] = deque(maxlen=MOST)
        #: What was made of that and is not written, and the bytes of its bodies.
        self._new: deque[Event] = deque()
        self._size = 0
        #: How many of either were dropped, for there was no room, and that is not logged yet.
        self._dropped = 0
        self._noting = threading.Lock()
        #: What came of attempts and is not written yet, by receiver and number.
        self._tried: dict[tuple[str, int], Tried] = {}
        #: When something was written last, by the clock, and since when not all is on the disk.
        self._last = float("-inf")
        self._unflushed: float | None = None
        self._is_failing = False
        self._is_closed = False
        self._woken = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread that writes what waits. Raises ThreadRefusedError."""
        self._thread = start_thread(self._run, "davkeep-webhooks", is_over=self._ending.is_set)

    # For those who have something to tell

    def add(
        self, make: Callable[[], Event], *, is_urgent: bool = False, can_wait: bool = False
    ) -> None:
        """Have an event written: before this returns, unless something was a moment ago.

        `make` is called by the thread that writes: making many one after the other takes less of a
        processor than one in each request.
        Urgent is what is to be on the disk by then in any case; what can wait is left to the
        thread. A database that fails is tried again later.
        """
        if self._is_closed:
            _log.warning("webhooks will not be told of an operation that ended after the stop")
            return
        self._dropped += len(self._told) == MOST
        self._told.append(make)
        pause = STORE_PAUSE if self._is_failing else GATHER
        is_quiet = self._monotonic() - self._last >= pause
        if is_urgent and (is_quiet or not self._is_failing):
            with self._lock:
                # Who had the lock before may have written it, and waited for no disk.
                self._write(durable=True)
                self._flush()
        elif is_quiet and not can_wait and self._lock.acquire(blocking=False):
            try:
                self._write()
            finally:
                self._lock.release()
        self._woken.set()

    # For the senders

    def due(self, receiver: str, skip: Collection[int], most: int) -> list[Delivery]:
        """Return the oldest for `receiver`, but for the numbers to `skip`. Raises StoreError."""
        with self._lock:
            if self._is_closed:
                return []
            tried = {
                each.number: each.failed for each in self._noted() if each.receiver == receiver
            }
            over = [number for number, failed in tried.items() if failed is None]
            found = self._deliveries.due(receiver, [*skip, *over], most)
        return [replace(each, failed=tried.get(each.number) or each.failed) for each in found]

    def note(self, tried: Tried) -> None:
        """Have it written what came of an attempt."""
        with self._noting:
            self._tried[tried.receiver, tried.number] = tried
        self._woken.set()

    def newest(self) -> int:
        """Return the greatest number. Raises StoreError."""
        with self._lock:
            return 0 if self._is_closed else self._deliveries.newest()

    def expire(self, receiver: str, number: int) -> int:
        """Give up what has a number up to this one; return how much. Raises StoreError."""
        with self._lock:
            if self._is_closed:
                return 0
            # What was told, or has failed, is not counted as given up.
            self._write()
            return self._deliveries.expire(receiver, number)

    # The end

    def close(self) -> None:
        """Write what waits for it, and leave the database alone from now on."""
        self._ending.set()
        self._woken.set()
        if self._lock.acquire(timeout=JOIN):
            try:
                if self._is_closed:
                    return
                self._write(durable=True)
                self._flush()
                self._is_closed = True
            finally:
                self._lock.release()
        self._is_closed = True
        if self._new or self._told:
            count = len(self._new) + len(self._told)
            _log.error("webhooks will not be told of %d operations", count)
        if self._thread is not None:
            self._thread.join(JOIN)

    # The thread

    def _run(self) -> None:
        while not self._ending.is_set():
            self._woken.wait(self._until_flush())
            self._woken.clear()
            with self._lock:
                self._write()
                if self._until_flush() == 0.0:
                    self._flush()
            self._ending.wait(STORE_PAUSE if self._is_failing else GATHER)

    def _until_flush(self) -> float | None:
        unflushed = self._unflushed
        if unflushed is None:
            return None
        return max(unflushed + FLUSH - self._monotonic(), 0.0)

    # Under the lock

    def _write(self, *, durable: bool = False) -> None:
        """Write what waits, if there is anything."""
        self._make()
        while not self._is_closed:
            new, tried = list(islice(self._new, SLICE)), self._noted()
            if not (new or tried):
                return
            change = partial(self._write_these, new, tried, durable=durable)
            if not self._tell_of_failure(change):
                return
            for event in new:
                self._new.popleft()
                self._size -= len(event.body)
            self._forget(tried)
            self._written({receiver for event in new for receiver in event.receivers})

    def _make(self) -> None:
        """Make what was told, within bounds: the oldest is dropped where there is too much."""
        while self._told:
            event = self._told.popleft()()
            self._new.append(event)
            self._size += len(event.body)
            while len(self._new) > MOST or self._size > MOST_BYTES:
                self._size -= len(self._new.popleft().body)
                self._dropped += 1
        if self._dropped:
            _log.warning("%d events are dropped, for too many are waiting", self._dropped)
            self._dropped = 0

    def _noted(self) -> list[Tried]:
        with self._noting:
            return list(self._tried.values())

    def _forget(self, tried: Sequence[Tried]) -> None:
        """They are written; but for those of which something newer was noted meanwhile."""
        with self._noting:
            for each in tried:
                if self._tried[each.receiver, each.number] is each:
                    del self._tried[each.receiver, each.number]

    def _write_these(self, new: Sequence[Event], tried: Sequence[Tried], *, durable: bool) -> None:
        now = self._last = self._monotonic()
        dropped = sum(self._deliveries.write(new, tried, durable=durable).values())
        if dropped:
            _log.warning("%d deliveries are dropped, for too many are waiting", dropped)
        if durable:
            self._unflushed = None
        elif self._unflushed is None:
            self._unflushed = now

    def _flush(self) -> None:
        """Bring what was written to the disk, unless it is there."""
        if self._is_closed:
            return
        if self._unflushed is not None and self._tell_of_failure(self._deliveries.flush):
            self._unflushed = None

    def _tell_of_failure(self, change: Callable[[], None]) -> bool:
        """Make a change; False if the database failed, which is logged when it begins to."""
        try:
            change()
        except StoreError as error:
            if not self._is_failing:
                _log.error("what webhooks are to be told cannot be kept yet: %s", error)
            self._is_failing = True
            return False
        self._is_failing = False
        return True
