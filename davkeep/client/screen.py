"""Operations on a terminal: a table of them, and their progress as it goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from davkeep.client.monitors import Operation

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

Look = Callable[[], Sequence[Operation]]


def make_console() -> Console:
    """Standard output, be it a terminal or not."""
    console = Console(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else Console(width=WIDTH, highlight=False)


def print_table(console: Console, operations: Sequence[Operation]) -> None:
    """All of them."""
    console.print(table(console, operations) if operations else Text("There are no operations."))


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
        return Text(f"status {operation.text('status')}")
    if operation.done is None:
        return Text("counting" if operation.state == "running" else "")
    if not console.is_terminal:
        return Text(f"{operation.done:.0%}")
    both = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=operation.done, width=BAR)
    both.add_row(bar, Text(f"{operation.done:.0%}"))
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
    return Text(operation.state, _STYLES.get(operation.state, ""))


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
    name: str, text: Callable[[Operation], str], *, is_number: bool = False, is_extra: bool = False
) -> Column:
    return Column(name, lambda _, each: Text(text(each)), is_number, is_extra=is_extra)


COLUMNS = (
    _plain("ID", lambda each: each.id[:SHOWN_DIGITS]),
    Column("STATE", _state),
    _plain("METHOD", lambda each: each.text("method")),
    Column("WHAT", lambda _, each: Text(each.what), is_long=True),
    Column("PROGRESS", _progress),
    _plain(
        "MEMBERS", lambda each: _of(each, "members", "{:,}".format), is_number=True, is_extra=True
    ),
    _plain("BYTES", lambda each: _of(each, "bytes", decimal), is_number=True, is_extra=True),
    _plain("RATE", _rate, is_number=True, is_extra=True),
    _plain("LEFT", _left, is_number=True),
    Column("OWNER", lambda _, each: Text(each.text("owner")), is_long=True),
)


def _is_shown(column: Column, console: Console, operations: Sequence[Operation]) -> bool:
    if column.name == "OWNER":
        return any(each.text("owner") for each in operations)
    return not column.is_extra or console.width >= WIDE


def watch(console: Console, look: Look, pause: Callable[[], None]) -> None:
    """Show what runs, again after each `pause`, until nothing does any more.

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
    with Live(console=console, auto_refresh=False) as live:
        while watched.look(look()):
            live.update(table(console, watched.shown), refresh=True)
            pause()
        ended = table(console, watched.shown) if watched.shown else Text("Nothing is running.")
        live.update(ended, refresh=True)


def _tell(console: Console, changed: Sequence[Operation | None]) -> None:
    for each in changed:
        console.print(Text("Nothing is running." if each is None else line(each)), soft_wrap=True)


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
