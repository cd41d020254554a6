"""Starting threads where the system may refuse one: a pids limit, TasksMax, memory."""

import errno
import threading
from collections.abc import Callable


class ThreadRefusedError(OSError):
    """The system starts no more threads at this moment: 503, by its ``errno`` EAGAIN."""


def start_thread(run: Callable[[], object], name: str) -> threading.Thread:
    """Start a daemon thread called ``name`` that calls ``run``, and return it.

    Raises ThreadRefusedError. Whoever keeps count of threads counts what this returns, and so
    never one that is not there.
    """
    try:
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
    except (RuntimeError, MemoryError) as error:
        raise ThreadRefusedError(errno.EAGAIN, f"the system starts no thread {name}") from error
    return thread
