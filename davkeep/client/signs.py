"""Which proxy it seems to be, from what it writes into requests and responses. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from davkeep.client.trials import Findings


class Sign(NamedTuple):
    """Something by which a proxy can be told."""

    #: A value of `keepalive.behind_proxy`; None: some proxy.
    proxy: str | None
    #: In words.
    text: str


#: Fields of responses (those of interim ones included), their values, and whose they are.
_IN_RESPONSES = (
    ("server", "nginx|openresty", "nginx"),
    ("server", "apache", "apache"),
    ("server", "caddy", "caddy"),
    ("server", "lighttpd", "lighttpd"),
    ("server", "envoy|istio", "envoy"),
    ("server", "varnish", "varnish"),
    ("server", "squid", "squid"),
    ("via", "varnish", "varnish"),
    ("via", "squid", "squid"),
    ("via", "caddy", "caddy"),
    ("x-varnish", "", "varnish"),
    ("x-squid-error", "", "squid"),
    ("x-envoy-upstream-service-time", "", "envoy"),
)

#: Fields of requests as the server saw them. The more telling ones come first.
_IN_REQUESTS = (
    ("x-varnish", "", "varnish"),
    ("via", "varnish", "varnish"),
    ("via", "squid", "squid"),
    ("via", "caddy", "caddy"),
    ("x-envoy-expected-rq-timeout-ms", "", "envoy"),
    ("x-envoy-external-address", "", "envoy"),
    # lighttpd 1.4, mod_proxy.
    ("x-host", "", "lighttpd"),
)


def signs(findings: Findings) -> list[Sign]:
    """All that betrays a proxy; empty for a direct connection."""
    found: list[Sign] = []
    for trial in (findings.control, *findings.trials):
        for fields in (trial.heard.fields, *(each.fields for each in trial.heard.interims)):
            found += _matching(_IN_RESPONSES, fields, "responses hold")
    report = findings.control.report or {}
    found += _of_request(report)
    found += _of_connection(report, findings.control.heard.local)
    return list(dict.fromkeys(found))


def guess(found: list[Sign]) -> str | None:
    """The proxy that the first telling sign is of."""
    return next((sign.proxy for sign in found if sign.proxy is not None), None)


def _matching(
    table: tuple[tuple[str, str, str], ...], fields: Mapping[str, object], where: str
) -> Iterator[Sign]:
    for name, pattern, proxy in table:
        value = fields.get(name)
        # A request's fields are what the server says of them.
        if isinstance(value, str) and re.search(pattern, value, re.IGNORECASE):
            yield Sign(proxy, f"{where} {name}: {value}")


def _of_request(report: Mapping[str, object]) -> Iterator[Sign]:
    fields = report.get("fields")
    fields = fields if isinstance(fields, dict) else {}
    yield from _matching(_IN_REQUESTS, fields, "requests arrive with")
    if "x-forwarded-server" in fields:
        # Both send it; only Traefik sends X-Real-Ip as well.
        proxy = "traefik" if "x-real-ip" in fields else "apache"
        yield Sign(proxy, "requests arrive with x-forwarded-server")
    if report.get("version") == "HTTP/1.0":
        yield Sign("nginx", "requests arrive as HTTP/1.0, as nginx sends them by default")
    for name in fields:
        yield Sign(None, f"requests arrive with {name}")


def _of_connection(report: Mapping[str, object], local: tuple[str, int]) -> Iterator[Sign]:
    peer = report.get("peer")
    if isinstance(peer, dict) and str(peer.get("port")) != str(local[1]):
        yield Sign(None, "the server's connection is not ours")
