"""The log on standard error: a line for each record, whatever is in it."""

import logging
import sys
from types import TracebackType
from typing import Any

from davkeep.words.escaping import escaped

#: Before each line that goes on with a record, so that none passes for a record of its own.
INDENTATION = "    "


class LineFormatter(logging.Formatter):
    """Escapes every text; only a traceback has lines of its own, and they are indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record's line."""
        return escaped(super().formatMessage(record))

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """The traceback, whose last lines are often an error's own text."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """The stack, likewise."""
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(f"{INDENTATION}{escaped(line)}" for line in text.split("\n"))


class LogHandler(logging.StreamHandler[Any]):
    """Standard error; a full disk or a closed pipe there disturbs nobody."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(LineFormatter())

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing, unless the record itself is wrong."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
