"""Waiting for the end of an operation without a thread: `Prefer: wait=N` (RFC 7240 4.3).

No interim response is sent meanwhile: who waits has said for how long.
"""

import time
from collections.abc import Callable, Iterable

from davkeep.keepalive import Waiting
from davkeep.monitor.documents import Environ
from davkeep.operations import Operation
from davkeep.words.preferences import wait_of

#: Seconds that one request is held at most.
LONGEST = 300


def seconds_of(environ: Environ) -> int | None:
    """The seconds that a request would wait, as they are granted; None: it says nothing of it."""
    seconds = wait_of(environ.get("HTTP_PREFER"))
    return None if seconds is None else min(seconds, LONGEST)


def hold(
    environ: Environ,
    operation: Operation,
    seconds: float,
    answer: Callable[[], Iterable[bytes]],
) -> Iterable[bytes]:
    """Have `answer` called when `operation` is over, or after so many seconds."""
    poll = _Poll(operation, answer)
    environ["davkeep.exchange"].hold(
        Waiting(
            subscribe=poll.subscribe,
            resume=poll.resume,
            deadline=time.monotonic() + seconds,
            disconnected=poll.forget,
            label=f"the end of {operation.method} {operation.source}",
        )
    )
    return ()


class _Poll:
    """One request that waits. Looking on is no waiting: it keeps no operation from being cancelled
    when its clients go.
    """

    def __init__(self, operation: Operation, answer: Callable[[], Iterable[bytes]]) -> None:
        self._operation = operation
        self._answer = answer
        self._callback: Callable[[], None] | None = None

    def subscribe(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._operation.subscribe(callback, waits=False)

    def forget(self) -> None:
        """Leave nothing with an operation that may run for hours."""
        if self._callback is not None and not self._operation.state.is_over:
            self._operation.unsubscribe(self._callback)

    def resume(self) -> Iterable[bytes]:
        self.forget()
        return self._answer()
