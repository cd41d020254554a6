"""`davkeep state adopt`: folders become shares because somebody says so."""

import argparse
import os
import time
from contextlib import closing
from pathlib import Path

from davkeep.control import ask
from davkeep.operations.adoption import Adoption
from davkeep.settings import served_roots
from davkeep.state.closed import opened
from davkeep.store.departed import DepartedFile
from davkeep.terminal import output
from davkeep.trees.share import Share
from davkeep.words.command_failed import REFUSED, CommandFailed


def add_options(adopt: argparse.ArgumentParser) -> None:
    """Describe its command line."""
    adopt.description = (
        "Let folders be shares of this state, where a start would not decide that by itself."
    )
    adopt.add_argument(
        "root", nargs="*", metavar="ROOT", help="a folder (default: those of the configuration)"
    )
    adopt.add_argument("--share", metavar="SHARE", help="which share the one ROOT is, by its UUID")


def run(folder: Path, arguments: argparse.Namespace) -> None:
    """Do it. Raises ShareRefused, StateRefused, OSError and CommandFailed."""
    roots = [os.path.realpath(each) for each in arguments.root or served_roots(arguments.config)]
    if arguments.share is not None and len(roots) != 1:
        raise CommandFailed("--share takes one ROOT", status=REFUSED)
    for root in roots:
        output.show(f"{root} is the share {_adopted(folder, root, arguments.share)}")


def _adopted(folder: Path, root: str, wanted: str | None) -> str:
    """The UUID of the share that a root is from now on."""
    answer = ask(folder, "adopt", root=root, share=wanted)
    if answer is None:
        with (
            opened(folder) as (database, owner),
            closing(DepartedFile(database.folder)) as departed,
        ):
            return Adoption(database, departed, owner, time.time).adopt(Share(root), wanted)
    if "error" in answer:
        raise CommandFailed(str(answer["error"]))
    return str(answer["share"])
