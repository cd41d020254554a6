"""The program `davkeep`, also as `python -m davkeep`: the process around a command."""

import signal

# First of all, so that Ctrl-C during the imports ends it like any other program.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import sys
from typing import NoReturn

from davkeep.cli import main
from davkeep.terminal import output
from davkeep.terminal.signals import Stopped, end_by


def run() -> NoReturn:
    """Run the command of this process, and end it with the command's status."""
    output.prepare()
    try:
        sys.exit(main())
    except Stopped as stopped:
        end_by(stopped.number)
    finally:
        output.settle()
        for number in (signal.SIGINT, signal.SIGTERM):
            # What serves has had handlers of its own, which have nothing more to stop.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    run()
