"""Proxies: their table, and what betrays them."""

import pytest

from davkeep.keepalive.profiles import Source
from davkeep.keepalive.proxies import (
    DECLARABLE,
    PROXIES,
    UNKNOWN_PROXY,
    Proxy,
    betraying_fields,
)

BETRAYING = [
    "Via",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Real-Ip",
    "X-Varnish",
    "Cf-Ray",
    "Cf-Connecting-Ip",
    "X-Amzn-Trace-Id",
    "X-Envoy-Expected-Rq-Timeout-Ms",
]
INNOCENT = ["Host", "User-Agent", "Destination", "X-Litmus", "X-Request-Id", "If", "Viaduct"]


def _environ(*fields):
    return {f"HTTP_{field.upper().replace('-', '_')}": "x" for field in fields}


@pytest.mark.parametrize("field", BETRAYING)
def test_betrayed(field):
    """Each of these fields tells of a proxy, and is named."""
    environ = _environ("Host", field)
    assert betraying_fields(environ) == (field,)


def test_not_betrayed():
    """A client's own fields tell of none."""
    assert not betraying_fields({**_environ(*INNOCENT), "REMOTE_ADDR": "::1"})


def test_names_and_the_configuration_agree():
    """Every proxy that the configuration can name has its row."""
    from davkeep.words.configuration.davkeep_block import Proxy as Names

    assert {"auto", "none", *DECLARABLE} == set(Names.__args__)


def test_caps():
    """What was measured: Apache fails at the 10th, Caddy at the 6th, nginx and Varnish at the
    first.
    """
    caps = {row.name: row.cap for row in PROXIES}
    assert caps == {
        "nginx": 0,
        "apache": 9,
        "haproxy": None,
        "caddy": 5,
        "squid": None,
        "varnish": 0,
        "lighttpd": None,
        "traefik": 5,
        "envoy": 0,
        "unknown": 0,
    }
    assert [row.name for row in PROXIES if row.multistatus] == ["nginx"]
    assert all(row.note and row.source in Source for row in PROXIES)
    assert UNKNOWN_PROXY.limit == 0


@pytest.mark.parametrize("wrong", [{"cap": -1}, {"cap": 1, "patience": 0}])
def test_impossible_values(wrong):
    """They fail at birth."""
    with pytest.raises(ValueError, match=r"above 0|0 or more"):
        Proxy("x", **wrong)
