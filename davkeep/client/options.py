"""What every command that asks a server can be told about it, and its exit status."""

import argparse
import sys
from collections.abc import Callable

from davkeep.client.address import Address, CannotAsk, parse_url, tls_context
from davkeep.client.credentials import VARIABLE

#: Where the password comes from, for a command's description.
PASSWORD = f"The password of --user comes from {VARIABLE}, ~/.netrc or the terminal."

#: Exit status where who sits at the terminal stopped it: 128 and the number of SIGINT.
STOPPED = 130

#: Exit status where the server cannot be asked, or refuses.
REFUSED = 1


def add_access_options(parser: argparse.ArgumentParser, user: str) -> None:
    """Who asks (`user` says whose name that is), and whom the server's certificate has to be of."""
    parser.add_argument("--user", metavar="NAME", help=user)
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--cafile", metavar="FILE", help="certificates of who is trusted (PEM)")
    trust.add_argument("--insecure", action="store_true", help="do not check the certificate")


def address_of(url: str, arguments: argparse.Namespace) -> Address:
    """The server at `url`. Raises CannotAsk."""
    return parse_url(url, tls_context(arguments.cafile, arguments.insecure))


def status_of(command: Callable[[], None]) -> int:
    """Run it, and return the exit status: 0, or 1 after a line on standard error.

    130 after Ctrl-C, as shells have it.
    """
    try:
        command()
    except CannotAsk as error:
        print(f"davkeep: {error}", file=sys.stderr, flush=True)
        return REFUSED
    except KeyboardInterrupt:
        return STOPPED
    return 0
