"""The parking lot: one thread that keeps the connections whose answer is not there yet.

Who owns a parked connection: from `park()` until it is handed to `deliver` or closed, the lot's
thread and nobody else. Only that thread writes to it, subscribes to the end of its wait, and ends
that wait: by one of handing it back and telling that its client has gone. Every other thread
merely leaves a message in the inbox and raises the signal.
"""

import heapq
import itertools
import logging
import os
import select
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from davkeep.keepalive.parked import Arrival, Parkable, Parked, Stage
from davkeep.keepalive.pieces import RETRY_AFTER, Pieces, send
from davkeep.keepalive.planner import Action
from davkeep.words.interim import PROCESSING
from davkeep.words.later import Later
from davkeep.words.threads import start_thread

_log = logging.getLogger("davkeep.keepalive")

#: Seconds that one sleep lasts at most; epoll takes its timeout as milliseconds in a C int.
LONGEST_SLEEP = 3600.0

#: The client has sent its last byte. Watched beyond hang-ups and errors; no EPOLLIN in general, for
#: pipelined bytes are the next request.
HALF_CLOSED = select.EPOLLRDHUP

#: The connection is gone in both directions. Reported without having been asked for.
GONE = select.EPOLLHUP | select.EPOLLERR

#: Stale items that the heap may hold, beyond as many as there are parked connections, before it
#: is rebuilt.
HEAP_SLACK = 64


def _watched(entry: Parked) -> int:
    """What is watched of a connection. TLS has an end of its own, the last of what it sends."""
    ends_in_tls = entry.waiting.ends_with_client and isinstance(
        entry.connection.socket, ssl.SSLSocket
    )
    return HALF_CLOSED | select.EPOLLIN if ends_in_tls else HALF_CLOSED


class ParkingLot:
    """Holds connections, sends their interim responses, and hands each back when its wait is
    over.
    """

    def __init__(
        self,
        deliver: Callable[[Parkable], None],
        elsewhere: Callable[[Callable[[], None]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`deliver` takes over a connection, `elsewhere` has something done by another thread; both
        are called on the lot's thread and return at once.
        """
        self._deliver = deliver
        self._elsewhere = elsewhere
        self._clock = clock
        self._signal = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._signal, select.EPOLLIN)
        #: By file descriptor; touched by the lot's thread only, like the heap.
        self._parked: dict[int, Parked] = {}
        self._heap: list[tuple[float, int, Parked]] = []
        self._serial = itertools.count()
        #: Guards the inbox and `_open`: a message is either taken by the thread or refused.
        self._gate = threading.Lock()
        self._inbox: deque[Callable[[], object]] = deque()
        self._open = True
        self._running = True
        self._thread: threading.Thread | None = None

    # Called from any thread

    def __len__(self) -> int:
        """How many connections are parked."""
        return len(self._parked)

    def start(self) -> None:
        """Start the thread. Raises ThreadRefusedError."""
        self._thread = start_thread(self._run, "davkeep-lot", is_over=lambda: not self._running)

    def park(self, entry: Parked) -> None:
        """Take over a connection; if the lot is closed, the connection is reset."""
        if not self._post(partial(self._admit, entry)):
            self._stop_waiting(entry)

    def wake(self, entry: Parked) -> None:
        """The wait of `entry` is over. A late or second call does nothing."""
        self._post(partial(self._hand_back, entry))

    def flush(self, timeout: float) -> bool:
        """Wait until every wake so far was acted upon, and that of every wait that is over when it
        is parked; False if that took longer than `timeout` seconds.
        """
        done = threading.Event()

        def again() -> None:
            # A message of a message: an admission that comes before it may leave one, too.
            if not self._post(done.set):
                done.set()

        return self._post(again) and done.wait(timeout)

    def stop(self, timeout: float = 5.0) -> None:
        """Reset what is parked and end the thread. Nobody is told that a client went: none did."""
        self._post(self._end)
        if self._thread is not None:
            self._thread.join(timeout)

    def _post(self, message: Callable[[], object]) -> bool:
        with self._gate:
            if not self._open:
                return False
            self._inbox.append(message)
            os.eventfd_write(self._signal, 1)
            return True

    # Called on the lot's thread only

    def _run(self) -> None:
        while self._running:
            self.turn(self._sleep())
        self._close()

    def turn(self, timeout: float) -> None:
        """Wait for at most `timeout` seconds, then act on what happened and on what is due."""
        for descriptor, events in self._epoll.poll(timeout):
            if descriptor == self._signal:
                os.eventfd_read(self._signal)
            else:
                self._on_event(self._parked[descriptor], events)
        # Messages come before beats: a finished operation gets its final response, not another
        # interim one.
        self._take_messages()
        self._take_due()

    def _take_messages(self) -> None:
        while self._inbox:
            self._inbox.popleft()()

    def _end(self) -> None:
        self._running = False

    def _close(self) -> None:
        with self._gate:
            self._open = False
        self._take_messages()
        for entry in list(self._parked.values()):
            self._take_out(entry)
            self._stop_waiting(entry)
        self._epoll.close()
        os.close(self._signal)

    def _admit(self, entry: Parked) -> None:
        sock = entry.connection.socket
        try:
            # Also on plain sockets: with a timeout set, Python waits for room however send() is
            # flagged.
            sock.setblocking(False)
            self._epoll.register(sock.fileno(), _watched(entry))
        except OSError:
            _log.exception("%s cannot be parked", entry.connection.peer)
            self._lose(entry)
            return
        entry.enter(Stage.PARKED)
        self._parked[sock.fileno()] = entry
        self._plan(entry)
        self._subscribe(entry)
        if entry.waiting.ends_with_client and not entry.stage.is_over:
            # TLS's end may have been read together with the request, and raises no event then.
            self._on_event(entry, 0)

    def _subscribe(self, entry: Parked) -> None:
        """On the thread that ends the wait too, so that nobody is subscribed after the end."""
        try:
            entry.waiting.subscribe(Later(self.wake, entry))
        except Exception:
            # The connection is the lot's already, and nothing else would ever wake it.
            _log.exception("subscribe() of %s failed", entry.name)
            self._hand_back(entry)

    def _take_out(self, entry: Parked) -> None:
        """Watch it no longer. Its descriptor is open still."""
        descriptor = entry.connection.socket.fileno()
        del self._parked[descriptor]
        self._epoll.unregister(descriptor)

    # The ends of a wait

    def _hand_back(self, entry: Parked) -> None:
        if entry.stage.is_over:
            # A late or second wake.
            return
        if entry.pieces is not None and entry.pieces.unsent:
            # Not for a thread of the pool, which a client that reads slowly would hold up.
            entry.is_last = True
            return
        entry.enter(Stage.RETURNED)
        self._take_out(entry)
        self._tidy_heap()
        self._deliver(entry.connection)

    def _lose(self, entry: Parked) -> None:
        was_parked = entry.stage is Stage.PARKED
        entry.enter(Stage.LOST)
        if was_parked:
            _log.info("%s has gone while waiting for %s", entry.connection.peer, entry.name)
            self._take_out(entry)
            self._tidy_heap()
        # Not a proper close: after a failed write nothing more is written, not even TLS's
        # close_notify.
        entry.connection.reset()
        try:
            entry.waiting.disconnected()
        except Exception:
            # Not ours to judge, and every other parked connection depends on this thread.
            _log.exception("disconnected() of %s failed", entry.name)
        if entry.waiting.abandoned is not None:
            self._elsewhere(entry.waiting.abandoned)

    @staticmethod
    def _stop_waiting(entry: Parked) -> None:
        entry.enter(Stage.STOPPED)
        entry.connection.reset()

    # What the client does

    def _on_event(self, entry: Parked, events: int) -> None:
        cares = entry.waiting.ends_with_client
        arrival = entry.connection.arrival() if cares else Arrival.NOTHING
        if events & GONE or arrival is Arrival.END:
            self._lose(entry)
        elif events & HALF_CLOSED or arrival is Arrival.BYTES:
            # Noted once, and no longer watched, since epoll would report it for ever.
            _log.debug("%s is heard no more, %s goes on", entry.connection.peer, entry.name)
            self._epoll.modify(entry.connection.socket.fileno(), 0)

    # The schedule

    def _plan(self, entry: Parked, not_before: float = 0.0) -> None:
        entry.due = self._next_moment(entry, not_before)
        if entry.due is not None:
            heapq.heappush(self._heap, (entry.due, next(self._serial), entry))
        self._tidy_heap()

    def _tidy_heap(self) -> None:
        """Drop the stale items, which hold connections in memory, once they are the most."""
        if len(self._heap) > 2 * len(self._parked) + HEAP_SLACK:
            self._heap = [item for item in self._heap if item[2].due == item[0]]
            heapq.heapify(self._heap)

    def _next_moment(self, entry: Parked, not_before: float) -> float | None:
        if entry.pieces is not None:
            return entry.pieces.due
        moments = [self._next_beat(entry, not_before), entry.waiting.deadline]
        return min((moment for moment in moments if moment is not None), default=None)

    def _next_beat(self, entry: Parked, not_before: float) -> float | None:
        beat, interims = entry.waiting.beat, entry.interims
        if beat is None:
            return None
        asked = interims.last if interims.sent else self._clock()
        elapsed = asked - interims.completed
        step = beat.next_step(elapsed, interims.sent, continues=interims.continues)
        # The head of a multi-status is for a thread of the pool to write.
        entry.begins = step.action is Action.MULTISTATUS
        if step.at is None or not (entry.begins or step.action is Action.INTERIM):
            return None
        return max(interims.completed + step.at, not_before)

    def _next_due(self) -> Parked | None:
        """The entry that is due first; stale items on top of the heap are dropped."""
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][2] if self._heap else None

    def _sleep(self) -> float:
        entry = self._next_due()
        if entry is None or entry.due is None:
            return LONGEST_SLEEP
        return min(max(entry.due - self._clock(), 0.0), LONGEST_SLEEP)

    def _take_due(self) -> None:
        now = self._clock()
        while (entry := self._next_due()) and entry.due is not None and entry.due <= now:
            heapq.heappop(self._heap)
            deadline = entry.waiting.deadline
            if entry.pieces is not None:
                self._go_on(entry, entry.pieces, now)
            elif entry.begins or (deadline is not None and deadline <= now):
                self._hand_back(entry)
            else:
                self._beat(entry, now)

    def _beat(self, entry: Parked, now: float) -> None:
        try:
            complete = self._write(entry)
        except OSError:
            # After a failed write nothing more is written.
            self._lose(entry)
            return
        if complete:
            entry.interims.count(now, entry.connection.peer, entry.name)
            self._plan(entry)
        else:
            self._plan(entry, not_before=now + RETRY_AFTER)

    @staticmethod
    def _write(entry: Parked) -> bool:
        """Send one interim response, or the rest of one; False if the send buffer had no room for
        all of it.
        """
        block = entry.interims.unsent or PROCESSING
        sock = entry.connection.socket
        left = send(sock, block)
        # One that was not begun may still be left out; but TLS may have taken part of it.
        if len(left) < len(block) or isinstance(sock, ssl.SSLSocket):
            entry.interims.unsent = left
        return not left

    def _go_on(self, entry: Parked, pieces: Pieces, now: float) -> None:
        """Write into the response of ``entry``."""
        try:
            complete = pieces.write(entry.connection.socket, now)
        except OSError:
            # After a failed write nothing more is written.
            self._lose(entry)
        except Exception:
            # Not ours to judge, and every other parked connection depends on this thread.
            _log.exception("the feed of %s failed", entry.name)
            self._lose(entry)
        else:
            if complete and entry.is_last:
                self._hand_back(entry)
            else:
                self._plan(entry)
