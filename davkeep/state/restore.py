"""`davkeep state restore`: a backup becomes the database."""

import argparse
import shlex
from pathlib import Path

from davkeep.operations.fitting import Fitting, fittings
from davkeep.store.errors import StateInUse
from davkeep.store.files import make_folder
from davkeep.store.restoring import restoration
from davkeep.terminal import output
from davkeep.terminal.signals import unwinding
from davkeep.words.command_failed import REFUSED, CommandFailed


def add_options(restore: argparse.ArgumentParser) -> None:
    """Describe its command line."""
    restore.description = (
        "Let a backup be the database, if the shares that it knows are where they were. The"
        " database that is there now is kept beside it."
    )
    restore.add_argument("file", metavar="FILE", help="what `davkeep state backup` has made")
    restore.add_argument(
        "--force", action="store_true", help="also if folders are not the shares that it knows"
    )


def run(folder: Path, arguments: argparse.Namespace) -> None:
    """Do it. Raises NotRestorable, OSError and CommandFailed."""
    try:
        _restore(folder, Path(arguments.file), is_forced=arguments.force)
    except StateInUse as error:
        raise CommandFailed(f"{error} Stop the server first.", status=REFUSED) from None


def _restore(folder: Path, file: Path, *, is_forced: bool) -> None:
    if not file.is_file():
        raise CommandFailed(f"{file} is no file", status=REFUSED)
    make_folder(folder, flushes=True)
    # So that nothing is left of one that is stopped.
    with unwinding(), restoration(folder, file) as restored:
        found = fittings(restored.shares, restored.instance)
        if not is_forced:
            _refuse_unfit(file, found)
        kept = restored.apply()
    output.show(*map(str, found), f"{file} is the state in {folder} now")
    for each in found:
        if each.fit.is_obstacle:
            output.show(f"to let that be the share: {_adoption(folder, each)}")
    if kept is not None:
        output.show(f"what was there before is kept in {kept}")


def _refuse_unfit(file: Path, found: list[Fitting]) -> None:
    if any(each.fit.is_obstacle for each in found):
        refusal = f"{file} is not restored: not every share is what it was (--force restores it)"
        raise CommandFailed(refusal, *map(str, found), status=REFUSED)


def _adoption(folder: Path, found: Fitting) -> str:
    share = ["--share", found.share.share, found.share.root]
    return shlex.join(["davkeep", "state", "adopt", "--state", str(folder), *share])
