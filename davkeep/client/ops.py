"""The command `davkeep ops`: its options, and what it does."""

import argparse
import json
import time
from contextlib import suppress
from functools import partial

from davkeep.client.address import CannotAsk
from davkeep.client.credentials import find
from davkeep.client.monitors import Monitors, Operation
from davkeep.client.options import PASSWORD, add_access_options, address_of, status_of

#: Seconds between two looks.
EVERY = 1.0


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
    form.add_argument("--json", action="store_true", help="for programs")
    add_access_options(parser, "who asks")
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """List, watch or cancel, and return the exit status."""
    words = arguments.words
    if len(words) != (3 if words[0] == "cancel" else 1):
        arguments.refuse("give a URL; or cancel, a URL and an ID")
    if words[0] != "cancel":
        return status_of(lambda: _show(_monitors(words[0], arguments), arguments))
    if arguments.watch:
        arguments.refuse("--watch does not go with cancel")
    return status_of(lambda: _cancel(_monitors(words[1], arguments), arguments, words[2]))


def _monitors(url: str, arguments: argparse.Namespace) -> Monitors:
    address = address_of(url, arguments)
    return Monitors(address, find(arguments.user, address.host))


def _show(monitors: Monitors, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps([each.told for each in monitors.all()], indent=2))
        return
    # Drawing takes a tenth of a second to import, which nothing else has to wait for.
    from davkeep.client import screen

    console = screen.make_console()
    if not arguments.watch:
        screen.print_table(console, monitors.all())
        return
    with suppress(KeyboardInterrupt):
        screen.watch(console, monitors.all, partial(time.sleep, EVERY))


def _cancel(monitors: Monitors, arguments: argparse.Namespace, id: str) -> None:
    ended = monitors.cancel(id)
    if arguments.json:
        print(json.dumps(ended.told, indent=2))
    else:
        print(_told(ended))
    if ended.is_over and ended.state != "cancelled":
        raise CannotAsk("it ended before it could be cancelled")


def _told(operation: Operation) -> str:
    begun = f"{operation.text('method')} {operation.what}: {operation.state}"
    if not operation.is_over:
        return f"{begun}; undoing takes longer"
    return f"{begun}, status {operation.text('status')}. {operation.text('explanation')}".rstrip()
