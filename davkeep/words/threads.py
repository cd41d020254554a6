"""Threads that live long: the system may refuse to start one, and no exception ends one."""

import errno
import logging
import threading
from collections.abc import Callable

_log = logging.getLogger("davkeep.threads")

#: Seconds until the loop of a thread runs again after an exception. One that comes again and again
#: then costs little.
PAUSE = 0.5
#: Seconds between two looks, in that pause, whether the thread is to end.
LOOK = 0.05


class ThreadRefusedError(OSError):
    """The system starts no more threads at this moment: 503, by its ``errno`` EAGAIN."""


def start_thread(
    run: Callable[[], object], name: str, *, is_over: Callable[[], bool], pause: float = PAUSE
) -> threading.Thread:
    """Start a thread that lives long: it makes `run_lasting` of all this. Return it.

    Raises ThreadRefusedError. Whoever keeps count of threads counts what this returns, and so
    never one that is not there.
    """
    return _started(lambda: run_lasting(run, name, is_over=is_over, pause=pause), name)


def start_brief(run: Callable[[], object], name: str) -> threading.Thread:
    """Start a thread that does one thing, and is over with it or with an exception, which is
    logged. Raises ThreadRefusedError.
    """

    def once() -> None:
        try:
            run()
        # The barrier of a thread: which exceptions a bug raises cannot be listed.
        except Exception:
            _log.exception("the thread %s met a bug", name)

    return _started(once, name)


def _started(target: Callable[[], None], name: str) -> threading.Thread:
    try:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
    except (RuntimeError, MemoryError) as error:
        raise ThreadRefusedError(errno.EAGAIN, f"the system starts no thread {name}") from error
    return thread


def run_lasting(
    run: Callable[[], object], name: str, *, is_over: Callable[[], bool], pause: float = PAUSE
) -> None:
    """Run a loop until it returns; it is run again ``pause`` seconds after an exception.

    So ``run`` must be able to begin anew. ``is_over`` says whether the loop is to end: then it is
    run once more at most, without a pause, so that it can put things in order.
    """
    told: set[str] = set()
    is_last = False
    while True:
        try:
            run()
            return
        # The barrier of a thread: which exceptions a bug raises cannot be listed.
        except Exception as error:
            _tell(name, error, told)
        if is_last:
            return
        is_last = _rest(pause, is_over)


def _tell(name: str, error: Exception, told: set[str]) -> None:
    """Log each kind of exception with its traceback the first time, and in a line after that."""
    kind = f"{type(error).__name__}: {error}"[:200]
    is_new = kind not in told and len(told) < 100
    _log.error("the thread %s met a bug and goes on: %s", name, kind, exc_info=is_new)
    told.add(kind)


def _rest(seconds: float, is_over: Callable[[], bool]) -> bool:
    """Wait, and return at once with True when it is to end."""
    never = threading.Event()
    for _ in range(max(1, round(seconds / LOOK))):
        if is_over():
            return True
        never.wait(min(LOOK, seconds))
    return is_over()
