"""Threads that copy single members for whoever drives, where each of them waits for something."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NamedTuple

from davkeep.words.crew import Crew

#: Threads at most, for all operations together: what two workers have under way.
SIZE = 16


class _Call(NamedTuple):
    """What is to be done, and where its answer is waited for."""

    future: "Future[Any]"
    do: Callable[[], Any]

    def make(self) -> None:
        """Do it; whatever it raises is an error of who waits, and not of the calling thread."""
        try:
            self.future.set_result(self.do())
        except BaseException as error:
            self.future.set_exception(error)


class Helpers:
    """The threads; each is started when there is something for it to do for the first time.

    They only save time: where there is none, a call is done by who asks for it. They
    are no part of an exit that waits: a call may hang on a disk that does not answer.
    """

    def __init__(self, size: int = SIZE) -> None:
        """None is started."""
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        #: Guards the threads and the flag, and that nothing comes behind the last word to them.
        self._lock = threading.Lock()
        self._crew = Crew("davkeep-member", size, lambda: self._is_stopped)
        self._is_stopped = False

    def submit(self, call: Callable[[], Any]) -> "Future[Any]":
        """Have ``call`` done soon, or now if nobody else does it.

        What it raises is raised to who asks for its result.
        """
        asked = _Call(Future(), call)
        if not self._hand_over(asked):
            asked.make()
        return asked.future

    def stop(self) -> None:
        """Let the threads end when nothing is left to be done; does not wait for that."""
        with self._lock:
            self._is_stopped = True
            for _ in range(len(self._crew)):
                self._calls.put(None)

    def count(self) -> int:
        """How many have been started."""
        with self._lock:
            return len(self._crew)

    def _hand_over(self, asked: _Call) -> bool:
        """Give a call to the threads, if there are any."""
        with self._lock:
            if self._is_stopped:
                return False
            self._crew.grow(self._serve)
            if not len(self._crew):
                return False
            self._calls.put(asked)
            return True

    def _serve(self) -> None:
        """Be one of the threads."""
        while (asked := self._calls.get()) is not None:
            asked.make()
