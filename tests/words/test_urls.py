import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.failure import Failure
from davkeep.words.names import is_reserved
from davkeep.words.urls import parse_destination, parse_path, quote_path

HOSTS = ("example.com",)

names = (
    st.binary(min_size=1, max_size=255)
    .filter(lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b".."))
    .map(os.fsdecode)
)


def status_of(raw: str | bytes) -> int:
    with pytest.raises(Failure) as caught:
        parse_path(raw)
    return caught.value.status


@pytest.mark.parametrize(
    ("raw", "segments", "slash"),
    [
        ("/", (), True),
        ("/a", ("a",), False),
        ("/a/b/", ("a", "b"), True),
        ("//a///b", ("a", "b"), False),
        ("/b%3Fv2", ("b?v2",), False),
        ("/b%3bv2", ("b;v2",), False),
        ("/b;v2", ("b;v2",), False),
        ("/100%25", ("100%",), False),
        ("/%2541", ("%41",), False),
        ("/a%23b", ("a#b",), False),
        ("/a+b", ("a+b",), False),
        ("/...", ("...",), False),
        ("/%0a%7f%20", ("\n\x7f ",), False),
        ("/%c3%a9", ("é",), False),
        ("/é", ("é",), False),
        (b"/\xc3\xa9", ("é",), False),
        ("/%ff%fe", ("\udcff\udcfe",), False),
    ],
)
def test_path_is_split_and_then_decoded(
    raw: str | bytes, segments: tuple[str, ...], slash: bool
) -> None:
    """Every name survives, whatever it holds, and encoded delimiters are parts of names."""
    assert parse_path(raw) == (segments, slash)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "a",
        "*",
        "http://h/a",
        "/a%00b",
        "/a%2Fb",
        "/a%2fb",
        "/.",
        "/a/..",
        "/../../x",
        "/%2e%2E/x",
        "/.%2e/x",
        "/%",
        "/%4",
        "/%zz",
        "/%%41",
        "/a?b",
        "/a#b",
        "/a b",
        "/a\nb",
        "/a\x7f",
        b"/a\0",
    ],
)
def test_malformed_path_is_400(raw: str | bytes) -> None:
    """What is no path, or climbs, or hides a slash or NUL, is refused."""
    assert status_of(raw) == 400


def test_long_names_are_refused_by_their_bytes() -> None:
    """A name of 255 bytes passes, one of 256 bytes has the status that the caller wants."""
    assert parse_path("/" + "a" * 255).segments == ("a" * 255,)
    assert parse_path("/" + "%41" * 255).segments == ("A" * 255,)
    assert status_of("/x/" + "a" * 256) == 414
    assert status_of("/" + "é" * 128) == 414
    with pytest.raises(Failure) as caught:
        parse_path("/" + "a" * 256, too_long=400)
    assert caught.value.status == 400


@given(st.lists(names, max_size=5).map(tuple), st.booleans())
def test_quoting_and_parsing_are_inverse(segments: tuple[str, ...], collection: bool) -> None:
    """Every sequence of names comes back from its href, which is plain ASCII."""
    href = quote_path(segments, collection)
    assert href.isascii()
    assert not set(href) & set(' "<>&;?#\\^`{|}\n')
    assert parse_path(href) == (segments, collection or not segments)


def test_href_keeps_what_clients_keep() -> None:
    """Unreserved characters and most of pchar stay readable, the rest is encoded in upper case."""
    assert quote_path(("aZ0-._~!$'()*+,=:@",)) == "/aZ0-._~!$'()*+,=:@"
    assert quote_path(("a b", "&;?#%é"), True) == "/a%20b/%26%3B%3F%23%25%C3%A9/"
    assert quote_path((), True) == quote_path((), False) == "/"


@pytest.mark.parametrize(
    "name",
    [
        ".davkeep",
        ".davkeep-1-2",
        ".DavKeep-x",
        ".davkeeper",
        "\uff0edavkeep",
        ".\uff24\uff21vkeep-1",
        ".dav\u212aeep",
        ".dav\u200bkeep",
        "\ufeff.davkeep",
        ".davkeep\udcff",
        ".DAVKEEP-\udc80é",
    ],
)
def test_reserved_names(name: str) -> None:
    """The names that davkeep keeps for itself are known in every spelling of Unicode."""
    assert is_reserved(name)


@pytest.mark.parametrize(
    "name", ["davkeep", ".davkee", "x.davkeep", "..davkeep", "", ".", "\udcff.davkeep", "é", ".dav"]
)
def test_other_names_are_free(name: str) -> None:
    """Names that merely resemble the reserved ones may be used."""
    assert not is_reserved(name)


@given(names)
def test_every_name_is_reserved_or_not(name: str) -> None:
    """No name, of whatever bytes, makes the question fail."""
    assert is_reserved(name) in (True, False)


@pytest.mark.parametrize(
    ("field", "segments"),
    [
        ("/b", ("b",)),
        ("/b%3Fv2", ("b?v2",)),
        ("/b%3Bv2", ("b;v2",)),
        (" /b\t", ("b",)),
        ("http://example.com/b/c/", ("b", "c")),
        ("http://example.com", ()),
        ("HTTP://EXAMPLE.com:80/b", ("b",)),
        ("http://example.com:/b", ("b",)),
        ("https://example.com/b", ("b",)),
        ("https://example.com:443/b", ("b",)),
        ("http://example.com//b", ("b",)),
        ("/\u00c3\u00a9", ("é",)),
    ],
)
def test_destination_on_this_server(field: str, segments: tuple[str, ...]) -> None:
    """An absolute path and a URI on this host give the names, also those with "?" and ";"."""
    assert parse_destination(field, hosts=HOSTS, scheme="http").segments == segments


@pytest.mark.parametrize(
    "field",
    [
        None,
        "",
        "b",
        "../b",
        "//b",
        "//example.com/b",
        "http:/b",
        "http:///b",
        "://b",
        "/b?q",
        "/b#f",
        "http://example.com/b?q",
        "http://example.com/b#f",
        "http://example.com?q",
        "http://user@example.com/b",
        "http://u:p@example.com/b",
        "http://example.com:x/b",
        "http://example.com:99999/b",
        "http://exa mple.com/b",
        "http://example.com/..",
        "http://other.example/a%2Fb",
        "http://example.com/%zz",
        "/%00",
        "/a b",
        "/\u20ac",
        "/" + "a" * 256,
    ],
)
def test_malformed_destination_is_400(field: str | None) -> None:
    """A Destination that is missing, or not exactly one path, is refused."""
    with pytest.raises(Failure) as caught:
        parse_destination(field, hosts=HOSTS, scheme="http")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "field",
    [
        "http://other.example/b",
        "http://example.com.evil/b",
        "http://example.com:8080/b",
        "http://example.com:443/b",
        "https://example.com:80/b",
        "ftp://example.com/b",
        "davs://example.com/b",
    ],
)
def test_other_server_is_502(field: str) -> None:
    """Another host, another port and another protocol are another server."""
    with pytest.raises(Failure) as caught:
        parse_destination(field, hosts=HOSTS, scheme="http")
    assert caught.value.status == 502


def test_hosts_with_ports() -> None:
    """Ports count, default ones are the same as none, and an IPv6 address is a host."""
    hosts = ("dav.example:8080", "secure.example:443", "[::1]:8080")
    for field in ("http://DAV.example:8080/b", "https://secure.example/b", "http://[::1]:8080/b"):
        assert parse_destination(field, hosts=hosts, scheme="https").segments == ("b",)
    with pytest.raises(Failure) as caught:
        parse_destination("http://dav.example/b", hosts=hosts, scheme="https")
    assert caught.value.status == 502


def test_a_long_name_in_the_destination() -> None:
    """The status of a name that is too long is the caller's to choose."""
    with pytest.raises(Failure) as caught:
        parse_destination("/" + "a" * 256, hosts=HOSTS, scheme="http", too_long=409)
    assert caught.value.status == 409
