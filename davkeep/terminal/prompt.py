"""Asking who sits at the terminal for a password."""

import getpass
import locale
import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from davkeep.terminal.signals import putting_right
from davkeep.words.escaping import escaped


def is_attended() -> bool:
    """Whether anybody sits at a terminal who could be asked."""
    return sys.stdin.isatty()


def ask_password(prompt: str) -> str:
    """Ask without an echo; whatever ends this process meanwhile, the terminal has its echo back.

    Raises EOFError if there is no answer (Ctrl-D), UnicodeDecodeError if it is no text.
    """
    encoding = locale.getpreferredencoding(False)
    shown = escaped(prompt).encode(encoding, "backslashreplace").decode(encoding)
    with _terminal() as terminal, putting_right(terminal.undo, terminal.redo):
        return getpass.getpass(shown)


class _Terminal:
    """The settings of a terminal, as they were and as they are."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before = self._now = self._get()

    def _get(self) -> list[Any] | None:
        """None: it has gone."""
        with suppress(termios.error, OSError):
            return termios.tcgetattr(self._descriptor)
        return None

    def undo(self) -> None:
        """Set it as it was."""
        self._now = self._get()
        self._set(self._before)
        with suppress(OSError):
            os.write(self._descriptor, b"\n")

    def redo(self) -> None:
        """Set it as it was before `undo`."""
        self._set(self._now)

    def _set(self, settings: list[Any] | None) -> None:
        if settings is None:
            return
        # In the background, setting them would stop this process.
        former = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with suppress(termios.error, OSError):
            termios.tcsetattr(self._descriptor, termios.TCSANOW, settings)
        signal.signal(signal.SIGTTOU, former)


@contextmanager
def _terminal() -> Iterator[_Terminal]:
    """The terminal that a password is read from: this process's own, else standard input."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield _Terminal(sys.stdin.fileno())
        return
    try:
        yield _Terminal(descriptor)
    finally:
        os.close(descriptor)
