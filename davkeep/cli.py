"""The command line: reads it, has the settings loaded, and hands over to the command.

Each command imports what it needs when it is asked for: most of a start is imports, and what
serves has no use for what asks a server.
"""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

from davkeep import __version__
from davkeep.terminal import output
from davkeep.words.command_failed import FAILED, REFUSED, CommandFailed


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and no more."""

    def error(self, message: str) -> NoReturn:
        raise CommandFailed(f"{message} (see {self.prog} --help)", status=REFUSED)

    def _print_message(self, message: str, file: object = None) -> None:
        """Write help or the version, which is all that is left to write here."""
        output.show(*message.splitlines())


class _Command(NamedTuple):
    """A command: what the list of them says of it, and what describes its command line."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of a command line of ``words``: commands that are not in it have no options."""
    parser = _Parser(
        prog="davkeep",
        description="A WebDAV server whose long operations never time out.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"davkeep {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        described = commands.add_parser(name, help=command.help, allow_abbrev=False)
        if name in words:
            command.add_options(described)
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    from davkeep.settings.users import ALLOWED

    serve.description = "Serve a folder, the shares of a configuration file, or the sample share."
    roots = serve.add_mutually_exclusive_group()
    roots.add_argument("root", nargs="?", metavar="ROOT", help="the folder to serve at /")
    roots.add_argument("-r", "--root", dest="root_option", metavar="ROOT", help="the same")
    serve.add_argument("-H", "--host", help="the address to listen on (default: 127.0.0.1)")
    serve.add_argument(
        "-p", "--port", type=int, help="the port; 0 takes a free one (default: 8080)"
    )
    serve.add_argument("-c", "--config", metavar="FILE", help="a configuration file (YAML)")
    serve.add_argument("--auth", metavar="HOW", help=f"who may come in: {ALLOWED}")
    serve.set_defaults(run=_serve)


def _add_profiles(profiles: argparse.ArgumentParser) -> None:
    profiles.description = "Print what clients and proxies do with interim responses."
    profiles.epilog = "With --agent, exit status 1 means that no row is its own."
    profiles.add_argument(
        "--agent", metavar="STRING", help="only the row that applies to this User-Agent field"
    )
    profiles.add_argument("--json", action="store_true", help="print JSON")
    profiles.add_argument(
        "-c", "--config", metavar="FILE", help="a configuration file, whose rows come first"
    )
    profiles.set_defaults(run=_profiles)


def _add_probe(probe: argparse.ArgumentParser) -> None:
    from davkeep.client import command

    command.add_options(probe)
    probe.set_defaults(run=command.run)


def _add_ops(parser: argparse.ArgumentParser) -> None:
    from davkeep.client import ops

    ops.add_options(parser)
    parser.set_defaults(run=ops.run)


def _add_state(parser: argparse.ArgumentParser) -> None:
    from davkeep import state

    state.add_options(parser)
    parser.set_defaults(run=state.run)


#: By their names.
COMMANDS: Mapping[str, _Command] = {
    "serve": _Command("serve folders", _add_serve),
    "profiles": _Command("tell what clients and proxies can bear", _add_profiles),
    "probe": _Command("find out what a proxy makes of interim responses", _add_probe),
    "ops": _Command("show or cancel operations", _add_ops),
    "state": _Command("look after what the server remembers", _add_state),
}


def _serve(arguments: argparse.Namespace) -> int:
    with _nothing_is_garbage():
        from davkeep.settings import Overrides, load

        root = arguments.root if arguments.root_option is None else arguments.root_option
        said = Overrides(root=root, host=arguments.host, port=arguments.port, auth=arguments.auth)
        configuration = load(arguments.config, said, tell=output.tell)

        # Only now, so that a wrong command line is answered at once.
        from davkeep.app import serve
        from davkeep.settings.former import former_of
        from davkeep.words.threads import ThreadRefusedError

    try:
        return serve(configuration, former_of(configuration, os.environ))
    except ThreadRefusedError as error:
        raise CommandFailed(
            f"{error.strerror}: is a limit of processes (ulimit -u, TasksMax) or memory reached?"
        ) from None


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """What is imported in here stays, so that no collection need look at it, now or later.

    Collections during the imports took a seventh of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _profiles(arguments: argparse.Namespace) -> int:
    from davkeep.keepalive import Settings
    from davkeep.profiles import print_row, print_tables
    from davkeep.settings import read

    rows = Settings.of(read(arguments.config).davkeep.keepalive).profiles
    if arguments.agent is None:
        return print_tables(rows, as_json=arguments.json)
    return print_row(arguments.agent, rows, as_json=arguments.json)


#: What the interpreter itself runs out of.
_SHORTAGES = (MemoryError, RecursionError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `davkeep` with `arguments` (None: those of the process) and return its exit status.

    Whatever the world does to a command ends here, as a line for each problem on standard error:
    status 2 for what cannot be used, 1 for what could not be done, 128 and more for a signal.
    """
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except (CommandFailed, output.OutputLost, OSError, *_SHORTAGES, KeyboardInterrupt) as error:
        status, lines = _end_of(error)
        output.tell(*lines)
        return status


def _run(words: Sequence[str]) -> int:
    with _nothing_is_garbage():
        parsed = _parser(words).parse_args(words)
    return int(parsed.run(parsed))


def _end_of(error: BaseException) -> tuple[int, Sequence[str]]:
    """The exit status, and what is told."""
    match error:
        case CommandFailed():
            return error.status, error.lines
        case output.OutputLost(is_unread=True):
            return 128 + signal.SIGPIPE, ()
        case KeyboardInterrupt():
            return 128 + signal.SIGINT, ()
        case MemoryError():
            return FAILED, ["there is not enough memory"]
        case RecursionError():
            return FAILED, ["what was read is nested too deeply"]
        case OSError(filename=str(name), strerror=str(reason)):
            return FAILED, [f"{name}: {reason}"]
        case _:
            return FAILED, [str(error)]
