"""`davkeep state`: what can be done with a state folder as a whole."""

import argparse
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from davkeep.control import ask
from davkeep.operations.adoption import Adoption
from davkeep.operations.looks import Owner, ShareRefused
from davkeep.settings import served_roots, state_folder
from davkeep.store.backup import BackupError, back_up_closed
from davkeep.store.database import Database
from davkeep.store.departed import DepartedFile
from davkeep.store.errors import StateRefused
from davkeep.store.files import DATABASE, size_of
from davkeep.store.instance import instance_of
from davkeep.terminal import output
from davkeep.terminal.signals import unwinding
from davkeep.trees.share import Share
from davkeep.words.command_failed import REFUSED, CommandFailed


class _Subcommand(NamedTuple):
    """What `davkeep state` knows to do: what the list of them says, and what describes it."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]


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


def _add_backup(backup: argparse.ArgumentParser) -> None:
    backup.description = "Copy the database into FILE; a server that runs makes the copy itself."
    backup.add_argument("file", metavar="FILE", help="what to make, or to replace")
    backup.set_defaults(run_subcommand=_backup)


def _add_adopt(adopt: argparse.ArgumentParser) -> None:
    adopt.description = (
        "Let folders be shares of this state, where a start would not decide that by itself."
    )
    adopt.add_argument(
        "root", nargs="*", metavar="ROOT", help="a folder (default: those of the configuration)"
    )
    adopt.add_argument("--share", metavar="SHARE", help="which share the one ROOT is, by its UUID")
    adopt.set_defaults(run_subcommand=_adopt)


#: By their names.
SUBCOMMANDS: Mapping[str, _Subcommand] = {
    "adopt": _Subcommand("let folders be shares of this state", _add_adopt),
    "backup": _Subcommand("copy the database into a file", _add_backup),
}


def run(arguments: argparse.Namespace) -> int:
    """Do it, and return the exit status. Raises CommandFailed."""
    folder = Path(arguments.state or state_folder(arguments.config))
    if not folder.is_dir():
        told = f"{folder} is no state folder; name it with --state, or -c FILE"
        raise CommandFailed(told, status=REFUSED)
    try:
        arguments.run_subcommand(folder, arguments)
    except StateRefused as error:
        raise CommandFailed(str(error), status=REFUSED) from None
    except BackupError as error:
        raise CommandFailed(str(error)) from None
    except ShareRefused as error:
        raise CommandFailed(str(error), status=REFUSED) from None
    except OSError as error:
        raise CommandFailed(f"{folder}: {error.strerror or error}") from None
    return 0


def _backup(folder: Path, arguments: argparse.Namespace) -> None:
    file = os.path.abspath(arguments.file)
    answer = ask(folder, "backup", file=file)
    if answer is None:
        # So that nothing is left of a copy that is stopped.
        with unwinding():
            back_up_closed(folder, Path(file))
    elif "error" in answer:
        raise CommandFailed(str(answer["error"]))


def _adopt(folder: Path, arguments: argparse.Namespace) -> None:
    roots = [os.path.realpath(each) for each in arguments.root or served_roots(arguments.config)]
    if arguments.share is not None and len(roots) != 1:
        raise CommandFailed("--share takes one ROOT", status=REFUSED)
    for root in roots:
        output.show(f"{root} is the share {_adopted(folder, root, arguments.share)}")


def _adopted(folder: Path, root: str, wanted: str | None) -> str:
    """The UUID of the share that a root is from now on."""
    answer = ask(folder, "adopt", root=root, share=wanted)
    if answer is None:
        return _adopted_by_closed(folder, root, wanted)
    if "error" in answer:
        raise CommandFailed(str(answer["error"]))
    return str(answer["share"])


def _adopted_by_closed(folder: Path, root: str, wanted: str | None) -> str:
    """The same, where no server works with the state."""
    if not size_of(folder / DATABASE):
        raise CommandFailed(f"{folder} holds no database", status=REFUSED)
    with Database(folder) as database, closing(DepartedFile(folder)) as departed:
        owner = Owner(instance_of(database), os.path.realpath(folder))
        return Adoption(database, departed, owner, time.time).adopt(Share(root), wanted)
