"""Forwarding fields: whom a trusted proxy passes a request on for."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.forwarding import UNKNOWN, Origin, is_trusted, origin_of

PROXY = "10.0.0.1"
TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")]

#: What a header field can hold, as text with one character for each byte.
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))
#: The like, with a liking for what has a meaning in `Forwarded`.
TRICKY = st.lists(
    st.sampled_from(
        ["for", "=", '"', "\\", ",", ";", " ", "[", "]", ":", "127.0.0.1", "10.0.0.9", "_a", "host"]
    )
).map("".join)


def origin(**fields: str) -> Origin:
    """What fields say that the proxy sent: `x_forwarded_for` is X-Forwarded-For."""
    return origin_of(
        PROXY, {name.replace("_", "-"): text for name, text in fields.items()}, TRUSTED
    )


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("127.0.0.1, 192.0.2.1", "192.0.2.1"),
        ("127.0.0.1, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("127.0.0.1,192.0.2.1 ,\t10.0.0.7, ::ffff:10.0.0.8", "192.0.2.1"),
        ("10.0.0.5, 10.0.0.6", "10.0.0.5"),
        ("garbage, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, garbage", UNKNOWN),
        ("192.0.2.1, unknown", UNKNOWN),
        ("192.0.2.1, unknown, 10.0.0.1", UNKNOWN),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]:4711, 2001:db8:ffff::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("_hidden", "_hidden"),
        ("300.1.1.1", UNKNOWN),
        ("192.0.2.1:", UNKNOWN),
        ("[192.0.2.1", UNKNOWN),
        ("", None),
        (" , ,", None),
    ],
)
def test_the_address_in_x_forwarded_for(value: str, address: str | None) -> None:
    """The right-most that is not trusted; what it cannot be understood from is no address."""
    assert origin(x_forwarded_for=value).address == address


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.1", Origin("192.0.2.1")),
        ("For=192.0.2.1;Proto=HTTPS;By=10.0.0.1", Origin("192.0.2.1", "https")),
        ('for="192.0.2.1:4711"; host="a:8443"', Origin("192.0.2.1", None, "a:8443")),
        ('for="[2001:db8::1]:4711";proto=http', Origin("2001:db8::1", "http")),
        ('for="[2001:db8::1]:_port"', Origin("2001:db8::1")),
        ("for=192.0.2.1:4711", Origin("192.0.2.1")),
        (r'for="\1\9\2.0.2.1"', Origin("192.0.2.1")),
        ("for=_SEVKISEK", Origin("_SEVKISEK")),
        ("for=unknown", Origin(UNKNOWN)),
        ("for=127.0.0.1, for=192.0.2.1;proto=https;host=a, for=10.0.0.2;proto=http;host=b",
         Origin("192.0.2.1", "https", "a")),
        ('for="1,2;3", for=192.0.2.1', Origin("192.0.2.1")),
        (",, for=192.0.2.1 ,", Origin("192.0.2.1")),
        ("proto=https;host=dav.example", Origin(None, "https", "dav.example")),
        ("for=192.0.2.1;proto=gopher;host=a/b", Origin("192.0.2.1")),
        ("for=192.0.2.1;for=127.0.0.1", Origin(UNKNOWN)),
        ('for="192.0.2.1', Origin(UNKNOWN)),
        ('for=127.0.0.1;x=", for=192.0.2.1', Origin(UNKNOWN)),
        ("192.0.2.1", Origin(UNKNOWN)),
        ("for=", Origin(UNKNOWN)),
        ("for=192.0.2.1 by=x", Origin(UNKNOWN)),
        ("", Origin(UNKNOWN)),
    ],
)  # fmt: skip
def test_forwarded(value: str, expected: Origin) -> None:
    """RFC 7239, whose elements tell of one proxy each; a malformed field tells no address."""
    assert origin(forwarded=value) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("192.0.2.1", "https", "Dav.Example"), ("https", "dav.example")),
        (("127.0.0.1, 192.0.2.1", "http, https", "evil, dav.example"), ("https", "dav.example")),
        (("192.0.2.1, 10.0.0.7", "https, http", "dav.example, inner"), ("https", "dav.example")),
        (("192.0.2.1, 10.0.0.7", "https", "dav.example"), ("https", "dav.example")),
        (("192.0.2.1", "HTTPS", "[2001:db8::1]:8443"), ("https", "[2001:db8::1]:8443")),
        (("192.0.2.1", "wss", "a b"), (None, None)),
    ],
)
def test_scheme_and_host_come_from_the_clients_proxy(
    fields: tuple[str, str, str], expected: tuple[str | None, str | None]
) -> None:
    """Whether the proxies append or replace; malformed ones are ignored."""
    told = origin(
        x_forwarded_for=fields[0], x_forwarded_proto=fields[1], x_forwarded_host=fields[2]
    )
    assert (told.scheme, told.host) == expected


def test_both_families_count_as_far_as_they_agree() -> None:
    """A proxy that writes one may pass on what the client wrote into the other."""
    agreed = origin(forwarded="for=192.0.2.1;proto=https", x_forwarded_for="192.0.2.1")
    assert agreed == Origin("192.0.2.1", "https")
    for forged in ("for=127.0.0.1;proto=http", 'for="'):
        told = origin(forwarded=forged, x_forwarded_for="192.0.2.1", x_forwarded_proto="https")
        assert told.address == UNKNOWN
        assert told.scheme in (None, "https")
    assert origin(forwarded="for=192.0.2.1", x_forwarded_for="127.0.0.1").address == UNKNOWN


@pytest.mark.parametrize("peer", ["192.0.2.9", "2001:db8::1", "::ffff:192.0.2.9", "", "/run/s"])
def test_others_are_not_believed(peer: str) -> None:
    """Nor is a peer on a Unix socket, which has no address that could be named."""
    fields = {"forwarded": "for=192.0.2.1", "x-forwarded-for": "192.0.2.1", "x-forwarded-host": "a"}
    assert origin_of(peer, fields, TRUSTED) == Origin()


def test_ipv4_in_the_clothes_of_ipv6_is_ipv4() -> None:
    """A socket for both families shows IPv4 peers so."""
    assert is_trusted("::ffff:10.0.0.1", TRUSTED)
    assert not is_trusted("::ffff:192.0.2.1", TRUSTED)
    assert not is_trusted(PROXY, [])


@given(VALUES | TRICKY)
def test_what_a_client_wrote_changes_nothing(forged: str) -> None:
    """The proxy's own entry comes last, and what stands before it has no say."""
    assert origin(x_forwarded_for=f"{forged}, 192.0.2.1").address == "192.0.2.1"


@given(VALUES | TRICKY)
def test_what_a_client_wrote_at_most_hides_it(forged: str) -> None:
    """In `Forwarded` it can make the whole field malformed, and then there is no address."""
    for entry in ("for=192.0.2.1", "for=192.0.2.1;proto=https", 'for="[2001:db8::9]:1"'):
        told = origin(forwarded=f"{forged}, {entry}").address
        assert told in ("192.0.2.1", "2001:db8::9", UNKNOWN)


@given(VALUES | TRICKY, VALUES | TRICKY, VALUES | TRICKY, VALUES | TRICKY)
def test_no_value_is_an_error(standard: str, nodes: str, scheme: str, host: str) -> None:
    """Whatever the fields hold, there is an answer that can be used."""
    told = origin(
        forwarded=standard, x_forwarded_for=nodes, x_forwarded_proto=scheme, x_forwarded_host=host
    )
    assert told.scheme in (None, "http", "https")
    assert told.address is None or told.address.isprintable()


@given(st.ip_addresses(), st.none() | st.integers(0, 65535), st.booleans())
def test_every_address_comes_through(address: object, port: int | None, standard: bool) -> None:
    """Written as RFC 7239 6 asks, with and without a port."""
    node = f"[{address}]" if ":" in str(address) else str(address)
    node += "" if port is None else f":{port}"
    told = origin(forwarded=f'for="{node}"') if standard else origin(x_forwarded_for=node)
    mapped = getattr(address, "ipv4_mapped", None)
    assert told.address == str(mapped or address)


def test_long_values_are_read_in_no_time() -> None:
    """Nothing is looked at more than once, however long it is (65,536 bytes at most arrive)."""
    for piece in (" ", ",", ";", "a", '"', "\\", "for=_a,", "[", ":"):
        origin(forwarded="for=_a" + piece * 60_000, x_forwarded_for=piece * 60_000)
