"""Telling one receiver, event after event in their order."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import replace

from davkeep.store.database import StoreError
from davkeep.store.deliveries import Delivery, Tried
from davkeep.webhooks.allowance import Allowance, Processor
from davkeep.webhooks.exchange import Answer, Line, Post, answer_to, connected, end_of_content
from davkeep.webhooks.queue import STORE_PAUSE, Queue
from davkeep.webhooks.receiver import Receiver
from davkeep.webhooks.retries import (
    LATE_SECONDS,
    MOST_UNDER_WAY,
    REFUSED_SECONDS,
    Ages,
    Course,
    Verdict,
    lifetime,
    pause_after,
    verdict,
)

_log = logging.getLogger("davkeep.webhooks")

#: Events that are read from the database together.
BATCH = 64
#: Seconds between the beginnings of two requests. At a receiver that takes them as they come they
#: arrive in their order so, though on several connections.
GAP = 0.005
#: Seconds for which a connection is kept when nothing is sent on it. That is shorter than most
#: servers keep one, and than a server of one thread can bear, which serves nobody else meanwhile.
KEEP = 4.0


class Telling:
    """What is under way to one receiver, and what comes next.

    Requests begin in the order of the events; several may wait for their answers, see `Course`. If
    the receiver cannot be reached, all events wait, and the oldest is tried again. If it answers
    with a failure, or not at all, that event waits for itself, and the next one is tried after the
    receiver's pause. All moments are readings of the loop's clock, which is a monotonic one.

    `clock` gives seconds of the epoch, `chance` a number from 0 to 1. The loop's thread alone uses
    it; others read `wants_news`.
    """

    def __init__(
        self,
        receiver: Receiver,
        queue: Queue,
        allowance: Allowance,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        """Begin with nothing under way; called in the loop that is to run it."""
        self._receiver = receiver
        self._queue = queue
        self._allowance = allowance
        self._clock = clock
        self._chance = chance
        self._processor = Processor()
        self._now = asyncio.get_running_loop().time
        self._course = Course(receiver.pause)
        self._ages = Ages(lifetime(receiver.attempts, receiver.pause, receiver.timeout))
        #: What was read and has not begun, the oldest first.
        self._next: deque[Delivery] = deque()
        #: The numbers of what is under way, and of what waits after a failure, with its moment.
        self._under_way: set[int] = set()
        self._resting: dict[int, float] = {}
        #: For which one fewer are under way than usual, as it was late.
        self._narrowed_for = 0
        #: On how many connections the rest of an answer is still to come.
        self._ending = 0
        #: Connections on which nothing is under way, the last used last.
        self._kept: list[Line] = []
        self._changed = asyncio.Event()
        self._is_stopping = False
        #: Whether the database failed, which is logged when it begins to.
        self._is_unreadable = False
        #: Whether nothing is known that is to be sent.
        self.wants_news = False

    async def run(self) -> None:
        """Send what is due until it is stopped, and wait for what is under way then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self._is_stopping:
                    await self._turn(tasks)
        finally:
            self._close_kept(0.0)

    def look(self) -> None:
        """There may be something new."""
        self._changed.set()

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True
        self._changed.set()

    async def _turn(self, tasks: asyncio.TaskGroup) -> None:
        """Begin the next attempt, or wait until there may be one to begin."""
        self._changed.clear()
        # One moment for both: what is not due at the choice is waited for.
        now = self._now()
        try:
            delivery = self._choose(now)
        except StoreError as error:
            if not self._is_unreadable:
                _log.error("%s: what is to be sent cannot be read: %s", self._receiver.name, error)
            self._is_unreadable = True
            await self._wait(STORE_PAUSE)
            return
        self._is_unreadable = False
        if delivery is None:
            await self._wait(self._pause(now))
            self._close_kept(KEEP)
        else:
            await self._begin(delivery, tasks)
            await asyncio.sleep(max(GAP, self._allowance.use(self._processor.used())))

    # What comes next

    def _choose(self, now: float) -> Delivery | None:
        """Return the event to begin with now, if there is one. Raises StoreError."""
        if now < self._course.not_before or len(self._under_way) >= self._course.window:
            return None
        if not self._course.is_failing and self._is_rested(now):
            # It is older than what was read.
            self._next.clear()
        if not self._next:
            # Before the database is asked: what is written after that wakes this.
            self.wants_news = True
            self._next.extend(self._read(now))
        if not self._next:
            return None
        self.wants_news = False
        delivery = self._next.popleft()
        self._resting.pop(delivery.number, None)
        return delivery

    def _read(self, now: float) -> list[Delivery]:
        """Read what can begin now. After a failure what has not failed comes first: the reason may
        lie in that one event.
        """
        if self._course.is_failing:
            found = self._due(self._resting.keys())
            if found:
                return found
        self._resting = {number: due for number, due in self._resting.items() if due > now}
        return self._due(self._resting.keys())

    def _due(self, skip: Set[int]) -> list[Delivery]:
        return self._queue.due(self._receiver.url, self._under_way | skip, BATCH)

    def _is_rested(self, now: float) -> bool:
        """Whether an event that has failed may be tried again."""
        return any(due <= now for due in self._resting.values())

    def _pause(self, now: float) -> float | None:
        """Return the seconds after which there may be something to begin with, if nothing else
        changes; or a connection to close.
        """
        moments = [line.idle_since + KEEP for line in self._kept]
        if now < self._course.not_before:
            moments.append(self._course.not_before)
        elif len(self._under_way) < self._course.window:
            moments += self._resting.values()
        return max(min(moments) - now, 0.0) if moments else None

    async def _wait(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    # An attempt

    async def _begin(self, delivery: Delivery, tasks: asyncio.TaskGroup) -> None:
        """Send the request, so that none that begins later is sent before it."""
        began = self._now()
        until = began + self._receiver.timeout
        line = self._idle_line() or await connected(self._receiver.origin, until)
        if isinstance(line, Answer):
            self._unreachable(delivery, began, line)
            return
        if self._is_stopping:
            line.connection.close()
            return
        post = self._post(delivery)
        line.connection.send("POST", post.target, post.fields, post.body)
        self._under_way.add(delivery.number)
        tasks.create_task(self._finish(delivery, line, post, began))

    def _post(self, delivery: Delivery) -> Post:
        fields = self._receiver.fields(delivery.operation, self._clock(), delivery.body)
        return Post(self._receiver.target, fields, delivery.body)

    async def _finish(self, delivery: Delivery, line: Line, post: Post, began: float) -> None:
        """Wait for the answer, and keep the connection if that can be."""
        until = began + self._receiver.timeout
        is_kept = False
        try:
            answer = await answer_to(line, self._receiver.origin, post, until)
            self._answered(delivery, answer, line, began)
            is_kept = answer.status is not None and await self._is_complete(line)
        finally:
            if is_kept and not self._is_stopping:
                line.is_kept, line.idle_since = True, self._now()
                self._kept.append(line)
            else:
                line.connection.close()
            self._changed.set()

    async def _is_complete(self, line: Line) -> bool:
        """Take the rest of an answer; False if the connection is not worth keeping for it, or as
        many wait for a rest already as may be under way.
        """
        if self._ending >= MOST_UNDER_WAY:
            return line.connection.is_idle
        self._ending += 1
        try:
            return await end_of_content(line.connection)
        finally:
            self._ending -= 1

    def _idle_line(self) -> Line | None:
        """Return the connection that was used last, if its server has not closed it."""
        while self._kept:
            line = self._kept.pop()
            if line.connection.is_idle:
                return line
            line.connection.close()
        return None

    def _close_kept(self, seconds: float) -> None:
        """Close what was not used for so long."""
        until = self._now() - seconds
        for line in self._kept:
            if line.idle_since <= until:
                line.connection.close()
        self._kept = [line for line in self._kept if line.idle_since > until]

    # What came of it

    def _unreachable(self, delivery: Delivery, began: float, answer: Answer) -> None:
        if self._under_way:
            # It takes no more connections than these, or we have no more.
            self._course.narrow(len(self._under_way), self._now(), REFUSED_SECONDS)
            self._next.appendleft(delivery)
            return
        pause = self._course.failed(began, self._now(), self._chance())
        if self._fails(delivery, answer, pause):
            self._next.appendleft(replace(delivery, failed=delivery.failed + 1))

    def _gone(self, delivery: Delivery, began: float, answer: Answer) -> None:
        """The receiver went away with what was under way: all that is read anew, the oldest first,
        and only the attempt that tells it counts.
        """
        self._next.clear()
        if began >= self._course.not_before:
            self._fails(delivery, answer, self._course.failed(began, self._now(), self._chance()))

    def _was_late(self, delivery: Delivery, line: Line, began: float, count: int) -> None:
        """It got no answer, as one of `count`: the receiver may serve one connection after the
        other. But if it gets none on one that was served before, it hangs by itself.
        """
        if delivery.number == self._narrowed_for and line.is_kept:
            self._course.widen()
        elif count > 1 and not delivery.failed and began >= self._course.not_before:
            self._narrowed_for = delivery.number
            self._course.narrow(count // 2, self._now(), LATE_SECONDS)

    def _answered(self, delivery: Delivery, answer: Answer, line: Line, began: float) -> None:
        count = len(self._under_way)
        self._under_way.discard(delivery.number)
        self._changed.set()
        name, id = self._receiver.name, delivery.operation
        if answer.is_unreachable:
            self._gone(delivery, began, answer)
            return
        judgement = verdict(answer.status)
        if judgement is Verdict.DELIVERED:
            self._course.succeeded(began)
            self._note(delivery, None)
            _log.info("%s was told of operation %s", name, id)
            return
        if answer.is_late:
            self._was_late(delivery, line, began, count)
        wished = answer.retry_after
        pause = self._course.failed(began, self._now(), self._chance(), wished)
        if judgement is Verdict.GIVE_UP:
            self._give_up(delivery, answer)
            return
        own = pause_after(delivery.failed + 1, self._receiver.pause, self._chance(), wished)
        if self._fails(delivery, answer, max(own, pause)):
            self._resting[delivery.number] = self._now() + own

    def _fails(self, delivery: Delivery, answer: Answer, pause: float) -> bool:
        """Note a failed attempt; False if the event is given up."""
        number = delivery.failed + 1
        if number >= self._receiver.attempts:
            self._give_up(delivery, answer)
            return False
        self._note(delivery, number)
        _log.info(
            "%s was not told of operation %s, attempt %d of %d: %s; again in %.1f seconds",
            *(self._receiver.name, delivery.operation, number, self._receiver.attempts),
            *(answer, pause),
        )
        return not self._expire(delivery)

    def _give_up(self, delivery: Delivery, answer: Answer) -> None:
        self._note(delivery, None)
        _log.warning(
            "%s was not told of operation %s, given up after attempt %d: %s",
            *(self._receiver.name, delivery.operation, delivery.failed + 1, answer),
        )
        self._expire(delivery)

    def _expire(self, delivery: Delivery) -> bool:
        """Give up what has waited for as long as all attempts take; return whether `delivery` has.

        Asked where one has failed.
        """
        try:
            self._ages.note(self._now(), self._queue.newest())
            number = self._ages.over(self._now())
            count = self._queue.expire(self._receiver.url, number) if number else 0
        except StoreError:
            # The thread that writes tells of it, and the next failure comes.
            return False
        if number:
            self._next.clear()
        if count:
            _log.warning("%s was not told of %d operations in time", self._receiver.name, count)
        return delivery.number <= number

    def _note(self, delivery: Delivery, failed: int | None) -> None:
        self._queue.note(Tried(self._receiver.url, delivery.number, failed))
