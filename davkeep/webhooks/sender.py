"""The thread that tells one receiver."""

import asyncio
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from davkeep.http import Loop, Resolve, run
from davkeep.webhooks.allowance import Allowance
from davkeep.webhooks.queue import Queue
from davkeep.webhooks.receiver import Receiver
from davkeep.webhooks.telling import Telling
from davkeep.words.threads import start_thread


@dataclass(frozen=True, slots=True)
class _Run:
    """What the thread is at, for others."""

    loop: Loop
    telling: Telling
    task: "asyncio.Task[None]"


class Sender:
    """Sends what is due for one receiver, in a thread of its own.

    `clock` gives seconds of the epoch, `chance` a number from 0 to 1, `resolve` looks names up.
    `_gate` guards what the thread is at: it is there as long as others may call it.
    """

    def __init__(
        self,
        receiver: Receiver,
        queue: Queue,
        allowance: Allowance | None = None,
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        """Send nothing before `start`."""
        self._receiver = receiver
        self._queue = queue
        self._allowance = allowance or Allowance()
        self._clock = clock
        self._chance = chance
        self._resolve = resolve
        self._is_stopping = threading.Event()
        self._gate = threading.Lock()
        self._at: _Run | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. Raises ThreadRefusedError."""
        self._thread = start_thread(
            self._run, f"davkeep-{self._receiver.name}", is_over=self._is_stopping.is_set
        )

    def wake(self) -> None:
        """Say that there is something new; it costs nothing while the receiver is not tried."""
        at = self._at
        if at is not None and at.telling.wants_news:
            at.telling.wants_news = False
            self._call(lambda at: at.telling.look())

    def begin_stop(self) -> None:
        """Begin no more attempts."""
        self._is_stopping.set()
        self._call(lambda at: at.telling.stop())

    def abort(self) -> None:
        """Cut the attempts that are being made; they do not count."""
        self._call(lambda at: at.task.cancel())

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, at most `seconds`; a look-up may hold it longer."""
        if self._thread is not None:
            self._thread.join(max(seconds, 0.0))

    def _call(self, call: Callable[[_Run], object]) -> None:
        """Have something called in the thread, if it is there."""
        with self._gate:
            if self._at is not None:
                self._at.loop.call_soon_threadsafe(call, self._at)

    # The thread

    def _run(self) -> None:
        """Be the thread, from the beginning; also after an exception that nobody has foreseen."""
        with suppress(asyncio.CancelledError):
            run(self._tell(), self._resolve)

    async def _tell(self) -> None:
        telling = Telling(
            self._receiver, self._queue, self._allowance, clock=self._clock, chance=self._chance
        )
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert isinstance(loop, Loop)
        assert task is not None
        with self._gate:
            self._at = _Run(loop, telling, task)
        try:
            if not self._is_stopping.is_set():
                await telling.run()
        finally:
            with self._gate:
                self._at = None
