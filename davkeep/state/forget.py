"""`davkeep state forget`: nothing is stored about a share any more."""

import argparse
from contextlib import closing
from pathlib import Path

from davkeep.control import ask
from davkeep.operations.forgetting import LEAST, Forgetting, Forgotten
from davkeep.state.closed import opened
from davkeep.store.departed import DepartedFile
from davkeep.store.journal import Journal
from davkeep.terminal import output
from davkeep.words.command_failed import REFUSED, CommandFailed


def add_options(forget: argparse.ArgumentParser) -> None:
    """Describe its command line."""
    forget.description = "Remove everything that is stored about a share that is not served."
    forget.add_argument(
        "share",
        metavar="SHARE",
        help=f"its UUID, {LEAST} characters or more of its beginning, or the path of its root,"
        " as `davkeep state list` shows them",
    )


def run(folder: Path, arguments: argparse.Namespace) -> None:
    """Do it. Raises ForgetRefused, StateRefused, OSError and CommandFailed."""
    forgotten = _forgotten(folder, arguments.share)
    output.show(f"forgotten: {forgotten.what}", *forgotten.stays)


def _forgotten(folder: Path, share: str) -> Forgotten:
    answer = ask(folder, "forget", share=share)
    if answer is None:
        with opened(folder) as (database, owner), closing(DepartedFile(folder)) as departed:
            journal = Journal(database)
            return Forgetting(database, journal, owner, departed=departed).forget(share)
    if "error" in answer:
        raise CommandFailed(str(answer["error"]), status=REFUSED)
    return Forgotten(str(answer["what"]), [str(each) for each in answer["stays"]])
