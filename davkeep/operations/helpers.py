"""Threads that copy single members for whoever drives, where each of them waits for something."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NamedTuple

#: Threads at most, for all operations together: what two workers have under way.
SIZE = 16


class _Call(NamedTuple):
    """What is to be done, and where its answer is waited for."""

    future: "Future[Any]"
    do: Callable[[], Any]


class Helpers:
    """The threads; each is started when there is something for it to do for the first time.

    They are no part of an exit that waits: a call may hang on a disk that does not answer.
    """

    def __init__(self, size: int = SIZE) -> None:
        """None is started."""
        self._size = size
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        #: Guards the list of threads.
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, call: Callable[[], Any]) -> "Future[Any]":
        """Have ``call`` done soon; what it raises is raised to who asks for its result."""
        future: Future[Any] = Future()
        self._calls.put(_Call(future, call))
        with self._lock:
            if len(self._threads) < self._size:
                name = f"davkeep-member-{len(self._threads) + 1}"
                self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                self._threads[-1].start()
        return future

    def stop(self) -> None:
        """Let the threads end when nothing is left to be done; does not wait for that."""
        with self._lock:
            for _ in self._threads:
                self._calls.put(None)

    def count(self) -> int:
        """How many have been started."""
        with self._lock:
            return len(self._threads)

    def _serve(self) -> None:
        """Be one of the threads."""
        while (call := self._calls.get()) is not None:
            try:
                call.future.set_result(call.do())
            # Whatever it is, it is an error of who waits, and not of this thread.
            except BaseException as error:
                call.future.set_exception(error)
