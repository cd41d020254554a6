"""The one gate between webhooks and the database, which can be closed before that is."""

import threading
from collections import deque
from collections.abc import Sequence

from davkeep.store.database import StoreError
from davkeep.store.deliveries import Deliveries, Delivery, NewDelivery


class Queue:
    """What is still to be told.

    Once it is closed nothing is read or written any more. Each call may raise StoreError.

    ``_lock`` guards that nothing goes on in the database when ``close`` has returned. The
    database's own guard comes after it.
    """

    def __init__(self, deliveries: Deliveries) -> None:
        """Begin open."""
        self._deliveries = deliveries
        self._lock = threading.Lock()
        #: What waits to be written. Anybody appends, and never waits; who has the lock takes away.
        self._soon: deque[NewDelivery] = deque()
        self._is_closed = False

    def add(self, new: Sequence[NewDelivery]) -> int:
        """Write ``new`` at once; return how many of the oldest were dropped for them."""
        with self._lock:
            return 0 if self._is_closed else self._deliveries.add(new)

    def add_soon(self, new: Sequence[NewDelivery]) -> None:
        """Have ``new`` written with the next look into the queue, or when it closes."""
        self._soon.extend(new)

    def next(self, receiver: str) -> Delivery | None:
        """Return what is due first for ``receiver``; None if there is nothing."""
        with self._lock:
            if self._is_closed:
                return None
            self._write()
            return self._deliveries.next(receiver)

    def remove(self, delivery: Delivery) -> None:
        """Forget it."""
        with self._lock:
            if not self._is_closed:
                self._deliveries.remove(delivery.number)

    def postpone(self, delivery: Delivery, due: float) -> None:
        """Count one more failed attempt; the next is due at ``due``, in seconds of the epoch."""
        with self._lock:
            if not self._is_closed:
                self._deliveries.postpone(delivery.number, delivery.failed + 1, due)

    def close(self) -> None:
        """Write what waits for it, and leave the database alone from now on."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._write()

    def _write(self) -> None:
        """Write what waits; called under the lock."""
        new = [self._soon.popleft() for _ in range(len(self._soon))]
        if not new:
            return
        try:
            self._deliveries.add(new)
        except StoreError:
            self._soon.extendleft(reversed(new))
            raise
