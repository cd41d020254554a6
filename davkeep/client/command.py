"""The command `davkeep probe`: its options, and what it prints."""

import argparse

from davkeep.client.credentials import find
from davkeep.client.options import PASSWORD, add_access_options, address_of
from davkeep.client.probe import Prober
from davkeep.client.session import Session
from davkeep.client.verdict import Verdict, judge
from davkeep.terminal.output import show, show_json

#: As the server bounds them; the patience is outlasted by half.
MOST, LONGEST, LONGEST_PATIENCE = 200, 300.0, 200.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.description = (
        "Ask a running server, through its public URL, for interim responses, and say what became"
        f" of them and what to configure. Takes less than a minute without --patience. {PASSWORD}"
    )
    parser.add_argument("url", metavar="URL", help="the server's public URL")
    add_access_options(parser, "an administrator's name")
    parser.add_argument(
        "--count", type=_count, default=100, help="interim responses to go up to (default: 100)"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=1.0, help="how long each try takes (default: 1)"
    )
    parser.add_argument(
        "--patience",
        type=_patience,
        metavar="SECONDS",
        help="the proxy's timeout; also find out whether a 102 renews it, in three times as long",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def _count(text: str) -> int:
    return int(_within(text, float(MOST), "a whole number from 1 to", int(text)))


def _seconds(text: str) -> float:
    return _within(text, LONGEST, "a number above 0, up to", float(text))


def _patience(text: str) -> float:
    return _within(text, LONGEST_PATIENCE, "a number above 0, up to", float(text))


def _within(text: str, most: float, allowed: str, number: float) -> float:
    if not 0 < number <= most:
        raise argparse.ArgumentTypeError(f"{text} is not allowed; allowed: {allowed} {most:g}")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Probe, print, and return the exit status. Raises CannotAsk."""
    verdict = _verdict(arguments)
    if arguments.json:
        show_json(verdict.as_json())
    else:
        show(*verdict.sentences)
    return 0


def _verdict(arguments: argparse.Namespace) -> Verdict:
    address = address_of(arguments.url, arguments)
    prober = Prober(Session(address, find(arguments.user, address.origin.host), "probe"))
    findings = prober.findings(arguments.count, arguments.seconds, arguments.patience)
    return judge(findings, address.origin.authority)
