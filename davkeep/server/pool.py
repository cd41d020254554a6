"""The threads that talk to clients: some for everything, a few that only deliver results."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from davkeep.words.threads import ThreadRefusedError, start_thread

_log = logging.getLogger("davkeep.server")

#: Seconds for which threads may go on after their connections were cut; they are daemons and are
#: left behind then.
GRACE_AFTER_CUT = 1.0


#: Seconds between two looks at the threads while connections wait for one.
LOOK_EVERY = 0.02

#: Seconds that a client keeps its thread waiting before it counts as slow.
SLOW_AFTER = 0.02

#: Seconds in which no thread took a connection, while some wait, after which the pool grows in any
#: case: the threads hang in something else than a client, such as a disk.
PATIENCE = 0.5

#: Threads started at once when all hang.
GROWTH_STEP = 16

#: Seconds that a thread which is not needed elsewhere stays with its connection for the next
#: request. By way of the selector that request costs two changes of threads more.
STAY = 0.002


class Conversation(Protocol):
    """What the pool needs of a connection."""

    def communicate(self) -> bool:
        """Go on with it; True: keep it, False: close it."""

    def next_comes(self, seconds: float) -> bool:
        """Whether something to go on with comes within `seconds`."""

    def close(self) -> None:
        """Close it."""

    def cut(self) -> None:
        """Make whatever thread reads or writes it fail; called from another thread."""

    def waits_for_client(self, seconds: float) -> bool:
        """Whether its thread has waited for the client for more than `seconds`; called from
        another thread.
        """


class Worker:
    """What one thread of the pool is at."""

    #: Who does it; set before anybody else sees this.
    thread: threading.Thread

    def __init__(self, pool: "Pool", *, reserved: bool) -> None:
        self._pool = pool
        self.reserved = reserved
        #: The connection it talks to; None while it waits for one.
        self.conn: Conversation | None = None

    def run(self) -> None:
        """Serve connections until the pool has none for this thread any more."""
        while (conn := self._pool.take(self)) is not None:
            try:
                self._serve(conn)
            finally:
                self._pool.done(self)

    def waits_for_client(self, seconds: float) -> bool:
        """Whether its client has kept it waiting for more than `seconds`."""
        conn = self.conn
        return conn is not None and conn.waits_for_client(seconds)

    def _serve(self, conn: Conversation) -> None:
        try:
            while conn.communicate():
                if not (self._pool.can_spare(self) and conn.next_comes(STAY)):
                    self._pool.keep(conn)
                    return
            conn.close()
        except Exception:
            # A connection cuts its own losses; what comes here is a fault of ours and must not
            # cost a thread.
            _log.exception("a connection failed")
            conn.close()


class _Chore:
    """Work that needs a thread of the pool and has no connection any more."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def communicate(self) -> bool:
        """Do it."""
        self._call()
        return False

    def next_comes(self, seconds: float) -> bool:
        """Nothing does."""
        return False

    def close(self) -> None:
        """There is nothing to close."""

    def cut(self) -> None:
        """It waits for nobody who could be sent away."""

    def waits_for_client(self, seconds: float) -> bool:
        """It has none."""
        return False


_Line = deque[tuple[Conversation, float]]


class Pool:
    """cheroot's interface of a thread pool (min, put, start, stop, idle, qsize, grow, shrink),
    and `deliver`.

    It grows while connections wait and nobody is free, so that beside the threads that wait for
    slow clients there are always as many others as the minimum. Threads that compute do not make it
    grow, for the interpreter runs one at a time: 2,000 COPYs at once are admitted no sooner by 100
    threads than by 10. It shrinks when threads find nothing to do. Reserved threads take deliveries
    only, so that uploads and downloads, however slow, cannot hold up a result.
    """

    def __init__(
        self,
        keep: Callable[[Conversation], None],
        *,
        minimum: int = 10,
        maximum: int = 250,
        reserved: int = 4,
        idle_time: float = 30.0,
    ) -> None:
        """`keep` takes a connection that is to be kept; `idle_time` is in seconds."""
        self.keep = keep
        self.min = minimum
        self.max = maximum
        self._reserved = reserved
        self._idle_time = idle_time
        #: Guards everything below.
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._results = threading.Condition(self._lock)
        self._quiet = threading.Condition(self._lock)
        self._crowded = threading.Condition(self._lock)
        #: With the moment each began to wait, a reading of `time.monotonic()`.
        self._requests: _Line = deque()
        self._deliveries: _Line = deque()
        #: When the last connection was taken, a reading of `time.monotonic()`.
        self._taken_at = time.monotonic()
        self._threads: set[Worker] = set()
        self._delivering: set[Worker] = set()
        self._waiting = 0
        self._excess = 0
        self._numbered = 0
        #: Whether the system refused a thread that is still missing; told once.
        self._is_short = False
        self._stopping = False

    # What cheroot's server asks for

    def start(self) -> None:
        """Start the threads that are always there: each kind's first, then as many as the system
        allows; the others are started when they are needed and it allows them.

        Raises ThreadRefusedError.
        """
        start_thread(self._watch_crowd, "davkeep-pool-growth", is_over=self._is_over)
        with self._lock:
            self._spawn(reserved=False)
            self._spawn(reserved=True)
            self._complete()
            self.grow(self.min - self._ordinary)

    def put(self, conn: Conversation) -> None:
        """Have a thread serve `conn`, which has something to read; closed if the pool has
        stopped.
        """
        if not self._queue(self._requests, conn):
            conn.close()

    @property
    def idle(self) -> int:
        """How many threads, the reserved ones apart, wait for a connection."""
        return self._waiting

    @property
    def qsize(self) -> int:
        """How many connections wait for a thread."""
        return len(self._requests) + len(self._deliveries)

    @property
    def size(self) -> int:
        """How many threads there are, reserved ones included."""
        return len(self._threads)

    def grow(self, amount: int) -> None:
        """Start `amount` more threads, as far as the maximum and the system allow."""
        with self._lock:
            self._add(min(amount, self.max - self._ordinary), reserved=False)

    def shrink(self, amount: int) -> None:
        """Let `amount` threads end when they have nothing to do, as far as the minimum allows."""
        with self._lock:
            self._excess = min(amount, len(self._threads) - self._reserved - self.min)
            self._work.notify(max(self._excess, 0))

    def stop(self, timeout: float | None = 5.0) -> None:
        """Let the threads finish for `timeout` seconds, then cut their connections, and end in
        any case.
        """
        with self._lock:
            self._stopping = True
            left = [*self._requests, *self._deliveries]
            self._requests.clear()
            self._deliveries.clear()
            self._work.notify_all()
            self._results.notify_all()
            self._crowded.notify_all()
        for conn, _ in left:
            conn.close()
        self._join(timeout)
        self._cut_busy()
        self._join(GRACE_AFTER_CUT)

    # What davkeep adds

    def deliver(self, conn: Conversation) -> None:
        """Have a thread write the result for which `conn` was parked."""
        if not self._queue(self._deliveries, conn):
            conn.close()

    def run(self, call: Callable[[], None]) -> None:
        """Have a thread call `call`, which may wait for a disk; once the pool stops, no more."""
        self._queue(self._requests, _Chore(call))

    def finish_deliveries(self, timeout: float) -> bool:
        """Wait until no result is queued or being written; False if that took longer than
        `timeout` seconds.
        """
        with self._lock:
            return self._quiet.wait_for(
                lambda: not self._deliveries and not self._delivering, timeout
            )

    # Called by the threads

    def take(self, worker: Worker) -> Conversation | None:
        """The next connection for `worker`; None: it is to end."""
        with self._lock:
            while not self._stopping:
                if self._deliveries:
                    self._delivering.add(worker)
                    return self._pop(self._deliveries, worker)
                if self._requests and not worker.reserved:
                    return self._pop(self._requests, worker)
                if not self._await_work(worker):
                    break
            self._threads.discard(worker)
            return None

    def _pop(self, line: _Line, worker: Worker) -> Conversation:
        worker.conn, _ = line.popleft()
        self._taken_at = time.monotonic()
        return worker.conn

    def can_spare(self, worker: Worker) -> bool:
        """Whether another thread is free for what may come meanwhile. A guess: nothing depends on
        it but who is served first.
        """
        return self._waiting > 0 and not (
            self.qsize or self._stopping or worker.reserved or worker in self._delivering
        )

    def done(self, worker: Worker) -> None:
        """`worker` has served its connection."""
        with self._lock:
            worker.conn = None
            self._delivering.discard(worker)
            if not self._delivering:
                self._quiet.notify_all()

    def _await_work(self, worker: Worker) -> bool:
        """Wait for something to do; False: this thread is one too many."""
        if worker.reserved:
            self._results.wait()
            return True
        self._waiting += 1
        notified = self._work.wait(self._idle_time)
        self._waiting -= 1
        if self.qsize or self._stopping:
            return True
        if self._excess > 0:
            self._excess -= 1
            notified = False
        return notified or len(self._threads) <= self.min + self._reserved

    def _queue(self, line: _Line, conn: Conversation) -> bool:
        with self._lock:
            if self._stopping:
                return False
            line.append((conn, time.monotonic()))
            self._work.notify()
            if line is self._deliveries:
                self._results.notify()
            if self.qsize > self._waiting:
                self._crowded.notify()
            return True

    def _is_over(self) -> bool:
        return self._stopping

    # Growth

    def _watch_crowd(self) -> None:
        with self._lock:
            while not self._stopping:
                if self.qsize <= self._waiting:
                    self._crowded.wait()
                    continue
                until = time.monotonic() + LOOK_EVERY
                while (left := until - time.monotonic()) > 0 and not self._stopping:
                    self._crowded.wait(left)
                self._relieve()

    def _relieve(self) -> None:
        wanted = self.qsize - self._waiting
        if wanted <= 0 or self._stopping:
            return
        self._complete()
        ordinary = [worker for worker in self._threads if not worker.reserved]
        slow = sum(worker.waits_for_client(SLOW_AFTER) for worker in ordinary)
        lacking = self.min + slow - len(ordinary)
        if lacking > 0:
            self.grow(min(wanted, lacking))
        elif min(time.monotonic() - self._taken_at, self._longest_wait()) > PATIENCE:
            self.grow(min(wanted, GROWTH_STEP))

    def _longest_wait(self) -> float:
        began = [line[0][1] for line in (self._requests, self._deliveries) if line]
        return time.monotonic() - min(began, default=time.monotonic())

    @property
    def _ordinary(self) -> int:
        """How many threads there are for everything."""
        return sum(not worker.reserved for worker in self._threads)

    def _complete(self) -> None:
        """Start the reserved threads that the system refused so far."""
        self._add(self._reserved - (len(self._threads) - self._ordinary), reserved=True)

    def _add(self, amount: int, *, reserved: bool) -> None:
        """Start `amount` more, up to the first that the system refuses: those that exist go on."""
        for _ in range(amount):
            try:
                self._spawn(reserved=reserved)
            except ThreadRefusedError as error:
                if not self._is_short:
                    _log.warning("%s, so there are %d", error.strerror, len(self._threads))
                self._is_short = True
                return
            self._is_short = False

    def _spawn(self, *, reserved: bool) -> None:
        """Start one; it waits for the lock, which the caller has. Raises ThreadRefusedError."""
        self._numbered += 1
        worker = Worker(self, reserved=reserved)
        kind = "delivery" if reserved else "pool"
        name = f"davkeep-{kind}-{self._numbered}"
        worker.thread = start_thread(worker.run, name, is_over=self._is_over)
        self._threads.add(worker)

    def _join(self, timeout: float | None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        me = threading.current_thread()
        with self._lock:
            threads = [worker.thread for worker in self._threads if worker.thread is not me]
        for thread in threads:
            thread.join(None if until is None else max(until - time.monotonic(), 0.0))

    def _cut_busy(self) -> None:
        with self._lock:
            busy = [worker.conn for worker in self._threads if worker.conn is not None]
        for conn in busy:
            conn.cut()
