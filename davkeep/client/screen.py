"""Operations on a terminal: a table of them, and their progress as it goes on."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import IO, cast

from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from davkeep.client.monitors import Operation, chosen
from davkeep.terminal.output import STANDARD_OUTPUT
from davkeep.terminal.signals import putting_right
from davkeep.words.display import number
from davkeep.words.escaping import escaped

#: Digits of an identifier that are shown; so many are enough to cancel by.
SHOWN_DIGITS = 8

#: Columns of text that does not go to a terminal, where nothing should be cut.
WIDTH = 200

#: Columns of a terminal that has room for everything.
WIDE = 120

#: Columns of a progress bar.
BAR = 20

#: How states are marked, besides by their names.
_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "interrupted": "red",
    "cancelled": "yellow",
    "cancelling": "yellow",
    "running": "bold",
}

#: Said where there is nothing to watch.
NOTHING = "Nothing is running."

Look = Callable[[], Sequence[Operation]]


def make_console() -> Console:
    """Standard output, be it a terminal or not."""
    width = None if STANDARD_OUTPUT.isatty() else WIDTH
    file = cast("IO[str]", STANDARD_OUTPUT)
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def held(console: Console, *, interrupted: int) -> AbstractContextManager[None]:
    """Gives the terminal its cursor back where a signal ends or stops this process meanwhile.

    Ctrl-C ends it with the exit status `interrupted`.
    """

    def send(code: bytes) -> None:
        # Not by the console, which may be in the middle of something.
        if console.is_terminal:
            with suppress(OSError):
                os.write(STANDARD_OUTPUT.fileno(), code)

    return putting_right(
        lambda: send(b"\r\n\x1b[?25h"), lambda: send(b"\x1b[?25l"), interrupted=interrupted
    )


def text(content: str, style: str = "") -> Text:
    """A piece of what is drawn: without markup, and without what would command the terminal."""
    return Text(escaped(content), style)


def print_table(console: Console, operations: Sequence[Operation]) -> None:
    """All of them."""
    console.print(table(console, operations) if operations else text("There are no operations."))


def table(console: Console, operations: Sequence[Operation]) -> Table:
    """A row for each."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    columns = [each for each in COLUMNS if _is_shown(each, console, operations)]
    for column in columns:
        # Only what may be long is folded.
        made.add_column(
            column.name,
            justify="right" if column.is_number else "left",
            no_wrap=not column.is_long,
            overflow="fold" if column.is_long else "ellipsis",
        )
    for each in operations:
        made.add_row(*(column.cell(console, each) for column in columns))
    return made


def _progress(console: Console, operation: Operation) -> RenderableType:
    if operation.is_over:
        return text(f"status {operation.text('status')}")
    if operation.done is None:
        return text("counting" if operation.state == "running" else "")
    if not console.is_terminal:
        return text(f"{operation.done:.0%}")
    both = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=operation.done, width=BAR)
    both.add_row(bar, text(f"{operation.done:.0%}"))
    return both


def _of(operation: Operation, counted: str, written: Callable[[int], str]) -> str:
    done, total = operation.number(f"{counted}_done"), operation.number(f"{counted}_total")
    if done is None:
        return ""
    if total is None or (operation.is_over and total == done):
        return written(int(done))
    return f"{written(int(done))} of {written(int(total))}"


def _rate(operation: Operation) -> str:
    size, members = operation.number("bytes_per_second"), operation.number("members_per_second")
    if operation.is_over or not (size or members):
        return ""
    return f"{decimal(int(size or 0))}/s" if size else f"{members:.0f} members/s"


def _left(operation: Operation) -> str:
    seconds = operation.number("estimatedSeconds")
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _state(_: Console, operation: Operation) -> Text:
    return text(operation.state, _STYLES.get(operation.state, ""))


@dataclass(frozen=True)
class Column:
    """One column of the table."""

    name: str
    cell: Callable[[Console, Operation], RenderableType]
    is_number: bool = False
    is_long: bool = False
    #: Left out where the terminal is narrow.
    is_extra: bool = False


def _plain(
    name: str, told: Callable[[Operation], str], *, is_number: bool = False, is_extra: bool = False
) -> Column:
    return Column(name, lambda _, each: text(told(each)), is_number, is_extra=is_extra)


COLUMNS = (
    _plain("ID", lambda each: each.id[:SHOWN_DIGITS]),
    Column("STATE", _state),
    _plain("METHOD", lambda each: each.text("method")),
    Column("WHAT", lambda _, each: text(each.what), is_long=True),
    Column("PROGRESS", _progress),
    _plain(
        "MEMBERS", lambda each: _of(each, "members", "{:,}".format), is_number=True, is_extra=True
    ),
    _plain("BYTES", lambda each: _of(each, "bytes", decimal), is_number=True, is_extra=True),
    _plain("RATE", _rate, is_number=True, is_extra=True),
    _plain("LEFT", _left, is_number=True),
    Column("OWNER", lambda _, each: text(each.text("owner")), is_long=True),
)


def _is_shown(column: Column, console: Console, operations: Sequence[Operation]) -> bool:
    if column.name == "OWNER":
        return any(each.text("owner") for each in operations)
    return not column.is_extra or console.width >= WIDE


def watch(console: Console, look: Look, pause: Callable[[], None], rows: int) -> None:
    """Show what runs, in at most so many rows, again after each `pause`, until nothing does.

    What ends meanwhile stays in sight. Where there is no terminal, a line tells of each change of
    a state.
    """
    watched = _Watched()
    if not console.is_terminal:
        while watched.look(look()):
            _tell(console, watched.changed)
            pause()
        _tell(console, watched.changed or ([] if watched.shown else [None]))
        return
    with Live(
        console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    ) as live:
        while watched.look(look()):
            live.update(_drawn(console, watched.shown, rows), refresh=True)
            pause()
        ended = _drawn(console, watched.shown, rows) if watched.shown else text(NOTHING)
        live.update(ended, refresh=True)


def _drawn(console: Console, operations: Sequence[Operation], rows: int) -> RenderableType:
    left_out = len(operations) - rows
    drawn = table(console, chosen(operations, rows))
    return drawn if left_out <= 0 else Group(drawn, text(f"{number(left_out)} more."))


def _tell(console: Console, changed: Sequence[Operation | None]) -> None:
    for each in changed:
        console.print(text(NOTHING if each is None else line(each)), soft_wrap=True)


def line(operation: Operation) -> str:
    """One operation in one line, without its progress."""
    told = [
        operation.id[:SHOWN_DIGITS],
        operation.state,
        operation.text("method"),
        operation.what,
        f"status {operation.text('status')}" if operation.is_over else "",
        operation.text("explanation"),
    ]
    return "  ".join(part for part in told if part)


class _Watched:
    """What was running when it was looked at, and what became of it."""

    def __init__(self) -> None:
        self.shown: list[Operation] = []
        #: Those of another state than before.
        self.changed: list[Operation] = []

    def look(self, operations: Sequence[Operation]) -> bool:
        """Note what there is; False when nothing runs any more."""
        before = {each.id: each.state for each in self.shown}
        self.shown = [each for each in operations if not each.is_over or each.id in before]
        self.changed = [each for each in self.shown if before.get(each.id) != each.state]
        return any(not each.is_over for each in self.shown)
