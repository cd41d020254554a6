"""URLs of servers taken apart."""

import ssl
from urllib.parse import urlsplit

import pytest

from davkeep.http import Origin


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://example.org", "example.org", 80, "example.org"),
        ("http://Example.org:8080/", "example.org", 8080, "Example.org:8080"),
        ("http://[::1]:81/", "::1", 81, "[::1]:81"),
        # The zone leads there, and is told to nobody (RFC 6874 4), percent-encoded or not.
        ("http://[fe80::1%25eth0]/told", "fe80::1%eth0", 80, "[fe80::1]"),
        ("http://[fe80::1%eth0]:82/", "fe80::1%eth0", 82, "[fe80::1]:82"),
    ],
)
def test_a_plain_server(url: str, host: str, port: int, authority: str) -> None:
    """Where to connect to, and what the Host field says."""
    assert Origin.of(urlsplit(url), ssl.create_default_context()) == Origin(host, port, authority)


def test_a_server_with_tls() -> None:
    """It has another port, and the context."""
    tls = ssl.create_default_context()
    found = Origin.of(urlsplit("https://example.org/"), tls)
    assert found == Origin("example.org", 443, "example.org", tls)
