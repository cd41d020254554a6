"""What proxies do with interim responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from davkeep.keepalive.profiles import DEFAULT_CAP, Source
from davkeep.words.proxies import fields_of


@dataclass(frozen=True)
class Proxy:
    """What a kind of proxy does with the server's interim responses. Impossible values raise
    ValueError.
    """

    #: As in the key `keepalive.behind_proxy`.
    name: str
    #: Interim responses that it lets pass for one request, `100 Continue` included. 0: none are
    #: sent through it. None: no limit is known.
    cap: int | None
    #: Seconds that it waits for the server by default. None: for ever.
    patience: float | None = None
    #: Whether an interim response renews its patience. None: unknown.
    renews: bool | None = None
    #: Whether a 207 that begins before the operation ends may be sent through it.
    multistatus: bool = False
    source: Source = Source.UNKNOWN
    note: str = ""
    #: What its administrator can set so that it waits longer.
    setting: str = ""

    def __post_init__(self) -> None:
        if self.cap is not None and self.cap < 0:
            raise ValueError("a cap is 0 or more")
        if self.patience is not None and not self.patience > 0:
            raise ValueError("patience is seconds above 0")

    @property
    def limit(self) -> int:
        """The most interim responses that are sent through it for one request."""
        return DEFAULT_CAP if self.cap is None else self.cap


#: One that header fields betray and the configuration does not name.
UNKNOWN_PROXY = Proxy("unknown", cap=0, note="betrayed by a header field, and not declared")

#: Versions that were measured are Debian 12's.
PROXIES: tuple[Proxy, ...] = (
    Proxy(
        "nginx",
        cap=0,
        patience=60,
        renews=False,
        multistatus=True,
        source=Source.MEASURED,
        note="1.22: asks with HTTP/1.0 unless told otherwise; with HTTP/1.1, the default from"
        " 1.29.7 on, the first 102 breaks it; an early multi-status renews its timeout",
        setting="proxy_read_timeout",
    ),
    Proxy(
        "apache",
        cap=9,
        patience=60,
        renews=True,
        source=Source.MEASURED,
        note="mod_proxy_http 2.4: 9 pass, the 10th gives 502",
        setting="ProxyTimeout",
    ),
    Proxy(
        "haproxy",
        cap=None,
        patience=50,
        renews=True,
        source=Source.MEASURED,
        note="2.6: 200 pass; the timeout is that of Debian's file, there is no default",
        setting="timeout server",
    ),
    Proxy(
        "caddy",
        cap=5,
        renews=False,
        source=Source.MEASURED,
        note="2.6: 5 pass, the 6th gives 502, and so up to 2.9",
        setting="transport http { response_header_timeout }",
    ),
    Proxy(
        "squid",
        cap=None,
        patience=900,
        renews=False,
        source=Source.MEASURED,
        note="5.7: 200 pass",
        setting="read_timeout",
    ),
    Proxy(
        "varnish",
        cap=0,
        patience=60,
        renews=False,
        source=Source.MEASURED,
        note="7.1: 503 on the first",
        setting="first_byte_timeout",
    ),
    Proxy(
        "lighttpd",
        cap=None,
        patience=60,
        renews=True,
        source=Source.MEASURED,
        note="1.4: forwards them, and strips them for clients of HTTP/1.0",
        setting="proxy.server read-timeout",
    ),
    Proxy(
        "traefik",
        cap=5,
        renews=False,
        source=Source.READ,
        note="5 pass up to 3.4; from 3.5 on there is no limit",
        setting="serversTransport.forwardingTimeouts.responseHeaderTimeout",
    ),
    Proxy(
        "envoy",
        cap=0,
        patience=15,
        source=Source.READ,
        note="swallows them unless proxy_100_continue is set",
        setting="route timeout",
    ),
    UNKNOWN_PROXY,
)

#: The proxies that can be declared, by name.
DECLARABLE: Mapping[str, Proxy] = {row.name: row for row in PROXIES if row is not UNKNOWN_PROXY}


def betraying_fields(environ: Mapping[str, Any]) -> tuple[str, ...]:
    """The header fields of a WSGI request that only a proxy adds, e.g. `("Via",)`, sorted."""
    return tuple(sorted(name.title() for name in fields_of(environ)))
