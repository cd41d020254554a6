"""The thread that tells one receiver, one thing after the other."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from davkeep.store.database import StoreError
from davkeep.store.deliveries import Delivery
from davkeep.webhooks.poster import Answer, Poster
from davkeep.webhooks.queue import Queue
from davkeep.webhooks.receiver import Receiver
from davkeep.webhooks.retries import Verdict, pause_after, verdict
from davkeep.words.configuration.webhooks import LONGEST_PAUSE
from davkeep.words.threads import start_thread

_log = logging.getLogger("davkeep.webhooks")

#: Seconds until the database is tried again after it failed.
STORE_PAUSE = 5.0
#: Seconds after which the clock is looked at again at the latest, for it may have been set.
LONGEST_WAIT = 60.0


class Posts(Protocol):
    """What a sender needs of a Poster."""

    def post(self, fields: Mapping[str, str], body: bytes) -> Answer:
        """Send and return what came of it."""

    def abort(self) -> None:
        """End what is being sent."""


class Sender:
    """Sends what is due for one receiver.

    ``clock`` gives seconds of the epoch, ``chance`` a number from 0 to 1. Only its own thread
    calls ``turn``; ``wake`` and the parts of the end are for others.
    """

    def __init__(
        self,
        receiver: Receiver,
        queue: Queue,
        poster: Posts | None = None,
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Send nothing before ``start``."""
        self._receiver = receiver
        self._queue = queue
        self._poster = poster or Poster(receiver.url, receiver.timeout)
        self._clock = clock
        self._chance = chance
        #: What is to be written of the last attempt; None when it was.
        self._unwritten: Callable[[], None] | None = None
        self._is_stopping = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    # For others

    def start(self) -> None:
        """Start the thread. Raises ThreadRefusedError."""
        self._thread = start_thread(self._run, f"davkeep-{self._receiver.name}")

    def wake(self) -> None:
        """Say that there may be something to send."""
        self._woken.set()

    def begin_stop(self) -> None:
        """Begin no more attempts."""
        self._is_stopping.set()
        self._woken.set()

    def abort(self) -> None:
        """Cut the attempt that is being made; it does not count."""
        self._poster.abort()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, at most ``seconds``."""
        if self._thread is not None:
            self._thread.join(max(seconds, 0.0))

    # The thread

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            self._woken.wait(self.turn())
            self._woken.clear()

    def turn(self) -> float | None:
        """Send what is due, if anything is.

        Returns the seconds until the next turn is worth while; None: when somebody wakes it.
        """
        try:
            return self._turn()
        except StoreError as error:
            _log.error("%s: what is to be sent cannot be kept: %s", self._receiver.name, error)
            return STORE_PAUSE

    def _turn(self) -> float | None:
        self._write()
        delivery = self._queue.next(self._receiver.url)
        if delivery is None:
            return None
        pause = delivery.due - self._clock()
        # What is due later than any pause was written before the clock was set back.
        if 0 < pause <= LONGEST_PAUSE:
            return min(pause, LONGEST_WAIT)
        self._unwritten = self._sent(delivery)
        self._write()
        return 0.0

    def _write(self) -> None:
        """Write down what came of the last attempt, else it would be sent again and again."""
        if self._unwritten is not None:
            self._unwritten()
            self._unwritten = None

    def _sent(self, delivery: Delivery) -> Callable[[], None] | None:
        """Try it once, and return how that is written down."""
        fields = self._receiver.fields(delivery.operation, self._clock(), delivery.body)
        answer = self._poster.post(fields, delivery.body)
        if answer.status is None and self._is_stopping.is_set():
            return None
        return self._judged(delivery, answer)

    def _judged(self, delivery: Delivery, answer: Answer) -> Callable[[], None]:
        name, id, number = self._receiver.name, delivery.operation, delivery.failed + 1
        judgement = verdict(answer.status)
        if judgement is Verdict.DELIVERED:
            _log.info("%s was told of operation %s", name, id)
            return partial(self._queue.remove, delivery)
        if judgement is Verdict.GIVE_UP or number >= self._receiver.attempts:
            _log.warning(
                "%s was not told of operation %s, given up after attempt %d: %s",
                *(name, id, number, answer),
            )
            return partial(self._queue.remove, delivery)
        pause = pause_after(number, self._receiver.pause, self._chance(), answer.retry_after)
        _log.info(
            "%s was not told of operation %s, attempt %d of %d: %s; again in %.1f seconds",
            *(name, id, number, self._receiver.attempts, answer, pause),
        )
        return partial(self._queue.postpone, delivery, self._clock() + pause)
