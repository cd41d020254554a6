"""`davkeep state backup`: a copy of the database."""

import argparse
import os
from pathlib import Path

from davkeep.control import ask
from davkeep.store.backup import back_up_closed
from davkeep.terminal.signals import unwinding
from davkeep.words.command_failed import CommandFailed


def add_options(backup: argparse.ArgumentParser) -> None:
    """Describe its command line."""
    backup.description = "Copy the database into FILE; a server that runs makes the copy itself."
    backup.add_argument("file", metavar="FILE", help="what to make, or to replace")


def run(folder: Path, arguments: argparse.Namespace) -> None:
    """Do it. Raises BackupError, StateRefused, OSError and CommandFailed."""
    file = os.path.abspath(arguments.file)
    answer = ask(folder, "backup", file=file)
    if answer is None:
        # So that nothing is left of a copy that is stopped.
        with unwinding():
            back_up_closed(folder, Path(file))
    elif "error" in answer:
        raise CommandFailed(str(answer["error"]))
