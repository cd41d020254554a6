"""Standard output and standard error, whatever became of them and whatever they are given."""

import io
import json
import os
import sys
from contextlib import suppress
from typing import Any

from davkeep.words.escaping import escaped


class OutputLost(Exception):
    """Standard output takes nothing more: a full disk, or a pipe that nobody reads."""

    def __init__(self, error: OSError | ValueError) -> None:
        super().__init__(f"standard output cannot be written: {_described(error)}")
        #: Nobody reads it, which is nobody's fault: ``| head``.
        self.is_unread = isinstance(error, BrokenPipeError)


def _described(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def show(*lines: str) -> None:
    """Write to standard output, each text as one line. Raises OutputLost."""
    STANDARD_OUTPUT.write("".join(f"{escaped(line)}\n" for line in lines))


def show_json(value: Any) -> None:
    """Write a document to standard output, in ASCII. Raises OutputLost."""
    STANDARD_OUTPUT.write(f"{json.dumps(value, indent=2, allow_nan=False)}\n")


def tell(*sentences: str) -> None:
    """Write to standard error, each sentence as one line; if nobody can be told, nobody is."""
    # ValueError: the stream is closed.
    with suppress(OSError, ValueError):
        sys.stderr.write("".join(f"davkeep: {escaped(sentence)}\n" for sentence in sentences))
        sys.stderr.flush()


class StandardOutput(io.TextIOBase):
    """The stream itself, for what draws on it with texts that were escaped before.

    What is written has arrived when a call returns; each may raise OutputLost.
    """

    # `print` and `rich` ask for these; the others of TextIOBase are not supported.

    def write(self, text: str, /) -> int:
        """Write and flush."""
        try:
            written = sys.stdout.write(text)
            sys.stdout.flush()
        except (OSError, ValueError) as error:
            raise OutputLost(error) from None
        return written

    def isatty(self) -> bool:
        """Whether somebody sits at it."""
        return sys.stdout.isatty()

    def fileno(self) -> int:
        """Its descriptor."""
        return sys.stdout.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # it is that of the stream
        """How text is written to it."""
        return sys.stdout.encoding


STANDARD_OUTPUT = StandardOutput()


#: What stands in for a standard stream that is closed, by descriptor. Nothing that is opened later
#: may get its number. A read-only descriptor lets every write to standard output fail (EBADF).
_STAND_INS = (
    ("stdin", "r", os.O_RDONLY),
    ("stdout", "w", os.O_RDONLY),
    ("stderr", "w", os.O_WRONLY),
)

_BUFFERED = {"r": io.BufferedReader, "w": io.BufferedWriter}


def prepare() -> None:
    """Make the standard streams of this process usable, before anything is written.

    What an encoding cannot write is written by its code.
    """
    for descriptor, (name, mode, flags) in enumerate(_STAND_INS):
        if getattr(sys, name) is None:
            _occupy(descriptor, flags)
            raw = io.FileIO(descriptor, mode, closefd=False)
            setattr(sys, name, io.TextIOWrapper(_BUFFERED[mode](raw), encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def settle() -> None:
    """Write what is still to be written, before this process ends.

    What cannot be is dropped: else Python tells of it, with a traceback and a status of its own.
    """
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            _occupy(descriptor, os.O_WRONLY)
            with suppress(OSError, ValueError):
                stream.flush()


def _occupy(descriptor: int, flags: int) -> None:
    null = os.open(os.devnull, flags)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
