"""The command `davkeep ops`: its options, and what it does."""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from davkeep.client.address import CannotAsk
from davkeep.client.credentials import find
from davkeep.client.monitors import Monitors, Operation
from davkeep.client.options import PASSWORD, add_access_options, address_of
from davkeep.terminal.output import show, show_json
from davkeep.words.display import number

if TYPE_CHECKING:
    from rich.console import Console

#: Seconds between two looks.
EVERY = 1.0

#: Rows of the list, unless others are asked for.
ROWS = 100
#: Operations that are watched at most.
MOST_WATCHED = 1000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.usage = "davkeep ops [--watch] [OPTIONS] URL\n       davkeep ops [OPTIONS] cancel URL ID"
    parser.description = (
        "Show the operations of a running server: one's own ones, or all of them to an"
        f" administrator. Or cancel one. {PASSWORD}"
    )
    parser.epilog = (
        "ID is an operation's identifier, or its first digits as the list shows them. Exit status:"
        " 0, or 1 where the server cannot be asked or refuses."
    )
    parser.add_argument("words", nargs="+", metavar="URL | cancel URL ID", help="the server's URL")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--watch", action="store_true", help="show what runs, until nothing does or Ctrl-C"
    )
    form.add_argument("--json", action="store_true", help="for programs: all, and everything")
    parser.add_argument(
        "--limit",
        type=_limit,
        metavar="N",
        help=f"operations that are listed, those that are not over first (default: {ROWS})",
    )
    add_access_options(parser, "who asks")
    parser.set_defaults(refuse=parser.error)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(
            f"{text} is not allowed; allowed: a whole number from 1 on"
        )
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """List, watch or cancel, and return the exit status. Raises CannotAsk."""
    words = arguments.words
    if len(words) != (3 if words[0] == "cancel" else 1):
        arguments.refuse("give a URL; or cancel, a URL and an ID")
    if words[0] != "cancel":
        _show(_monitors(words[0], arguments), arguments)
        return 0
    if arguments.watch or arguments.limit:
        arguments.refuse("--watch and --limit do not go with cancel")
    _cancel(_monitors(words[1], arguments), arguments, words[2])
    return 0


def _monitors(url: str, arguments: argparse.Namespace) -> Monitors:
    address = address_of(url, arguments)
    return Monitors(address, find(arguments.user, address.origin.host))


def _show(monitors: Monitors, arguments: argparse.Namespace) -> None:
    if arguments.json:
        limit = arguments.limit
        every = monitors.all() if limit is None else monitors.newest(limit).operations
        show_json([each.told for each in every])
        return
    # Drawing takes a tenth of a second to import, which nothing else has to wait for.
    from davkeep.client import screen

    console = screen.make_console()
    if arguments.watch:
        _watch(monitors, console, arguments.limit or ROWS)
        return
    listed = monitors.newest(arguments.limit or ROWS)
    screen.print_table(console, listed.operations)
    if listed.left_out:
        show(f"{number(listed.left_out)} more, which --limit shows.")


def _watch(monitors: Monitors, console: "Console", rows: int) -> None:
    from davkeep.client import screen

    def look() -> Sequence[Operation]:
        return monitors.newest(max(rows, MOST_WATCHED)).operations

    # Ctrl-C is how a watch ends that nothing else ends.
    with screen.held(console, interrupted=0):
        screen.watch(console, look, partial(time.sleep, EVERY), rows)


def _cancel(monitors: Monitors, arguments: argparse.Namespace, id: str) -> None:
    ended = monitors.cancel(id)
    if arguments.json:
        show_json(ended.told)
    else:
        show(_told(ended))
    if ended.is_over and ended.state != "cancelled":
        raise CannotAsk("it ended before it could be cancelled")


def _told(operation: Operation) -> str:
    begun = f"{operation.text('method')} {operation.what}: {operation.state}"
    if not operation.is_over:
        return f"{begun}; undoing takes longer"
    return f"{begun}, status {operation.text('status')}. {operation.text('explanation')}".rstrip()
