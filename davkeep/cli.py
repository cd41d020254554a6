"""The command line: reads it, has the settings loaded, and hands over to the command."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from davkeep import __version__
from davkeep.client import command, ops
from davkeep.settings import Overrides, load, read
from davkeep.settings.users import ALLOWED
from davkeep.words.configuration import ConfigurationError

#: Exit status of a command line or a configuration that cannot be used.
REFUSED = 2


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and no more."""

    def error(self, message: str) -> NoReturn:
        self.exit(REFUSED, f"davkeep: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="davkeep",
        description="A WebDAV server whose long operations never time out.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"davkeep {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_serve(commands.add_parser("serve", help="serve folders", allow_abbrev=False))
    tables = "tell what clients and proxies can bear"
    _add_profiles(commands.add_parser("profiles", help=tables, allow_abbrev=False))
    asked = "find out what a proxy makes of interim responses"
    _add_probe(commands.add_parser("probe", help=asked, allow_abbrev=False))
    _add_ops(commands.add_parser("ops", help="show or cancel operations", allow_abbrev=False))
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
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
    command.add_options(probe)
    probe.set_defaults(run=command.run)


def _add_ops(parser: argparse.ArgumentParser) -> None:
    ops.add_options(parser)
    parser.set_defaults(run=ops.run)


def _serve(arguments: argparse.Namespace) -> int:
    root = arguments.root if arguments.root_option is None else arguments.root_option
    said = Overrides(root=root, host=arguments.host, port=arguments.port, auth=arguments.auth)
    configuration = load(arguments.config, said, tell=_tell)

    # Everything that serves is imported only now, so that a wrong command line is answered at once.
    from davkeep.app import serve

    return serve(configuration)


def _profiles(arguments: argparse.Namespace) -> int:
    from davkeep.keepalive import Settings
    from davkeep.profiles import print_row, print_tables

    rows = Settings.of(read(arguments.config).davkeep.keepalive).profiles
    if arguments.agent is None:
        return print_tables(rows, as_json=arguments.json)
    return print_row(arguments.agent, rows, as_json=arguments.json)


def _tell(sentence: str) -> None:
    print(f"davkeep: {sentence}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `davkeep` with `arguments` (None: those of the process) and return its exit status.

    What cannot be used is answered with a line for each problem on standard error, and status 2.
    """
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except ConfigurationError as error:
        for problem in error.problems:
            _tell(problem)
        return REFUSED
