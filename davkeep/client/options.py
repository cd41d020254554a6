"""What every command that asks a server can be told about it."""

import argparse

from davkeep.client.address import Address, parse_url, tls_context
from davkeep.client.credentials import VARIABLE

#: Where the password comes from, for a command's description.
PASSWORD = f"The password of --user comes from {VARIABLE}, ~/.netrc or the terminal."


def add_access_options(parser: argparse.ArgumentParser, user: str) -> None:
    """Who asks (`user` says whose name that is), and whom the server's certificate has to be of."""
    parser.add_argument("--user", metavar="NAME", help=user)
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--cafile", metavar="FILE", help="certificates of who is trusted (PEM)")
    trust.add_argument("--insecure", action="store_true", help="do not check the certificate")


def address_of(url: str, arguments: argparse.Namespace) -> Address:
    """The server at `url`. Raises CannotAsk."""
    return parse_url(url, tls_context(arguments.cafile, arguments.insecure))
