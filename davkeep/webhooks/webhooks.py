"""All webhooks of a server: from the end of an operation to the threads that tell of it."""

import json
import logging
import time
from collections.abc import Callable, Sequence

from davkeep.operations import Operation, State, describe
from davkeep.store.database import StoreError
from davkeep.store.deliveries import Deliveries, NewDelivery
from davkeep.webhooks.queue import Queue
from davkeep.webhooks.receiver import Receiver
from davkeep.webhooks.sender import Sender

_log = logging.getLogger("davkeep.webhooks")

#: Members of a 207 that a body names at most, so that it stays below about 200 kB.
MOST_ERRORS = 1000
#: Seconds that the attempts under way have to end by themselves when the server stops.
FINISH_SECONDS = 0.25
#: Seconds that the threads of the others have to see that they were cut.
CUT_SECONDS = 0.5


class Webhooks:
    """Tells ``receivers``; without one it does nothing.

    ``clock`` gives seconds of the epoch, ``monotonic`` measures the end.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        deliveries: Deliveries,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send nothing before ``start``."""
        self._deliveries = deliveries
        self._queue = Queue(deliveries)
        self._clock = clock
        self._monotonic = monotonic
        self._senders = {
            receiver: Sender(receiver, self._queue, clock=clock) for receiver in receivers
        }

    def start(self) -> None:
        """Drop what is for receivers that are not there any more, and send the rest.

        Raises ThreadRefusedError.
        """
        try:
            dropped = self._deliveries.keep_only([receiver.url for receiver in self._senders])
        except StoreError as error:
            _log.error("what is still to be sent cannot be read: %s", error)
            dropped = 0
        if dropped:
            _log.warning("%d deliveries to URLs that are not configured are dropped", dropped)
        for sender in self._senders.values():
            sender.start()

    def ended(self, operation: Operation) -> None:
        """Keep for every receiver that wants it what is to be told of ``operation``.

        It is called before the operation's own client is answered, by a thread that holds no lock,
        and takes as long as one change of the database, which may fail: then it is logged.
        """
        wanting = [receiver for receiver in self._senders if receiver.wants(operation)]
        if not wanting:
            return
        body = json.dumps(describe(operation, most_errors=MOST_ERRORS)).encode()
        now = self._clock()
        self._keep(operation, [NewDelivery(each.url, operation.id, body, now) for each in wanting])
        for receiver in wanting:
            self._senders[receiver].wake()

    def _keep(self, operation: Operation, new: Sequence[NewDelivery]) -> None:
        if operation.state is State.INTERRUPTED:
            # Thousands may be interrupted together, by a server that has only seconds to stop.
            self._queue.add_soon(new)
            return
        try:
            dropped = self._queue.add(new)
        except StoreError as error:
            _log.error("webhooks will not be told of %r: %s", operation, error)
            return
        if dropped:
            _log.warning("%d deliveries are dropped, for too many are waiting", dropped)

    def stop(self) -> None:
        """Send nothing more, within a second; what was not delivered is kept for the next start."""
        senders = list(self._senders.values())
        for sender in senders:
            sender.begin_stop()
        self._join(senders, FINISH_SECONDS)
        for sender in senders:
            sender.abort()
        self._join(senders, CUT_SECONDS)
        try:
            self._queue.close()
        except StoreError as error:
            _log.error("webhooks will not be told of what was interrupted: %s", error)

    def _join(self, senders: Sequence[Sender], seconds: float) -> None:
        until = self._monotonic() + seconds
        for sender in senders:
            sender.join(until - self._monotonic())
