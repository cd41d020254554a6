"""What becomes of a command that a signal ends or stops.

Unless a command says otherwise, a signal ends it at once and without a word: Python's exception
for Ctrl-C, which may be raised anywhere, and a traceback with it, is switched off.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

#: Those that end a process: Ctrl-C, `kill`, and a terminal that is closed.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Called with the number of a signal.
Handler = Callable[[int, FrameType | None], object]


class Stopped(BaseException):
    """A signal came, and this process is to end by it when everything is put right."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def end_by(number: int) -> NoReturn:
    """End this process by a signal, so that who waits for it learns which (a shell: 128 + it)."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # The first process of a container outlives it.
    os._exit(128 + number)


@contextmanager
def unwinding() -> Iterator[None]:
    """While the block runs, a signal raises Stopped in it; a second one ends it at once."""

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    with _handled(dict.fromkeys(ENDING, stop)):
        yield


@contextmanager
def putting_right(
    undo: Callable[[], object], redo: Callable[[], object], *, interrupted: int | None = None
) -> Iterator[None]:
    """While the block runs, a signal calls `undo` before it ends this process, or stops it.

    `redo` is called when a process that was stopped (Ctrl-Z) goes on. Ctrl-C ends it with the
    status `interrupted`; None: by the signal. Both are called between any two steps of the block,
    and so must use nothing that it uses.
    """

    def end(number: int, _: FrameType | None) -> None:
        undo()
        if number == signal.SIGINT and interrupted is not None:
            os._exit(interrupted)
        end_by(number)

    def stop(number: int, _: FrameType | None) -> None:
        undo()
        signal.signal(number, signal.SIG_DFL)
        # It stands here until it goes on.
        os.kill(os.getpid(), number)
        signal.signal(number, stop)
        redo()

    with _handled({**dict.fromkeys(ENDING, end), signal.SIGTSTP: stop}):
        yield


@contextmanager
def _handled(handlers: Mapping[int, Handler]) -> Iterator[None]:
    """Signals that are ignored (`nohup`, a background job of a script) stay so."""
    before = {number: signal.getsignal(number) for number in handlers}
    before = {number: former for number, former in before.items() if former != signal.SIG_IGN}
    for number in before:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
