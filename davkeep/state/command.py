"""The command line of `davkeep state`, and how its subcommands end."""

import argparse
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from davkeep.operations.forgetting import ForgetRefused
from davkeep.operations.looks import ShareRefused
from davkeep.settings import state_folder
from davkeep.state import adopt, backup, forget, holdings, restore
from davkeep.store.backup import BackupError
from davkeep.store.errors import StateRefused
from davkeep.store.restoring import NotRestorable
from davkeep.terminal.log import LogHandler
from davkeep.words.command_failed import REFUSED, CommandFailed


class _Subcommand(NamedTuple):
    """What `davkeep state` knows to do: what the list of them says, what describes it, and what
    does it.
    """

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Path, argparse.Namespace], None]
    #: Whether there need be no state folder before.
    makes_folder: bool = False


#: By their names.
SUBCOMMANDS: Mapping[str, _Subcommand] = {
    "adopt": _Subcommand("let folders be shares of this state", adopt.add_options, adopt.run),
    "backup": _Subcommand("copy the database into a file", backup.add_options, backup.run),
    "forget": _Subcommand("remove what is stored about a share", forget.add_options, forget.run),
    "list": _Subcommand("show what is stored about shares", holdings.add_options, holdings.run),
    "restore": _Subcommand("let a backup be the database", restore.add_options, restore.run, True),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.description = "Work with a state folder, whether a server runs with it or not."
    commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for name, subcommand in SUBCOMMANDS.items():
        described = commands.add_parser(name, help=subcommand.help, allow_abbrev=False)
        described.add_argument("--state", metavar="DIR", help="the state folder")
        described.add_argument(
            "-c", "--config", metavar="FILE", help="the configuration file that names it"
        )
        subcommand.add_options(described)
        described.set_defaults(run_subcommand=subcommand.run)


def run(arguments: argparse.Namespace) -> int:
    """Do it, and return the exit status. Raises CommandFailed."""
    # What is told besides is escaped: a marker, for one, may say anything.
    logging.getLogger("davkeep").handlers[:] = [LogHandler()]
    folder = Path(arguments.state or state_folder(arguments.config))
    if not (folder.is_dir() or SUBCOMMANDS[arguments.subcommand].makes_folder):
        told = f"{folder} is no state folder; name it with --state, or -c FILE"
        raise CommandFailed(told, status=REFUSED)
    try:
        arguments.run_subcommand(folder, arguments)
    except (StateRefused, ShareRefused, ForgetRefused, NotRestorable) as error:
        raise CommandFailed(str(error), status=REFUSED) from None
    except BackupError as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"{error.filename or folder}: {error.strerror or error}") from None
    return 0
