"""The log: a line for each record."""

import logging
import sys

import pytest

from davkeep.terminal.log import INDENTATION, LogHandler

FORGED = "x\n2026-01-01 00:00:00,000 INFO davkeep: forged\x1b[2J\x9b\u202e"
SHOWN = r"x\x0a2026-01-01 00:00:00,000 INFO davkeep: forged\x1b[2J\x9b\u202e"


def written(capsys: pytest.CaptureFixture[str], **options: object) -> list[str]:
    """The lines that a record with a text from elsewhere becomes."""
    handler = LogHandler()
    record = logging.LogRecord("davkeep", logging.INFO, "", 0, "%s", (FORGED,), None)
    record.__dict__.update(options)
    handler.emit(record)
    return capsys.readouterr().err.splitlines()


def test_a_record_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends and escape sequences of a name or a status line are shown by their codes."""
    (line,) = written(capsys)
    assert line.endswith(f"davkeep: {SHOWN}")


def test_a_traceback_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """They are indented, so none of an error's text passes for a record."""
    try:
        raise ValueError(FORGED)
    except ValueError:
        lines = written(capsys, exc_info=sys.exc_info())
    assert len(lines) > 3
    assert all(line.startswith(INDENTATION) for line in lines[1:])
    assert not any("\x1b" in line for line in lines)
