"""Whom a request really comes from, when trusted proxies passed it on: `X-Forwarded-For`,
`-Proto`, `-Host`, and `Forwarded` (RFC 7239). Pure: addresses and field values in, an Origin out.

Fields are believed only from a peer that is trusted. What is malformed in them is ignored, never
an error: the client did not write them, and cannot mend them.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from davkeep.words.failure import Failure
from davkeep.words.fields import parse_host

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = Collection[IPv4Network | IPv6Network]

#: Stands for an address that a trusted proxy ought to have told and did not (RFC 7239 6.2).
UNKNOWN = "unknown"

SCHEMES = frozenset({"http", "https"})

#: An identifier that stands for an address without telling it (RFC 7239 6.3).
_OBFUSCATED = re.compile(r"_[A-Za-z0-9._-]+")

#: A node with or without its port (RFC 7239 6). An IPv6 address needs its brackets only where a
#: port follows.
_NODE = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")

#: One parameter of `Forwarded` (RFC 7239 4). A value without quotes may hold more than a token
#: does, for proxies forget the quotes about a port.
_PAIR = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]+))[ \t]*')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Origin:
    """What forwarding fields say of a request; None: they say nothing that can be believed."""

    #: An IP address in its shortest form, an obfuscated identifier, or `UNKNOWN`.
    address: str | None = None
    #: In lower case, http or https.
    scheme: str | None = None
    #: The authority that the client asked for.
    host: str | None = None


@dataclass(frozen=True)
class _Hop:
    """What one proxy said of the request it received."""

    node: str | None = None
    scheme: str | None = None
    host: str | None = None


@lru_cache(maxsize=1024)
def plain(text: str) -> Address | None:
    """The IP address that `text` is; one of IPv4 in the clothes of IPv6 (`::ffff:192.0.2.1`) is
    of IPv4. None where it is no address.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=1024)
def shortest(peer: str) -> str:
    """An address in its shortest form; what is none stays as it is."""
    return str(plain(peer) or peer)


def is_trusted(peer: str, trusted: Networks) -> bool:
    """Whether the forwarding fields of `peer` are believed.

    A peer without an address, on a Unix socket, is not: no network can name it.
    """
    address = plain(peer) if trusted else None
    return address is not None and any(address in network for network in trusted)


def origin_of(peer: str, fields: Mapping[str, str], trusted: Networks) -> Origin:
    """What `fields` (by their names in lower case) say, sent by `peer`.

    The client is the right-most address that is not trusted: what stands to the left of it was
    written by the client itself. If all are trusted, it is the left-most. Scheme and host are
    those that its proxy said.

    A proxy that writes one family of fields may pass the other on as the client sent it. Where
    both are there, they count only as far as they agree.
    """
    if not is_trusted(peer, trusted):
        return Origin()
    standard = fields.get("forwarded")
    return _agreed(
        Origin() if standard is None else _from_standard(standard, trusted),
        _from_custom(fields, trusted),
    )


def _agreed(one: Origin, other: Origin) -> Origin:
    return Origin(
        _same(one.address, other.address, UNKNOWN),
        _same(one.scheme, other.scheme, None),
        _same(one.host, other.host, None),
    )


def _same(one: str | None, other: str | None, otherwise: str | None) -> str | None:
    if one is None or other is None:
        return one if other is None else other
    return one if one == other else otherwise


def _from_standard(value: str, trusted: Networks) -> Origin:
    """`Forwarded`; one that is malformed anywhere tells no address, for what is malformed may
    be a client's way to hide what a proxy added.
    """
    hops = parse_forwarded(value)
    if not hops:
        return Origin(address=UNKNOWN)
    count = _client_at([hop.node for hop in hops], trusted)
    hop = hops[-count]
    address = None if hop.node is None else _address(hop.node)
    return Origin(address, _scheme(hop.scheme), _host(hop.host))


def _from_custom(fields: Mapping[str, str], trusted: Networks) -> Origin:
    """The `X-Forwarded-` fields. Some proxies append to each of them, some replace some of them."""
    nodes = _listed(fields.get("x-forwarded-for"))
    count = _client_at(nodes, trusted) if nodes else 1
    return Origin(
        _address(nodes[-count]) if nodes else None,
        _scheme(_nearest(_listed(fields.get("x-forwarded-proto")), count)),
        _host(_nearest(_listed(fields.get("x-forwarded-host")), count)),
    )


def _listed(value: str | None) -> list[str]:
    return [part.strip(" \t") for part in (value or "").split(",") if part.strip(" \t")]


def _nearest(values: list[str], count: int) -> str | None:
    """The entry number `count` from the right, or the left-most of fewer."""
    return values[-min(count, len(values))] if values else None


def _client_at(nodes: Sequence[str | None], trusted: Networks) -> int:
    """The place of the client, counted from the right, the last being 1."""
    for count, node in enumerate(reversed(nodes), 1):
        if not is_trusted(_node_name(node), trusted):
            return count
    return len(nodes)


def _node_name(node: str | None) -> str:
    """The address or identifier of a node, without brackets and port; empty if malformed."""
    if node is None:
        return ""
    if plain(node) is not None:
        return node
    match = _NODE.fullmatch(node)
    return (match[1] or match[2] or "") if match else ""


def _address(node: str) -> str:
    name = _node_name(node)
    address = plain(name)
    if address is not None:
        return str(address)
    return name if _OBFUSCATED.fullmatch(name) else UNKNOWN


def _scheme(value: str | None) -> str | None:
    scheme = (value or "").lower()
    return scheme if scheme in SCHEMES else None


def _host(value: str | None) -> str | None:
    try:
        return None if value is None else str(parse_host(value))
    except Failure:
        return None


def parse_forwarded(value: str) -> list[_Hop]:
    """The elements of `Forwarded`, the one nearest to this server last; empty if malformed."""
    try:
        return [_Hop(hop.get("for"), hop.get("proto"), hop.get("host")) for hop in _elements(value)]
    except ValueError:
        return []


def _elements(value: str) -> Iterator[dict[str, str]]:
    """Each element's parameters, by their names in lower case. Raises ValueError."""
    element: dict[str, str] = {}
    position = 0
    while position < len(value):
        match = _PAIR.match(value, position)
        if match is not None:
            name = match[1].lower()
            if name in element:
                # RFC 7239 4: each parameter at most once.
                raise ValueError(name)
            element[name] = match[3] if match[2] is None else _ESCAPED.sub(r"\1", match[2])
            position = match.end()
        separator = value[position : position + 1]
        if separator in (",", "") and element:
            yield element
            element = {}
        elif separator not in (",", ";", " ", "\t"):
            raise ValueError(separator)
        position += 1
    if element:
        yield element
