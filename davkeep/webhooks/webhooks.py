"""All webhooks of a server: from the end of an operation to the threads that tell of it."""

import logging
import time
from collections.abc import Callable, Collection, Sequence

from davkeep.operations import Operation, State
from davkeep.store.database import StoreError
from davkeep.store.deliveries import Deliveries, Event
from davkeep.webhooks.allowance import Allowance
from davkeep.webhooks.body import body_of
from davkeep.webhooks.queue import Queue
from davkeep.webhooks.receiver import Receiver
from davkeep.webhooks.sender import Sender

_log = logging.getLogger("davkeep.webhooks")

#: Seconds after which an operation counts as long: writing to the disk what is told of it adds
#: nothing to that.
LONG = 1.0
#: Seconds that the attempts under way have to end by themselves when the server stops.
FINISH_SECONDS = 0.25
#: Seconds that the threads of the others have to see that they were cut.
CUT_SECONDS = 0.5


class Webhooks:
    """Tells `receivers`; without one it does nothing.

    `clock` gives seconds of the epoch, `monotonic` measures what passes.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        deliveries: Deliveries,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send nothing before `start`."""
        self._deliveries = deliveries
        self._queue = Queue(deliveries, self._wake, monotonic=monotonic)
        self._clock = clock
        self._monotonic = monotonic
        allowance = Allowance()
        self._senders = {
            receiver: Sender(receiver, self._queue, allowance, clock=clock)
            for receiver in receivers
        }
        self._by_url = {receiver.url: sender for receiver, sender in self._senders.items()}

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
        if self._senders:
            self._queue.start()
        for sender in self._senders.values():
            sender.start()

    def ended(self, operation: Operation) -> None:
        """Keep for every receiver that wants it what is to be told of `operation`.

        It is called before the operation's own client is answered, by a thread that holds no lock.
        """
        wanting = [receiver.url for receiver in self._senders if receiver.wants(operation)]
        if not wanting:
            return
        now = self._clock()

        def make() -> Event:
            return Event(operation.id, body_of(operation), now, wanting)

        # Thousands may be interrupted together, by a server that has only seconds to stop.
        can_wait = operation.state is State.INTERRUPTED
        is_long = (operation.ended or now) - operation.created >= LONG
        self._queue.add(make, is_urgent=is_long and not can_wait, can_wait=can_wait)

    def _wake(self, urls: Collection[str]) -> None:
        for url in urls:
            self._by_url[url].wake()

    def stop(self) -> None:
        """Send nothing more, within a second; what was not delivered is kept for the next start."""
        senders = list(self._senders.values())
        for sender in senders:
            sender.begin_stop()
        self._join(senders, FINISH_SECONDS)
        for sender in senders:
            sender.abort()
        self._join(senders, CUT_SECONDS)
        self._queue.close()

    def _join(self, senders: Sequence[Sender], seconds: float) -> None:
        until = self._monotonic() + seconds
        for sender in senders:
            sender.join(until - self._monotonic())
