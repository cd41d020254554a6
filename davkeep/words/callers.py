"""Who sends a request: the user, or the address of one who has no name, and whether that is an
administrator.
"""

from collections.abc import Collection
from dataclasses import dataclass

from davkeep.words.failure import Failure
from davkeep.words.fields import parse_host
from davkeep.words.forwarding import plain


@dataclass(frozen=True)
class Caller:
    """Who sends a request."""

    #: The user's name; empty for an anonymous one.
    user: str
    #: Where the request comes from: an address, or what a trusted proxy told instead.
    address: str
    is_administrator: bool = False

    @property
    def account(self) -> tuple[str, str]:
        """What tells owners of operations apart: the name, or for anonymous ones the address."""
        return (self.user, "" if self.user else self.address)

    def may_see(self, account: tuple[str, str]) -> bool:
        """Whether the operations of ``account`` are the caller's to see and to cancel."""
        return self.is_administrator or self.account == account


@dataclass(frozen=True)
class Administrators:
    """Who may see, cancel and try everything."""

    #: Names of users (the key `davkeep.administrators`).
    names: Collection[str] = ()
    #: Whether the anonymous user of this machine is one; only where nobody else can come in.
    local_users: bool = False

    def caller(self, user: str, address: str, *, is_local: bool) -> Caller:
        """The caller `user`; `is_local` tells whether it is a program on this machine, as
        `is_local` finds out.
        """
        found = user in self.names if user else self.local_users and is_local
        return Caller(user, address, found)


def is_local(address: str, host: str) -> bool:
    """Whether a client at `address` that asked for `host` is a program on this machine.

    The address alone is not enough: a proxy on this machine has it too, and so has a browser whose
    page had a foreign name point to it (DNS rebinding). Both ask for other hosts.
    """
    client = plain(address)
    return client is not None and client.is_loopback and _is_loopback_host(host)


def _is_loopback_host(host: str) -> bool:
    try:
        name = parse_host(host).name.strip("[]")
    except Failure:
        return False
    address = plain(name)
    if address is not None:
        return address.is_loopback
    return name == "localhost" or name.endswith(".localhost")
