"""Asking who sits at the terminal for a password."""

import locale
import os
import select
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
        line = terminal.ask(shown.encode(encoding))
    if not line:
        raise EOFError
    return line.removesuffix(b"\n").decode(encoding)


class _Terminal:
    """The settings of a terminal, as they were and as they are."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before = self._now = self._get()

    def ask(self, prompt: bytes) -> bytes:
        """Read a line without an echo; empty at the end of input (Ctrl-D)."""
        silent = self._get()
        if silent is not None:
            silent[3] &= ~termios.ECHO
        self._set(silent, when=termios.TCSAFLUSH)
        self._write(prompt)
        try:
            return self._line()
        finally:
            self._set(self._before)
            self._write(b"\n")

    def _line(self) -> bytes:
        """A signal that comes just before one reads would not be seen before the line is there."""
        line = b""
        with _woken() as woken:
            while not line.endswith(b"\n"):
                if self._descriptor not in select.select([self._descriptor, woken], [], [])[0]:
                    os.read(woken, 64)
                elif block := os.read(self._descriptor, 4096):
                    line += block
                else:
                    break
        return line

    def _write(self, text: bytes) -> None:
        with suppress(OSError):
            os.write(self._descriptor, text)

    def _get(self) -> list[Any] | None:
        """None: it has gone."""
        with suppress(termios.error, OSError):
            return termios.tcgetattr(self._descriptor)
        return None

    def undo(self) -> None:
        """Set it as it was."""
        self._now = self._get()
        self._set(self._before)
        self._write(b"\n")

    def redo(self) -> None:
        """Set it as it was before `undo`."""
        self._set(self._now)

    def _set(self, settings: list[Any] | None, when: int = termios.TCSANOW) -> None:
        if settings is None:
            return
        # In the background, setting them would stop this process.
        former = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with suppress(termios.error, OSError):
            termios.tcsetattr(self._descriptor, when, settings)
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


@contextmanager
def _woken() -> Iterator[int]:
    """A descriptor that can be read as soon as a signal has come, however early."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    former = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(former)
        os.close(reading)
        os.close(writing)
